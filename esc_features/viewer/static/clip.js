// One clip, large: spectrogram with axes and a moving playhead, waveform, and everything that is known about it.

import { go, link } from "./address.js";
import { grid, words } from "./cards.js";
import { byId, fill, h, percent, say } from "./dom.js";
import { figure } from "./figure.js";
import { ask, send } from "./server.js";

export async function showClip(main, parameters, store, isCurrent) {
  const clip = await ask("api/clip", parameters);
  if (!isCurrent()) return;
  const query = parameters.get("feature") ? `?${new URLSearchParams({ feature: parameters.get("feature") })}` : "";
  const { element, button, toggle, move } = figure({ key: clip.row, picture: `picture/${clip.row}${query}`, sound: `sound/${clip.row}`, axes: clip.axes,
    duration: clip.sound.duration, envelope: clip.sound.envelope, label: `${words(clip)}, ${clip.name}`,
    alt: `Spectrogram of ${words(clip)}, ${clip.name}`, trouble: clip.sound.trouble });
  main.onkeydown = (event) => {
    if (event.target.closest("input, select, button, a, textarea")) return;
    const step = { ArrowRight: 0.5, ArrowLeft: -0.5 }[event.key];
    if (event.key === " ") toggle();
    else if (step) move(step);
    else return;
    event.preventDefault();
  };
  fill(main,
    h("p", { class: "bar" }, h("a", { class: "button", href: link("clips"), onclick: (event) => { if (history.length > 1) { event.preventDefault(); history.back(); } } }, "← Back"),
      button, picker(parameters, "feature", "Picture", store.pictures)),
    h("h2", { tabindex: -1 }, words(clip)), h("p", { class: "quiet" }, clip.name),
    h("div", { class: "clip" },
      h("section", { "aria-label": "Sound" },
        element,
        clip.predictions?.length > 0 && predictions(clip.predictions),
        list("Other clips of this recording", clip.siblings, (one) => one.other_fold ? ["in another fold!"] : []),
        clip.neighbours?.length > 0 && h("section", {}, h("h3", {}, "Nearest neighbours"),
          h("p", { class: "bar" }, picker(parameters, "vectors", "By", store.vectors)),
          grid(clip.neighbours, { small: true, label: "Nearest neighbours", extra: (one) => [one.source === clip.source ? "same source" : `distance ${one.distance.toFixed(1)}`] }))),
      h("aside", { "aria-label": "About the clip" }, facts(clip, store), correction(clip, store))));
}

function picker(parameters, name, label, choices) {
  if (!choices || choices.length < 2) return null;
  return h("label", {}, `${label} `, h("select", { onchange: (event) => {
    const next = new URLSearchParams(parameters);
    next.set(name, event.target.value);
    go("clip", next);
  } }, choices.map((one) => h("option", { value: one, selected: parameters.get(name) === one }, one))));
}

function list(title, clips, extra) {
  if (!clips.length) return null;
  return h("section", {}, h("h3", {}, title), grid(clips, { small: true, label: title, extra }));
}

function facts(clip, store) {
  const rate = clip.measured.original_sample_rate;
  const rows = [
    ["File", clip.filename],
    (clip.start || clip.end !== null) && ["From, to", `${clip.start} s, ${clip.end === null ? "end of the recording" : `${clip.end} s`}`],
    [store.several_labels ? "Labels" : "Category", clip.labels.join(", ") || "none"],
    ["Fold", clip.fold], ["Take", clip.measured.take],
    ["Source", h("a", { href: link("clips", { source: clip.source }) }, clip.source)],
    ["Notes", clip.notes.join(", ") || "none"],
    rate && ["Recording", `${rate.toLocaleString("en")} Hz, ${clip.measured.original_channels === 1 ? "1 channel" : `${clip.measured.original_channels} channels`}, ${(clip.measured.original_samples / rate).toFixed(2)} s`],
    ["Digest", clip.measured.audio_digest],
    clip.sound.duration && ["Played", `${clip.sound.origin}, ${clip.sound.sample_rate.toLocaleString("en")} Hz, ${clip.sound.duration.toFixed(2)} s${clip.sound.is_cut ? " (its beginning)" : ""}`],
  ].filter((row) => row && row[1] !== undefined && row[1] !== "");
  return h("table", { class: "facts" }, h("tbody", {}, rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value)))));
}

function predictions(found) {
  return h("section", {}, h("h3", {}, "Predictions when held out"), h("div", { class: "scroll" }, h("table", { class: "facts", id: "predictions" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Method"), h("th", { scope: "col" }, "Predicted"), h("th", { scope: "col" }, "Most probable"))),
    h("tbody", {}, found.map((one) => h("tr", {}, h("th", { scope: "row" }, one.method),
      h("td", { class: one.correct ? "correct" : "wrong" }, `${one.correct ? "✓" : "✗"}\u00a0${one.predicted}`),
      h("td", {}, one.probabilities.length ? h("div", { class: "bars" }, one.probabilities.map(([name, share]) => [
        h("span", { class: "name" }, name), h("meter", { min: 0, max: 1, value: share, "aria-label": `${name} ${percent(share)}` }), h("span", {}, percent(share))])) : "–")))))));
}

function correction(clip, store) {
  const several = store.several_labels;
  const input = h("input", { id: "category", list: "categories", value: clip.corrected ?? clip.labels.join(several ? ";" : ", "), autocomplete: "off", maxlength: 400 });
  const change = async (value) => {
    try {
      await send("api/corrections", { row: clip.row, category: value });
      clip.corrected = value;
      say(value === null ? "The correction was removed." : `Saved to ${store.corrections}.`);
      byId("corrected").textContent = value === null ? "" : `Corrected to ${value}.`;
    } catch (error) { say(error.message, true); }
  };
  return h("form", { id: "correct", onsubmit: (event) => { event.preventDefault(); change(input.value); } },
    h("h3", {}, several ? "Correct the labels" : "Correct the category"),
    h("label", { for: "category" }, several ? "Labels, separated by ;" : "Category"), h("br"), input,
    h("datalist", { id: "categories" }, store.counts.category.map(([name]) => h("option", { value: name }))),
    h("p", { class: "bar" }, h("button", { type: "submit" }, "Save correction"), h("button", { type: "button", onclick: () => change(null) }, "Remove")),
    h("p", { id: "corrected", class: "wrong" }, clip.corrected ? `Corrected to ${clip.corrected}.` : ""),
    h("p", { class: "quiet" }, "Saved to ", h("code", {}, store.corrections), ", never to the recordings or the store."));
}
