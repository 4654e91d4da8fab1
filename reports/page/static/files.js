"use strict";
// Neighbouring files, read when they are needed. Data files are scripts that call `receive`: a page opened from disk may
// run a neighbouring script, but not fetch a neighbouring file.

const received = new Map();
const awaited = new Map();

/** Called by data files. */
function receive(name, value) {
  received.set(name, value);
}

/**
 * Where a file of the report lies. MLflow shows the page from a `blob:` address that has no neighbours, but that names the
 * server, which hands out the run's artifacts one by one.
 */
function fileAddress(path) {
  const run = document.querySelector('meta[name="mlflow-run"]').content;
  if (location.protocol !== "blob:" || !run) return path;
  const server = new URL(location.href.slice("blob:".length)).origin;
  return `${server}/get-artifact?path=${encodeURIComponent(`report/${path}`)}&run_uuid=${encodeURIComponent(run)}`;
}

/** The value of a data file, read once. Rejects with a sentence that names the file and the remedy. */
function load(name) {
  if (!awaited.has(name)) {
    const path = `page/data/${name}.mjs`;
    awaited.set(
      name,
      new Promise((resolve, reject) => {
        const fail = (why) => {
          awaited.delete(name);
          reject(new Error(`${path} ${why}`));
        };
        const script = element("script", { src: fileAddress(path) });
        script.onload = () =>
          received.has(name) ? resolve(received.get(name)) : fail("is damaged; run `harness report` again");
        script.onerror = () => fail("cannot be loaded; keep the folder page/ beside report.html");
        document.head.append(script);
      }),
    );
  }
  return awaited.get(name);
}
