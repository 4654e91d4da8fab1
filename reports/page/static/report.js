"use strict";
// The page: three views, of which the address names one.

const VIEWS = ["methods", "videos", "compare"];

/** The view the address asks for. */
function currentView() {
  const view = address().get("view");
  return VIEWS.includes(view) ? view : "methods";
}

/** Say what went wrong where everybody sees it; "" takes it back. */
function trouble(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = text === "";
}

async function start() {
  const index = await load("index");
  byId("suite").textContent = index.suite;
  const views = {
    methods: new MethodsTable(index),
    videos: new VideosTable(index),
    compare: new Comparison(index),
  };
  new Keys(currentView, views.compare);
  let shown = null;

  async function draw() {
    const view = currentView();
    const changed = view !== shown;
    if (shown === "compare" && changed) views.compare.leave();
    for (const name of VIEWS) {
      byId(name).hidden = name !== view;
      const link = document.querySelector(`nav a[data-view="${name}"]`);
      link.href = addressWith({ view: name });
      if (name === view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    try {
      await views[view].draw();
      trouble("");
    } catch (error) {
      trouble(error.message);
    }
    // A reader who changed the view is now at its top; one who just came is at the top of the page.
    if (changed && shown !== null) byId(`${view}-heading`).focus({ preventScroll: true });
    shown = view;
  }

  window.addEventListener("hashchange", draw);
  await draw();
  document.documentElement.dataset.ready = "true";
}

start().catch((error) => trouble(error.message));
