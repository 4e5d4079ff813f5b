// All corrections, and where they are saved.

import { clipAddress } from "./address.js";
import { fill, h } from "./dom.js";
import { ask } from "./server.js";

export async function showCorrections(main, parameters, store, isCurrent) {
  const noted = await ask("api/corrections");
  if (!isCurrent()) return;
  fill(main,
    h("h2", { tabindex: -1 }, "Corrections"),
    h("p", {}, "Open a clip to correct its label. Corrections are saved to ", h("code", {}, store.corrections), "; the recordings and the store are not changed."),
    noted.length ? h("div", { class: "scroll" }, h("table", { id: "noted" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Clip"), h("th", { scope: "col" }, "Corrected to"))),
      h("tbody", {}, noted.map((one) => h("tr", {}, h("td", {}, h("a", { href: clipAddress(one) }, one.name)), h("td", {}, one.corrected || "no label"))))))
      : h("p", { class: "quiet" }, "There are no corrections yet."),
    noted.length > 0 && h("p", {}, "To apply them to the store, without recomputing features: ", h("code", {}, `extract_features DATASET --corrections ${store.corrections} --out ${store.path}`)));
}
