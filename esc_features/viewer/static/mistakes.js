// What the methods confuse: matrices, two methods side by side, and clips that all of them get wrong.

import { go, link } from "./address.js";
import { count, fill, h, percent } from "./dom.js";
import { ask } from "./server.js";

export async function showMistakes(main, parameters, store, isCurrent) {
  if (!store.mistakes) {
    return fill(main, h("h2", { tabindex: -1 }, "Mistakes"), h("p", {}, "No method has been evaluated yet. ",
      h("code", {}, `esc_features evaluate ${store.path}`), " evaluates methods and stores their predictions. Then start the viewer again to see what they confuse."));
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
      h("label", {}, "Compare with ", h("select", { id: "other", onchange: pick("other") }, choices(other?.method ?? "", "none"))),
      h("a", { class: "button", href: link("clips", { method: one.method, outcome: "wrong", sort: "confidence" }) }, `All mistakes of ${one.method}, most confident first`),
      h("a", { class: "button", id: "suspicious", href: link("clips", { suspicious: "1", sort: "confidence" }) },
        `${count(found.suspicious, "clip", "clips")} that every method gets wrong`)),
    other && other !== one && h("div", { class: "bar" },
      h("a", { class: "button", href: link("clips", { method: one.method, outcome: "correct", other: other.method }) }, `Correct by ${one.method}, wrong by ${other.method}`),
      h("a", { class: "button", href: link("clips", { method: other.method, outcome: "correct", other: one.method }) }, `Correct by ${other.method}, wrong by ${one.method}`)),
    h("p", { class: "quiet" }, one.labels ? "Counts of held-out clips. Click a number to list its clips, the most confident first."
      : "Rows: true categories. Columns: predictions for held-out clips. Click a cell to list its clips, the most confident first."),
    h("div", { class: other && other !== one ? "two" : "" }, [one, ...(other && other !== one ? [other] : [])].map(matrix)));
}

const share = (each) => (each.clips ? percent(each.correct / each.clips) : "no clips");

function matrix(each) {
  return h("section", {}, h("h3", {}, `${each.method}: ${each.correct} of ${count(each.clips, "clip", "clips")} correct, ${share(each)}`),
    h("div", { class: "scroll" }, each.labels ? labels(each) : confusion(each)));
}

function confusion(each) {
  const used = each.categories.map((name, number) => [name, number]).filter(([, number]) =>
    each.matrix[number].some(Boolean) || each.matrix.some((row) => row[number]));
  return h("table", { class: used.length > 14 ? "confusion many" : "confusion", "data-method": each.method },
    h("thead", {}, h("tr", {}, h("td"), used.map(([name]) => h("th", { scope: "col" }, h("span", {}, name))))),
    h("tbody", {}, used.map(([name, row]) => {
      const total = each.matrix[row].reduce((sum, value) => sum + value, 0) || 1;
      return h("tr", {}, h("th", { scope: "row" }, name), used.map(([predicted, column]) => {
        const value = each.matrix[row][column];
        if (!value) return h("td", { class: "none", "aria-label": "0" }, "·");
        const part = value / total;
        const cell = h("button", { type: "button", "aria-label": `${count(value, "clip", "clips")} of ${name} predicted as ${predicted}`, title: `${name} predicted as ${predicted}`,
          onclick: () => go("clips", { method: each.method, true: name, predicted, sort: "confidence" }) }, value);
        // Blue where it is correct, vermilion where it is confused: the figures' colours. Ink that can be read on both.
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
  const queries = (name) => [{ true: name, predicted: name }, { true: name, outcome: "wrong" }, { predicted: name, outcome: "wrong" }];
  return h("table", { class: "facts" }, h("thead", {}, h("tr", {}, ["Label", "Found", "Missed", "False alarms"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, each.categories.map((name, number) => h("tr", {}, h("th", { scope: "row" }, name),
      queries(name).map((query, column) => h("td", {}, h("a", { href: link("clips", { method: each.method, ...query, sort: "confidence" }) }, each.labels[number][column])))))));
}
