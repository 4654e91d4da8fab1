"use strict";
// One prompt and sample under several methods, side by side.

const SHOWN_AT_FIRST = 8;

class Comparison {
  constructor(index) {
    this.index = index;
    this.section = byId("compare");
    this.tiles = [];
    this.more = false;
    this.files = new VideoFiles();
    byId("size").value = parseInt(getComputedStyle(document.documentElement).getPropertyValue("--tile"), 10);
    this.playback = new Playback((frame, playing) => this.showFrame(frame, playing));
    this.section.querySelector(".legend").replaceChildren(...legend());
    this.listen();
  }

  listen() {
    byId("sample").onchange = () => go({ sample: byId("sample").value });
    byId("play").onclick = () => this.playback.toggle();
    byId("step-back").onclick = () => this.playback.step(-1);
    byId("step-forward").onclick = () => this.playback.step(1);
    byId("scrub").oninput = () => {
      this.playback.pause();
      this.playback.seek(Number(byId("scrub").value));
    };
    byId("speed").onchange = () => (this.playback.speed = Number(byId("speed").value));
    byId("difference").onchange = () => go({ difference: byId("difference").value, frame: this.playback.frame });
    byId("gain").oninput = () => this.showGain(Number(byId("gain").value));
    byId("size").oninput = () => this.section.style.setProperty("--tile", `${byId("size").value}px`);
  }

  /** Draw the comparison that the address asks for. */
  async draw() {
    const entries = address();
    const prompt = Number(entries.get("prompt") ?? 0);
    const sample = Number(entries.get("sample") ?? 0);
    const { prompts, prompt_samples, rows, shard_prompts } = this.index;
    if (!(prompt in prompts) || !Number.isInteger(sample) || sample < 0 || sample >= prompt_samples[prompt]) {
      const asked = `sample ${entries.get("sample") ?? 0} of prompt ${entries.get("prompt")}`;
      throw new Error(`the suite has no ${asked}; its ${plural(prompts.length, "prompt")} and their samples count from 0`);
    }
    const turn = (this.turn = Symbol("the last call draws"));
    const [shard, cells] = await Promise.all([load(`prompts-${Math.floor(prompt / shard_prompts)}`), selectedCells(this.index)]);
    if (turn !== this.turn) return;
    const here = shard.prompts[prompt - shard.first][sample];
    const shown = this.shownRows(entries);
    byId("compare-heading").textContent = prompts[prompt];
    this.drawSamples(sample, prompt_samples[prompt]);
    this.drawPlace(prompt, sample, places(cells));
    this.drawRowChoice(shown);
    this.drawDifference(entries, shown);
    this.drawTiles(shown, here, shard.traces);
    const frames = Math.max(1, ...shown.map((row) => rows[row].sampling.num_frames ?? 1));
    byId("scrub").max = String(frames - 1);
    this.playback.attach(this.tiles.flatMap((tile) => tile.videos), frames, Number(entries.get("frame") ?? 0));
  }

  /** Stop when another view is shown. */
  leave() {
    this.playback.pause();
  }

  /** Numbers of the rows in the address; else of one model, with the original and the row one came from in front. */
  shownRows(entries) {
    const { rows } = this.index;
    const named = entries.getAll("row");
    if (named.length) return [...rows.keys()].filter((number) => named.includes(rows[number].row));
    const from = rows.find((row) => row.row === entries.get("with")) ?? rows[0];
    const rank = (row) => (row.original ? 0 : row === from ? 1 : row.skip_reason ? 3 : 2);
    return [...rows.keys()]
      .filter((number) => rows[number].model === from.model)
      .sort((a, b) => rank(rows[a]) - rank(rows[b]) || a - b)
      .slice(0, SHOWN_AT_FIRST);
  }

