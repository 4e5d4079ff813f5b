// Shows the view that the address names.

import { go, here, link } from "./address.js";
import { showClip } from "./clip.js";
import { showClips } from "./clips.js";
import { showCorrections } from "./corrections.js";
import { byId, fill, h, say } from "./dom.js";
import { showMap } from "./map.js";
import { showMistakes } from "./mistakes.js";
import { stop } from "./player.js";
import { store } from "./server.js";
import { showTrial } from "./try.js";

const VIEWS = {
  clips: { title: "Clips", show: showClips },
  clip: { show: showClip },
  map: { title: "Map", show: showMap },
  mistakes: { title: "Mistakes", show: showMistakes },
  try: { title: "Try", show: showTrial },
  corrections: { title: "Corrections", show: showCorrections },
};

let turn = 0;
let last = null;
const controls = () => [...byId("main").querySelectorAll("a, button, input, select, summary")];

async function route() {
  const mine = ++turn;
  const { view, parameters } = here();
  const main = byId("main");
  stop();
  main.onkeydown = null;
  try {
    const about = await store();
    byId("dataset").textContent = `${about.dataset}, ${about.clips.toLocaleString("en")} clips`;
    fill(byId("views"), Object.entries(VIEWS).filter(([, one]) => one.title).map(([name, one]) =>
      h("a", { href: link(name), "aria-current": name === view ? "page" : null }, one.title)));
    if (!Object.hasOwn(VIEWS, view)) throw new Error(`There is no view "${view}".`);
    const known = VIEWS[view];
    document.title = `${known.title ?? parameters.get("filename") ?? "Clip"} – ${about.dataset}`;
    main.setAttribute("aria-busy", "true");
    // A view is rebuilt when its address changes: the keyboard's focus stays on the same control.
    const focused = view === last ? controls().indexOf(document.activeElement) : -1;
    await known.show(main, parameters, about, () => mine === turn);
    if (mine !== turn) return;
    if (focused >= 0 && document.activeElement === document.body) controls()[focused]?.focus({ preventScroll: true });
    if (last !== null && last !== view) { main.querySelector("h2")?.focus({ preventScroll: true }); scrollTo(0, 0); }
    last = view;
  } catch (error) {
    if (mine !== turn) return;
    fill(main, h("h2", { tabindex: -1 }, "This cannot be shown"), h("p", { class: "notice" }, error.message), h("p", {}, h("a", { href: link("clips") }, "All clips")));
    say(error.message, true);
  }
  main.setAttribute("aria-busy", "false");
  main.dataset.shown = location.hash;
}

addEventListener("hashchange", route);
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); byId("main").focus(); });
addEventListener("keydown", (event) => {
  if (event.target.closest?.("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") { event.preventDefault(); if (byId("text")) byId("text").focus(); else go("clips"); }
  if (event.key === "Escape" && here().view === "clip") history.back();
});
route();
