"use strict";
// One video of a comparison: the picture, its scores, and what the method did for it.

const SCORES_FIRST = ["latency_s", "flops", "psnr", "ssim", "lpips"];

class Tile {
  /**
   * `cell` is the row's in the shard (null where the row has none), `original` the cell it is compared with in numbers,
   * `reference` that of the difference view; both may be null.
   */
  constructor(index, row, cell, { original, reference, traces, files, onStep, more, onMore }) {
    this.videos = [];
    this.files = files;
    this.strip = cell?.trace === undefined ? null : new TraceStrip(traces[cell.trace], row.row, onStep);
    const { width, height } = row.sampling;
    const stage = element("div", {
      className: "stage",
      style: width && height ? `aspect-ratio:${width}/${height}` : null,
    });
    if (width && width < 200) stage.classList.add("pixels");
    if (cell?.video) {
      stage.append(this.video(cell.video, `Video of ${row.row}`));
      if (reference?.video && reference !== cell) {
        const over = this.video(reference.video, null);
        over.setAttribute("aria-hidden", "true");
        over.classList.add("over");
        stage.classList.add("difference");
        stage.append(over);
      }
    } else {
      stage.append(element("p", {}, why(row, cell)));
    }
    this.element = element(
      "figure",
      { className: "tile", "data-row": row.row },
      element("figcaption", { title: settings(row) }, rowName(row), reference && reference === cell ? element("small", {}, "the reference, as it is") : null),
      stage,
      element("div", {}, cell ? scores(index, cell, original, more, onMore) : []),
      element(
        "div",
        {},
        this.strip?.element,
        (cell?.remarks ?? []).map((remark) => element("p", { className: "remark" }, remark)),
      ),
    );
  }

  video(name, label) {
    const video = element("video", {
      muted: true,
      playsInline: true,
      preload: "auto",
      "aria-label": label,
    });
    const missing = () => video.replaceWith(element("p", {}, `page/videos/${name} is not in this copy of the report`));
    video.onerror = missing;
    this.files.address(name).then((found) => (video.src = found), missing);
    this.videos.push(video);
    return video;
  }
}

/** Why there is no video to show. */
function why(row, cell) {
  if (row.skip_reason) return `Not run: ${row.skip_reason}`;
  if (!cell) return "Not planned";
  if (cell.status === "pending") return "Not generated yet";
  return cell.status === "ok" ? "The store has lost this video" : `${cell.status}: ${cell.reason ?? "no reason recorded"}`;
}

/** The video's numbers, the dimensions folded away; all tiles are folded or open alike. */
function scores(index, cell, original, more, onMore) {
  const measures = index.measures.filter(({ name }) => cell.values[name] !== undefined);
  const first = measures.filter(({ name }) => SCORES_FIRST.includes(name));
  const rest = measures.filter(({ name }) => !SCORES_FIRST.includes(name));
  const list = (some) =>
    element("dl", { className: "scores" }, some.map((measure) => scoreEntry(measure, cell, original)));
  const details = element(
    "details",
    { className: "more", open: more },
    element("summary", {}, plural(rest.length, "more value")),
    list(rest),
  );
  details.ontoggle = () => onMore(details.open);
  return [list(first), rest.length ? details : null];
}

function scoreEntry(measure, cell, original) {
  const value = cell.values[measure.name];
  const theirs = original && original !== cell ? original.values[measure.name] : undefined;
  let change = null;
  if (theirs !== undefined && Number.isFinite(value - theirs)) {
    const sign = value < theirs ? "−" : "+";
    change = element("small", { title: "against the original's" }, `${sign}${number(measure, Math.abs(value - theirs))}`);
  }
  return element("div", {}, element("dt", {}, measure.title), element("dd", {}, quantity(measure, value), change));
}
