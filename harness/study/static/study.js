// Entering, and comparing: the videos play in step, a vote goes out once, and the next pair comes when it is kept.
"use strict";

const SMALL_PIXELS = 128;
const PAUSE_BETWEEN_MS = 600;
const KEYS = { ArrowLeft: "left", a: "left", ArrowDown: "tie", "=": "tie", ArrowRight: "right", b: "right" };

const message = document.getElementById("message");

async function post(path, body, token = "") {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Study-Token": token },
      body: JSON.stringify(body),
    });
    if (answer.ok) return true;
    message.textContent = await answer.text();
  } catch {
    message.textContent = "The server does not answer. Nothing is lost: try again in a moment.";
  }
  return false;
}

function enter(form) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await post("/enter", Object.fromEntries(new FormData(form)))) location.assign("/compare");
  });
}

function compare(main) {
  const videos = [...main.querySelectorAll("video")];
  const buttons = [...main.querySelectorAll("[data-choice]")];
  const unplayable = document.getElementById("unplayable");
  let open = false;

  async function vote(choice) {
    if (!open) return;
    open = false;
    message.textContent = "";
    for (const button of buttons) {
      button.disabled = true;
      button.classList.toggle("chosen", button.dataset.choice === choice);
    }
    if (await post("/vote", { question: main.dataset.question, choice }, main.dataset.token)) {
      location.replace("/compare");
    } else {
      letVote();
    }
  }

  function letVote() {
    open = true;
    const broken = !unplayable.hidden;
    for (const button of buttons) button.disabled = broken && button !== unplayable;
  }

  function playFromStart() {
    for (const video of videos) {
      video.currentTime = 0;
      video.play().catch(() => {});
    }
  }

  function pauseOrPlay() {
    const paused = videos.every((video) => video.paused);
    if (videos.every((video) => video.ended)) playFromStart();
    else for (const video of videos) paused ? video.play().catch(() => {}) : video.pause();
  }

  function repeat() {
    setTimeout(() => videos.every((video) => video.ended) && playFromStart(), PAUSE_BETWEEN_MS);
  }

  function loaded(video) {
    return new Promise((resolve, reject) => {
      if (video.error) reject();
      else if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) resolve();
      video.addEventListener("loadeddata", resolve, { once: true });
      video.addEventListener("error", reject, { once: true });
    });
  }

  for (const button of buttons) button.addEventListener("click", () => vote(button.dataset.choice));
  for (const video of videos) video.addEventListener("ended", repeat);
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (KEYS[key] && unplayable.hidden) vote(KEYS[key]);
    else if (key === "r") playFromStart();
    else if (key === " " && event.target.tagName !== "BUTTON") pauseOrPlay();
    else return;
    event.preventDefault();
  });

  Promise.all(videos.map(loaded)).then(
    () => {
      const { videoWidth, videoHeight } = videos[0];
      for (const video of videos) video.classList.toggle("small", videoHeight <= SMALL_PIXELS);
      main.querySelector(".videos").classList.toggle("wide", videoWidth > 1.2 * videoHeight);
      playFromStart();
      letVote();
    },
    () => {
      message.textContent = "One of these videos does not play.";
      unplayable.hidden = false;
      letVote();
    },
  );
}

const form = document.getElementById("enter");
const main = document.getElementById("compare");
if (form) enter(form);
if (main) compare(main);
