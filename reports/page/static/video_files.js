"use strict";
// The videos of one comparison. From disk and from MLflow a player reads the file itself. Plain static servers hand out
// whole files only, in which a player cannot go to a frame; what comes from them is therefore loaded whole, and only once.

class VideoFiles {
  constructor() {
    this.loaded = new Map();
    this.stopped = new AbortController();
  }

  /** A promise of where a player finds the video; rejects where there is none. */
  address(name) {
    const path = fileAddress(`page/videos/${name}`);
    if (!location.protocol.startsWith("http")) return Promise.resolve(path);
    if (!this.loaded.has(name)) this.loaded.set(name, this.load(path));
    return this.loaded.get(name);
  }

  async load(path) {
    const response = await fetch(path, { signal: this.stopped.signal });
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return URL.createObjectURL(new Blob([await response.arrayBuffer()], { type: "video/mp4" }));
  }

  /** Give the memory back; the players are no longer needed. */
  release() {
    this.stopped.abort();
    for (const found of this.loaded.values()) found.then(URL.revokeObjectURL, () => {});
  }
}
