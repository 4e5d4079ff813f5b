// The grid of clips, with filters, order and pages.

import { changed, go } from "./address.js";
import { grid, hoverPlays, setHover } from "./cards.js";
import { byId, count, fill, h } from "./dom.js";
import { ask } from "./server.js";

let fromPaging = false;

export async function showClips(main, parameters, store, isCurrent) {
  const page = await ask("api/clips", parameters);
  if (!isCurrent()) return;
  const typing = document.activeElement?.id === "text" ? document.activeElement : null;
  const open = document.querySelector("details.filter[open]")?.dataset.name;
  const turn = (step) => {
    const wanted = page.page + step;
    if (wanted < 1 || wanted > page.pages) return;
    fromPaging = true;
    const next = new URLSearchParams(parameters);
    next.set("page", wanted);
    go("clips", next);
  };
  const list = grid(page.clips, { onpage: turn });
  fill(main,
    h("h2", { tabindex: -1 }, count(page.total, "clip", "clips")),
    filters(parameters, store, typing?.value),
    chips(parameters),
    store.silent_because && h("p", { class: "notice" }, `No sound: ${store.silent_because}`),
    page.total ? list : h("p", { class: "quiet" }, "No clip matches. Remove a filter."),
    pager(page, turn),
  );
  if (typing) { byId("text").focus(); byId("text").setSelectionRange(typing.selectionStart, typing.selectionEnd); }
  if (open) main.querySelector(`details.filter[data-name="${open}"]`)?.setAttribute("open", "");
  if (fromPaging) { fromPaging = false; scrollTo(0, 0); list.querySelector("a")?.focus(); }
}

function filters(parameters, store, text = parameters.get("text") ?? "") {
  const ask = (changes) => go("clips", changed(parameters, changes));
  let timer = null;
  return h("form", { class: "bar", role: "search", onsubmit: (event) => event.preventDefault() },
    h("input", { type: "search", id: "text", placeholder: "File, category or source", "aria-label": "Text in file name, category or source",
      value: text,
      oninput: (event) => { clearTimeout(timer); timer = setTimeout(() => ask({ text: event.target.value }), 200); } }),
    choice("category", "Category", store.counts.category, parameters, ask),
    choice("fold", "Fold", store.counts.fold, parameters, ask),
    store.counts.note.length > 0 && choice("note", "Notes", store.counts.note, parameters, ask),
    h("label", {}, "Sort by ", h("select", { id: "sort", onchange: (event) => ask({ sort: event.target.value === "store" ? "" : event.target.value }) },
      [...store.sorts, ...(parameters.get("method") || parameters.get("suspicious") ? ["confidence"] : [])].map((name) =>
        h("option", { value: name, selected: (parameters.get("sort") ?? "store") === name }, name === "store" ? "store order" : name)))),
    h("label", {}, h("input", { type: "checkbox", checked: parameters.get("descending") === "1",
      onchange: (event) => ask({ descending: event.target.checked ? "1" : "" }) }), " reverse"),
    h("label", {}, h("input", { type: "checkbox", checked: hoverPlays(), onchange: (event) => setHover(event.target.checked) }), " play on hover"));
}

function choice(name, title, counts, parameters, ask) {
  const chosen = parameters.getAll(name);
  return h("details", { class: "filter", "data-name": name, "data-chosen": chosen.length ? "1" : "0",
    onkeydown: (event) => { if (event.key === "Escape") { event.currentTarget.removeAttribute("open"); event.currentTarget.firstChild.focus(); event.stopPropagation(); } } },
    h("summary", {}, chosen.length ? `${title}: ${chosen.length === 1 ? chosen[0] : `${chosen.length} selected`}` : title),
    h("div", { class: "choices" }, counts.map(([value, number]) => h("label", {},
      h("input", { type: "checkbox", value, checked: chosen.includes(value),
        onchange: (event) => ask({ [name]: event.target.checked ? [...chosen, value] : chosen.filter((one) => one !== value) }) }),
      h("span", {}, value), h("span", { class: "count" }, number)))));
}

const ABOUT = {
  category: (value) => value, fold: (value) => `fold ${value}`, note: (value) => value, source: (value) => `source ${value}`,
  text: (value) => `“${value}”`, method: (value) => `method ${value}`, true: (value) => `true: ${value}`, predicted: (value) => `predicted: ${value}`,
  outcome: (value) => value, other: (value, parameters) => `${parameters.get("outcome") === "correct" ? "wrong" : "correct"} by ${value}`,
  suspicious: () => "wrong by every method", lasso: () => "circled on the map",
};
const TOGETHER = { method: ["method", "true", "predicted", "outcome", "other", "sort"] };

function chips(parameters) {
  const all = [...parameters].filter(([name]) => name in ABOUT);
  if (!all.length) return null;
  return h("div", { class: "bar", role: "group", "aria-label": "Active filters" }, all.map(([name, value]) => h("button", { class: "chip", type: "button",
    "aria-label": `Remove the filter ${ABOUT[name](value, parameters)}`,
    onclick: () => {
      const rest = parameters.getAll(name).filter((one) => one !== value);
      go("clips", changed(parameters, { ...Object.fromEntries((TOGETHER[name] ?? []).map((one) => [one, ""])), [name]: rest }));
    } }, ABOUT[name](value, parameters))),
  all.length > 1 && h("button", { type: "button", onclick: () => go("clips") }, "Remove all"));
}

function pager(page, turn) {
  return h("nav", { class: "bar", "aria-label": "Pages" },
    h("button", { type: "button", disabled: page.page <= 1, onclick: () => turn(-1) }, "Previous"),
    h("span", {}, `Page ${page.page.toLocaleString("en")} of ${page.pages.toLocaleString("en")}`),
    h("button", { type: "button", disabled: page.page >= page.pages, onclick: () => turn(1) }, "Next"),
    h("span", { class: "quiet" }, "Arrow keys move, Space plays, Enter opens, Page Up and Page Down turn pages, / searches."));
}
