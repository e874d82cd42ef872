// Keeps what is shown fresh; every page works without it. Nothing is drawn here: the same page is
// fetched again, and its live part takes the place of the old one unless somebody is at work in it.
// Whatever is asked for here says so, and keeps no session alive.
"use strict";

// On a narrow screen the menu is a strip: the place that is open is scrolled into it.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// A second click would send the form again, and what the first is answered would be lost: a new secret, say.
document.addEventListener("submit", (event) => {
  const buttons = event.target.querySelectorAll("button");
  // Once the form is read: which button was pressed may be a part of it.
  setTimeout(() => buttons.forEach((button) => { button.disabled = true; }));
});

// Whoever goes back to the page finds it as it was.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) document.querySelectorAll("form button").forEach((button) => { button.disabled = false; });
});

const PATIENCE_MS = 20_000;
// The stream says that something came; what it is comes with the page, at most twice a second.
const PAUSE_MS = 500;

const part = document.querySelector("[data-live]");
const from = document.getElementById("main")?.dataset.from;

let isStale = false;
let isAsking = false;
let isWanted = false;
let stream = null;
let waiting = 0;

function isBusy() {
  const selection = document.getSelection();
  return document.hidden
    || part.contains(document.activeElement)
    || (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
}

// Old numbers that look like new ones are worse than none.
function giveUp() {
  isStale = true;
  unlisten();
  document.getElementById("stale").hidden = false;
}

async function ask() {
  const answer = await fetch(from, {
    credentials: "same-origin",
    redirect: "manual",
    headers: { "Camino-Refresh": "1" },
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  // A busy or stopping broker may answer the next time; a page that is gone will not.
  if (answer.status >= 500) return;
  const page = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page && page.querySelector("[data-live]");
  if (!fresh) giveUp();
  else if (!isBusy()) part.replaceChildren(...fresh.childNodes);
}

// One at a time; whatever is wanted meanwhile is one more, so that the newest page is shown last.
async function refresh() {
  isWanted = true;
  if (isAsking) return;
  isAsking = true;
  while (isWanted && !isStale) {
    isWanted = false;
    if (!isBusy()) await ask().catch(() => {});
  }
  isAsking = false;
}

function soon() {
  waiting ||= setTimeout(() => {
    // First: what comes while the page is on its way wants another one.
    waiting = 0;
    refresh();
  }, PAUSE_MS);
}

// A browser has few connections to one place: a page that nobody looks at keeps none.
function listen() {
  if (stream || isStale || document.hidden || !part.dataset.stream) return;
  stream = new EventSource(part.dataset.stream);
  stream.addEventListener("event", soon);
}

function unlisten() {
  stream?.close();
  stream = null;
}

if (part) {
  const every = Number(part.dataset.live) * 1000;
  const again = () => setTimeout(() => refresh().finally(() => { if (!isStale) again(); }), every);
  again();
  listen();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return unlisten();
    listen();
    refresh();
  });
}
