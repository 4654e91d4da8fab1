"use strict";
// The address after `#` is all there is of state: whoever opens the same address sees the same.

// In MLflow's artifact view the page has a `blob:` address, which may not change. What would stand in it is kept here.
const keepsAddress = location.protocol !== "blob:";
let kept = "";

function fragment() {
  return keepsAddress ? location.hash : kept;
}

/** What is in the address, as URLSearchParams. */
function address() {
  return new URLSearchParams(fragment().slice(1));
}

/** The address with some entries changed; null or "" takes one out, a list stands for as many of the same name. */
function addressWith(changes) {
  const entries = address();
  for (const [name, value] of Object.entries(changes)) {
    entries.delete(name);
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") entries.append(name, one);
    }
  }
  return `#${entries}`;
}

/** Change the address without a step in the history; whoever calls draws what changed. */
function note(changes) {
  const wanted = addressWith(changes);
  if (!keepsAddress) kept = wanted;
  else if (wanted !== location.hash) history.replaceState(history.state, "", wanted);
}

/** Change the address and draw the page anew from it. */
function go(changes) {
  follow(addressWith(changes));
}

function follow(wanted) {
  if (keepsAddress) {
    location.hash = wanted;
  } else {
    kept = wanted;
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  }
}

if (!keepsAddress) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (!link) return;
    event.preventDefault();
    follow(link.getAttribute("href"));
  });
}
