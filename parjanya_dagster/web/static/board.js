// While something is pending, fetch the same page again and replace only the cards that changed.
"use strict";
const EVERY_MS = 2000;
const SLOWEST_MS = 30000;
let wait = EVERY_MS;

function freshen(page) {
  for (const id of ["summary", "filters"]) {
    document.getElementById(id).replaceWith(page.getElementById(id));
  }
  const grid = document.getElementById("grid");
  const cards = [...page.getElementById("grid").children];
  cards.forEach((card, place) => {
    const shown = card.id && document.getElementById(card.id);
    const keep = shown && shown.dataset.state === card.dataset.state ? shown : card;
    if (shown && keep !== shown) shown.remove();
    if (grid.children[place] !== keep) grid.insertBefore(keep, grid.children[place] || null);
  });
  while (grid.children.length > cards.length) grid.lastElementChild.remove();
  document.getElementById("board").dataset.pending = page.getElementById("board").dataset.pending;
}

async function refresh() {
  const idle = document.getElementById("board").dataset.pending === "no";
  if (!document.hidden && !idle) {
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      freshen(new DOMParser().parseFromString(await answer.text(), "text/html"));
      wait = EVERY_MS;
    } catch {
      wait = Math.min(wait * 2, SLOWEST_MS);
    }
  }
  setTimeout(refresh, idle ? SLOWEST_MS : wait);
}

setTimeout(refresh, wait);
