// What the methods confuse: matrices, two methods side by side, and clips that all of them get wrong.

import { go, link } from "./address.js";
import { count, fill, h, percent } from "./dom.js";
import { ask } from "./server.js";

export async function showMistakes(main, parameters, store, isCurrent) {
  if (!store.mistakes) {
    return fill(main, h("h2", { tabindex: -1 }, "Mistakes"), h("p", {}, "No method was evaluated yet. ",
      h("code", {}, `esc_features evaluate ${store.path}`), " writes what they say, and this page then shows what they confuse."));
  }
  const found = await ask("api/mistakes");
  if (!isCurrent()) return;
  const methods = found.methods;
  const one = methods.find((each) => each.method === parameters.get("method")) ?? methods[0];
  const other = methods.find((each) => each.method === parameters.get("other"));
  const pick = (name) => (event) => {
    const next = { method: one.method, ...(other ? { other: other.method } : {}), [name]: event.target.value };
    if (!next.other) delete next.other;
    go("mistakes", next);
  };
  const choices = (chosen, none) => [...(none ? [["", none]] : []), ...methods.map((each) => [each.method, `${each.method} (${share(each)})`])]
    .map(([value, text]) => h("option", { value, selected: value === chosen }, text));
  fill(main,
    h("h2", { tabindex: -1 }, "Mistakes"),
    h("div", { class: "bar" },
      h("label", {}, "Method ", h("select", { id: "method", onchange: pick("method") }, choices(one.method))),
      h("label", {}, "beside ", h("select", { id: "other", onchange: pick("other") }, choices(other?.method ?? "", "no other"))),
      h("a", { class: "button", href: link("clips", { method: one.method, heard: "wrong", sort: "surest" }) }, `All mistakes of ${one.method}, surest first`),
      h("a", { class: "button", id: "suspicious", href: link("clips", { suspicious: "1", sort: "surest" }) },
        `${count(found.suspicious, "clip", "clips")} that every method gets wrong`)),
    other && other !== one && h("div", { class: "bar" },
      h("a", { class: "button", href: link("clips", { method: one.method, heard: "right", other: other.method }) }, `What ${one.method} hears and ${other.method} does not`),
      h("a", { class: "button", href: link("clips", { method: other.method, heard: "right", other: one.method }) }, `What ${other.method} hears and ${one.method} does not`)),
    h("p", { class: "quiet" }, "Rows: what the clips are. Columns: what was said of them while they were held out. A cell lists its clips, the surest first."),
    h("div", { class: other && other !== one ? "two" : "" }, [one, ...(other && other !== one ? [other] : [])].map(matrix)));
}

const share = (each) => (each.clips ? percent(each.right / each.clips) : "nothing");

function matrix(each) {
  return h("section", {}, h("h3", {}, `${each.method}: ${each.right} of ${count(each.clips, "clip", "clips")} right, ${share(each)}`),
    h("div", { class: "scroll" }, each.labels ? labels(each) : confusion(each)));
}

function confusion(each) {
  const used = each.categories.map((name, number) => [name, number]).filter(([, number]) =>
    each.matrix[number].some(Boolean) || each.matrix.some((row) => row[number]));
  return h("table", { class: used.length > 14 ? "confusion many" : "confusion", "data-method": each.method },
    h("thead", {}, h("tr", {}, h("td"), used.map(([name]) => h("th", { scope: "col" }, h("span", {}, name))))),
    h("tbody", {}, used.map(([name, row]) => {
      const total = each.matrix[row].reduce((sum, value) => sum + value, 0) || 1;
      return h("tr", {}, h("th", { scope: "row" }, name), used.map(([said, column]) => {
        const value = each.matrix[row][column];
        if (!value) return h("td", { class: "none", "aria-label": "0" }, "·");
        const part = value / total;
        const cell = h("button", { type: "button", "aria-label": `${count(value, "clip", "clips")} of ${name} called ${said}`, title: `${name} called ${said}`,
          onclick: () => go("clips", { method: each.method, true: name, said, sort: "surest" }) }, value);
        // Blue where it is right, vermilion where it is confused: the figures' colours. Ink that can be read on both.
        const [r, g, b] = row === column ? [0, 114, 178] : [213, 94, 0];
        const strength = row === column ? 0.25 + 0.75 * part : Math.min(1, 0.3 + 1.4 * part);
        const mixed = [r, g, b].map((one) => Math.round(255 - (255 - one) * strength));
        cell.style.backgroundColor = `rgb(${mixed})`;
        const linear = mixed.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
        cell.style.color = luminance > 0.179 ? "#000000" : "#ffffff";
        return h("td", {}, cell);
      }));
    })));
}

function labels(each) {
  const to = (category, query) => link("clips", { method: each.method, ...query, sort: "surest" });
  return h("table", { class: "facts" }, h("thead", {}, h("tr", {}, ["Label", "Found", "Missed", "Invented"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, each.categories.map((name, number) => h("tr", {}, h("th", { scope: "row" }, name),
      h("td", {}, h("a", { href: to(name, { true: name, said: name }) }, each.labels[number].found)),
      h("td", {}, h("a", { href: to(name, { true: name, heard: "wrong" }) }, each.labels[number].missed)),
      h("td", {}, h("a", { href: to(name, { said: name, heard: "wrong" }) }, each.labels[number].invented))))));
}
