"use strict";
// The keyboard: one list that both acts and explains itself.

class Keys {
  /** `view()` names the view on show. */
  constructor(view, comparison) {
    this.view = view;
    const { playback } = comparison;
    this.list = [
      { keys: ["?"], text: "Show these keys", act: () => byId("keys").showModal() },
      { keys: ["m"], text: "Methods", act: () => go({ view: "methods" }) },
      { keys: ["v"], text: "Videos", act: () => go({ view: "videos" }) },
      { keys: ["c"], text: "Compare", act: () => go({ view: "compare" }) },
      { keys: ["/"], text: "Search", views: ["methods", "videos"], act: () => this.search() },
      { keys: [" "], text: "Play or pause all videos", views: ["compare"], act: () => playback.toggle() },
      { keys: ["ArrowLeft", ","], text: "One frame back", views: ["compare"], act: () => playback.step(-1) },
      { keys: ["ArrowRight", "."], text: "One frame on", views: ["compare"], act: () => playback.step(1) },
      { keys: ["Home"], text: "First frame", views: ["compare"], act: () => playback.step(-Infinity) },
      { keys: ["End"], text: "Last frame", views: ["compare"], act: () => playback.step(Infinity) },
      { keys: ["p"], text: "Previous comparison", views: ["compare"], act: () => comparison.follow("previous-prompt") },
      { keys: ["n"], text: "Next comparison", views: ["compare"], act: () => comparison.follow("next-prompt") },
      { keys: ["Escape"], text: "Back to the videos", views: ["compare"], act: () => go({ view: "videos" }) },
      { keys: ["d"], text: "Difference from the original, on or off", views: ["compare"], act: () => comparison.toggleDifference() },
      { keys: ["+", "="], text: "Stronger difference", views: ["compare"], act: () => comparison.changeGain(1) },
      { keys: ["-"], text: "Weaker difference", views: ["compare"], act: () => comparison.changeGain(-1) },
    ];
    byId("keys").querySelector("dl").replaceChildren(
      ...this.list.flatMap(({ keys, text, views }) => [
        element("dt", {}, keys.map((key) => element("kbd", {}, keyName(key)))),
        element("dd", {}, views ? `${text} (${views.join(", ")})` : text),
      ]),
    );
    byId("show-keys").onclick = () => byId("keys").showModal();
    document.addEventListener("keydown", (event) => this.press(event));
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || byId("keys").open) return;
    if (takesKey(event.target, event.key)) return;
    const found = this.list.find(({ keys, views }) => keys.includes(event.key) && (!views || views.includes(this.view())));
    if (!found) return;
    event.preventDefault();
    found.act();
  }

  search() {
    document.querySelector(`#${this.view()} input[type=search]`).focus();
  }
}

/** Whether the element under focus has its own use for the key. */
function takesKey(target, key) {
  if (target.matches("input[type=search]")) return key !== "Escape";
  if (target.matches("select, input[type=range]")) return key !== "Escape" && key !== "?";
  return key === " " && target.matches("button, a, summary, input");
}

function keyName(key) {
  return { " ": "Space", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc" }[key] ?? key;
}
