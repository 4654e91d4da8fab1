"use strict";
// Numbers as the report writes them: each measure brings its unit, decimals and direction.

const ABSENT = "n/a";
const ARROWS = { higher: "↑", lower: "↓" };

/** Such as `Latency (s) ↓`. */
function heading(measure) {
  const unit = measure.unit ? ` (${measure.unit})` : "";
  return `${measure.title}${unit}${measure.direction ? ` ${ARROWS[measure.direction]}` : ""}`;
}

/** A value in the measure's unit, which is not written. */
function number(measure, value) {
  if (value === null || value === undefined) return ABSENT;
  if (!Number.isFinite(value)) return "∞";
  return `${(value / measure.per).toFixed(measure.decimals)}${measure.suffix}`;
}

/** A value with its unit. */
function quantity(measure, value) {
  return `${number(measure, value)}${measure.unit ? ` ${measure.unit}` : ""}`;
}

/** `1 video`, `2 videos`. */
function plural(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
