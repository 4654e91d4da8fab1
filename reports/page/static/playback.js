"use strict";
// Several videos as one: they start, stop, step and begin anew together, each frame shown at the same time in all.

class Playback {
  /** `onChange(frame, playing)` is called whenever another frame is shown, or playing begins or ends. */
  constructor(onChange) {
    this.onChange = onChange;
    this.videos = [];
    this.frames = 1;
    this.frame = 0;
    this.playing = false;
    this.speed = 1;
  }

  /** Take over these videos of `frames` frames each and show one of them. Those that cannot be loaded are passed over. */
  attach(videos, frames, frame) {
    this.pause();
    this.videos = videos;
    this.frames = Math.max(1, frames);
    for (const video of videos) video.addEventListener("loadedmetadata", () => this.place(video));
    this.seek(frame);
  }

  /** Show a frame in all, counted from 0. */
  seek(frame) {
    this.show(Math.min(this.frames - 1, Math.max(0, Math.round(frame) || 0)));
    for (const video of this.videos) this.place(video);
  }

  /** Stop, and go some frames on or back. */
  step(frames) {
    this.pause();
    this.seek(this.frame + frames);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  play() {
    if (this.ready().length === 0) return;
    this.playing = true;
    if (this.frame === this.frames - 1) this.frame = 0;
    this.begin();
    requestAnimationFrame(() => this.tick());
    this.onChange(this.frame, true);
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    for (const video of this.videos) video.pause();
    // Each stopped wherever it was; now all show the same frame.
    this.seek(this.frame);
  }

  ready() {
    return this.videos.filter((video) => video.readyState >= HTMLMediaElement.HAVE_METADATA && !video.error);
  }

  begin() {
    for (const video of this.ready()) {
      this.place(video);
      video.playbackRate = this.speed;
      // A pause that comes before the first frame rejects the promise, which is as it should be.
      video.play().catch(() => {});
    }
  }

  /** The middle of a frame's time, so that rounding never shows its neighbour. */
  place(video) {
    if (Number.isFinite(video.duration)) video.currentTime = ((this.frame + 0.5) / this.frames) * video.duration;
  }

  tick() {
    if (!this.playing) return;
    const videos = this.ready();
    const leader = videos[0];
    if (videos.every((video) => video.ended)) {
      this.show(0);
      this.begin();
    } else if (!leader.seeking && !leader.ended) {
      const frame = Math.min(this.frames - 1, Math.floor((leader.currentTime / leader.duration) * this.frames));
      const tolerance_s = (1.5 * leader.duration) / this.frames;
      for (const video of videos) {
        video.playbackRate = this.speed;
        const apart_s = Math.abs(video.currentTime - leader.currentTime);
        if (!video.seeking && !video.ended && apart_s > tolerance_s) video.currentTime = leader.currentTime;
      }
      if (frame !== this.frame) this.show(frame);
    }
    requestAnimationFrame(() => this.tick());
  }

  show(frame) {
    this.frame = frame;
    this.onChange(frame, this.playing);
  }
}
