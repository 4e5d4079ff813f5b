// An exported page works without this, which adds a filter, keys, and one sound at a time.
"use strict";

const search = document.querySelector("form");
const text = document.getElementById("text");
const items = [...document.querySelectorAll(".grid > li")];

search.hidden = false;
search.addEventListener("submit", (event) => event.preventDefault());
text.addEventListener("input", () => {
  const wanted = text.value.toLowerCase();
  for (const item of items) item.hidden = !item.textContent.toLowerCase().includes(wanted);
  document.getElementById("shown").textContent = `${items.filter((item) => !item.hidden).length} of ${items.length} clips`;
});

document.addEventListener("play", (event) => {
  for (const other of document.querySelectorAll("audio")) if (other !== event.target) other.pause();
}, true);

document.addEventListener("keydown", (event) => {
  const card = event.target.closest(".card");
  if (!card || event.target !== card) return;
  const cards = items.filter((item) => !item.hidden).map((item) => item.firstElementChild);
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (step) cards[Math.min(Math.max(cards.indexOf(card) + step, 0), cards.length - 1)].focus();
  else if (event.key === " ") {
    const audio = card.querySelector("audio");
    if (audio && audio.paused) { audio.currentTime = 0; audio.play(); } else if (audio) audio.pause();
  } else return;
  event.preventDefault();
});
