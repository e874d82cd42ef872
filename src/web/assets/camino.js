// Keeps what is shown fresh; every page works without it. Nothing is drawn here: the same page is
// fetched again, and its live part takes the place of the old one unless somebody is at work in it.
"use strict";

// On a narrow screen the menu is a strip: the place that is open is scrolled into it.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

const part = document.querySelector("[data-live]");

function isBusy() {
  const selection = document.getSelection();
  return document.hidden
    || part.contains(document.activeElement)
    || (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
}

async function refresh() {
  if (isBusy()) return;
  const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-live]");
  if (fresh && !isBusy()) part.replaceChildren(...fresh.childNodes);
}

if (part) {
  const every = Number(part.dataset.live) * 1000;
  const again = () => setTimeout(() => refresh().catch(() => {}).finally(again), every);
  again();
  if (part.dataset.stream) {
    // The stream says that something came; what it is comes with the page, at most twice a second.
    let waiting = 0;
    new EventSource(part.dataset.stream).addEventListener("event", () => {
      waiting ||= setTimeout(() => {
        waiting = 0;
        refresh().catch(() => {});
      }, 500);
    });
  }
}