  /** Where this comparison stands in what the table of videos shows, and the ways to its neighbours. */
  drawPlace(prompt, sample, order) {
    const at = order.findIndex((place) => place.prompt === prompt && place.sample === sample);
    const { sort } = sorting("");
    const by = this.index.measures.find(({ name }) => name === sort)?.title ?? sort;
    byId("place").textContent = at < 0 ? "not in the table's selection" : `${at + 1} of ${order.length}${by ? `, by ${by}` : ""}`;
    for (const [id, place] of [["previous-prompt", order[at - 1]], ["next-prompt", order[at < 0 ? 0 : at + 1]]]) {
      const link = byId(id);
      if (place) link.href = addressWith({ ...place, frame: null });
      else link.removeAttribute("href");
    }
  }

  drawSamples(sample, samples) {
    fillSelect(byId("sample"), Array.from({ length: samples }, (_, number) => [String(number), String(number)]));
    byId("sample").value = String(sample);
    byId("sample-choice").hidden = samples < 2;
  }

  drawRowChoice(shown) {
    const details = byId("row-choice");
    const { rows } = this.index;
    details.querySelector("summary").textContent = `${shown.length} of ${plural(rows.length, "method")}`;
    const severalModels = new Set(rows.map((row) => row.model)).size > 1;
    const boxes = rows.map((row, number) => {
      const box = element("input", { type: "checkbox", checked: shown.includes(number) });
      box.onchange = () => {
        const kept = shown.filter((one) => one !== number);
        if (box.checked) kept.push(number);
        go({ row: kept.map((one) => rows[one].row), frame: this.playback.frame });
      };
      return element("label", {}, box, rowName(row), severalModels ? element("small", {}, row.model) : null);
    });
    details.querySelector("fieldset").replaceChildren(element("legend", {}, "Show"), ...boxes);
  }

  drawDifference(entries, shown) {
    const { rows } = this.index;
    fillSelect(byId("difference"), [["", "nothing"], ...shown.map((row) => [rows[row].row, rows[row].row])]);
    const wanted = entries.get("difference") ?? "";
    byId("difference").value = shown.some((row) => rows[row].row === wanted) ? wanted : "";
    const on = byId("difference").value !== "";
    byId("gain-choice").hidden = byId("difference-note").hidden = !on;
    this.showGain(Number(entries.get("gain") ?? 4), on);
  }

  drawTiles(shown, cells, traces) {
    const { rows } = this.index;
    const named = (name) => cells[rows.findIndex((row) => row.row === name)] ?? null;
    const reference = named(byId("difference").value);
    this.files.release();
    this.files = new VideoFiles();
    this.tiles = shown.map(
      (row) =>
        new Tile(this.index, rows[row], cells[row], {
          original: named(rows[row].baseline),
          reference,
          traces,
          files: this.files,
          onStep: (step) => this.tiles.forEach((tile) => tile.strip?.point(step)),
          more: this.more,
          onMore: (open) => this.openMore(open),
        }),
    );
    this.section.querySelector(".tiles").replaceChildren(...this.tiles.map((tile) => tile.element));
  }

  openMore(open) {
    this.more = open;
    for (const details of this.section.querySelectorAll(".more")) details.open = open;
  }

  showFrame(frame, playing) {
    const { frames } = this.playback;
    byId("scrub").value = String(frame);
    byId("frame").textContent = `Frame ${frame + 1} of ${frames}`;
    byId("play").textContent = playing ? "Pause" : "Play";
    if (!playing) note({ frame: frame || null });
  }

  showGain(gain, keep = true) {
    byId("gain").value = String(gain);
    byId("gain-shown").textContent = `${byId("gain").value}`;
    this.section.style.setProperty("--gain", byId("gain").value);
    if (keep) note({ gain: byId("gain").value });
  }

  // What keys do; see keys.js.

  follow(id) {
    byId(id).click();
  }

  toggleDifference() {
    const select = byId("difference");
    const { rows } = this.index;
    const original = [...select.options].find((option) => rows.some((row) => row.original && row.row === option.value));
    select.value = select.value ? "" : (original ?? select.options[1])?.value ?? "";
    select.onchange();
  }

  changeGain(by) {
    if (byId("difference").value) this.showGain(Number(byId("gain").value) + by);
  }
}
