// The grid: thumbnails that play on hover or Space; arrow keys move between them.

import { clipAddress } from "./address.js";
import { h, percent } from "./dom.js";
import { isPlaying, play, stop } from "./player.js";

const HOVER = "esc_features hover";
export const hoverPlays = () => localStorage.getItem(HOVER) !== "no";
export const setHover = (plays) => localStorage.setItem(HOVER, plays ? "yes" : "no");

export function words(clip) {
  const labels = clip.labels.join(", ") || "no label";
  return clip.corrected ? `${labels} → ${clip.corrected}` : labels;
}

export function toggle(card, clip) {
  if (isPlaying(clip.row)) return stop();
  card?.classList.add("playing");
  return play(clip.row, `sound/${clip.row}`, `${words(clip)}, ${clip.name}`, () => card?.classList.remove("playing"));
}

export function card(clip, extra = []) {
  const notes = clip.notes.filter((note) => note !== "resampled");
  const tags = [...notes, `fold ${clip.fold}`, ...extra];
  const spoken = [words(clip), clip.name, `fold ${clip.fold}`, ...notes, ...(clip.predictions ?? []).map((one) => `${one.method} predicted ${one.predicted}`)].join(", ");
  let timer = null;
  const image = h("img", { src: `thumbnail/${clip.row}`, alt: "", width: 160, height: 64, loading: "lazy", decoding: "async",
    onerror: () => image.replaceWith(h("span", { class: "noimage" })) });
  const link = h("a", {
    class: "card", href: clipAddress(clip), "aria-label": spoken, "data-row": clip.row,
    onmouseenter: () => { if (hoverPlays()) timer = setTimeout(() => { if (!isPlaying(clip.row)) toggle(link, clip); }, 180); },
    onmouseleave: () => { clearTimeout(timer); if (hoverPlays() && isPlaying(clip.row)) stop(); },
    onkeydown: (event) => { if (event.key === " ") { event.preventDefault(); toggle(link, clip); } },
  },
  image,
  h("span", { class: "text" }, h("b", {}, words(clip)), h("span", { class: "name" }, clip.name),
    h("span", { class: "tags" },
      tags.map((tag) => h("span", { class: "tag" }, tag)),
      (clip.predictions ?? []).map((one) => h("span", { class: `tag ${one.correct ? "correct" : "wrong"}` },
        `${one.correct ? "✓" : "✗"}\u00a0${one.method}: ${one.predicted}${one.confidence === null ? "" : ` ${percent(one.confidence)}`}`)))));
  return link;
}

export function grid(clips, { small = false, label = "Clips", extra = () => [], onpage = () => {} } = {}) {
  const cards = clips.map((clip) => card(clip, extra(clip)));
  cards.forEach((one, number) => one.setAttribute("tabindex", number ? -1 : 0));
  const to = (number) => {
    const next = cards[number];
    if (!next) return;
    cards.forEach((one) => one.setAttribute("tabindex", one === next ? 0 : -1));
    next.focus();
  };
  const columns = () => Math.max(1, cards.findIndex((one) => one.offsetTop > cards[0].offsetTop + 4));
  return h("ul", { class: small ? "grid small" : "grid", "aria-label": label,
    onkeydown: (event) => {
      const now = cards.indexOf(document.activeElement);
      if (now < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
      const across = columns();
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
      if (step !== undefined) to(Math.min(Math.max(now + step, 0), cards.length - 1));
      else if (event.key === "Home") to(0);
      else if (event.key === "End") to(cards.length - 1);
      else if (event.key === "PageDown") onpage(1);
      else if (event.key === "PageUp") onpage(-1);
      else return;
      event.preventDefault();
    },
    onfocusin: (event) => cards.forEach((one) => one.setAttribute("tabindex", one === event.target ? 0 : -1)),
  }, cards.map((one) => h("li", {}, one)));
}
