"use strict";
// Building elements. Texts become text nodes, never markup: prompts and error messages come from anywhere.

/** An element with properties (names with a hyphen, `role` and `for` are attributes) and children; null is left out. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.includes("-") || name === "role" || name === "for" || name === "style") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** An SVG element with attributes. */
function drawing(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** The one element of that id. */
const byId = (id) => document.getElementById(id);

/** Fill a select with `[value, text]` pairs, or with `{label, options}` groups of them. */
function fillSelect(select, entries) {
  const option = ([value, text]) => element("option", { value, textContent: text });
  select.replaceChildren(
    ...entries.map((entry) =>
      Array.isArray(entry)
        ? option(entry)
        : element("optgroup", { label: entry.label }, entry.options.map(option)),
    ),
  );
}

/** A row's name, which may break between its words, behind its method's colour, which never alone tells rows apart. */
function rowName(row) {
  return element(
    "span",
    { className: "row-name" },
    element("span", { className: "swatch", style: `background:${row.color}`, "aria-hidden": "true" }),
    element("span", {}, row.row.split(/(?<=[_=,/])/).flatMap((part) => [part, element("wbr")])),
  );
}
