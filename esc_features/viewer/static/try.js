// The user's own recording: dropped, chosen or recorded with the microphone, and what a model predicts for it.

import { byId, fill, h, percent, say } from "./dom.js";
import { figure } from "./figure.js";
import { stop } from "./player.js";
import { ask, send } from "./server.js";

let recording = null;
let turn = 0;
let addresses = []; // of the sound and the picture that are shown

addEventListener("hashchange", () => { if (recording) finish(); });

export async function showTrial(main, parameters, store, isCurrent) {
  const models = await ask("api/models");
  if (!isCurrent()) return;
  const model = h("select", { id: "model" }, models.map((name) => h("option", { value: name }, name)), h("option", { value: "" }, "no model, spectrogram only"));
  const file = h("input", { type: "file", id: "file", accept: "audio/*,.wav,.flac,.ogg,.mp3", onchange: () => file.files[0] && answer(file.files[0]) });
  const record = h("button", { type: "button", id: "record", onclick: async () => {
    record.disabled = true;
    try { await toggleRecording(record); } catch (error) { say(`The microphone cannot be used: ${error.message}`, true); }
    record.disabled = false;
    record.focus();
  } }, "Record");
  const drop = h("div", { class: "drop", id: "drop",
    ondragover: (event) => { event.preventDefault(); drop.classList.add("over"); },
    ondragleave: () => drop.classList.remove("over"),
    ondrop: (event) => { event.preventDefault(); drop.classList.remove("over"); if (event.dataTransfer.files[0]) answer(event.dataTransfer.files[0]); } },
  h("p", {}, "Drop a recording here, or choose one."), h("p", { class: "quiet" }, "It stays on this machine."),
  h("div", { class: "bar" }, h("label", {}, "File ", file), record, h("span", { class: "quiet", id: "recorded", "aria-hidden": "true" })));
  fill(main, h("h2", { tabindex: -1 }, "Try"), h("div", { class: "bar" }, h("label", {}, "Model ", model)),
    !models.length && h("p", { class: "quiet" }, "There is no model. ", h("code", {}, `esc_features view ${store.path} --model FILE`), " takes a file of esc_features train; methods are listed here after ", h("code", {}, "esc_features evaluate"), "."),
    drop, h("div", { id: "answer", "aria-live": "polite" }));
}

async function answer(blob) {
  const mine = ++turn;
  const chosen = byId("model").value;
  fill(byId("answer"), h("p", {}, chosen.startsWith("method: ") ? "Predicting: a method is first fitted on the whole store, which can take a while …" : "Predicting …"));
  let found;
  try { found = await send("api/try", blob, { model: chosen }); } catch (error) {
    if (mine === turn && byId("answer")) fill(byId("answer"), h("p", { class: "notice" }, error.message));
    return;
  }
  if (mine !== turn || !byId("answer")) return;
  stop();
  const bytes = Uint8Array.from(atob(found.picture), (letter) => letter.charCodeAt(0));
  addresses.forEach((address) => URL.revokeObjectURL(address));
  addresses = [new Blob([bytes], { type: "image/png" }), blob].map((one) => URL.createObjectURL(one));
  const [picture, sound] = addresses;
  const shown = figure({ key: `tried ${mine}`, picture, sound, axes: found.axes, duration: found.duration, envelope: found.envelope,
    label: blob.name ?? "the recording", alt: `Spectrogram of ${blob.name ?? "the recording"}` });
  fill(byId("answer"),
    h("h3", {}, blob.name ?? "From the microphone"),
    found.whole > found.duration + 0.01 && h("p", { class: "quiet" }, `Showing the first ${found.duration.toFixed(0)} s of ${found.whole.toFixed(0)} s.`),
    h("div", { class: "clip" }, h("div", {}, h("p", { class: "bar" }, shown.button), shown.element),
      found.probabilities && h("section", { "aria-label": "Probabilities" }, h("h3", {}, found.windows.length > 1 ? `Mean of ${found.windows.length} windows` : "Probabilities"),
        h("div", { class: "bars", id: "probabilities" }, found.probabilities.map(([name, share]) => [h("span", { class: "name" }, name),
          h("meter", { min: 0, max: 1, value: share, "aria-label": `${name} ${percent(share)}` }), h("span", {}, percent(share))])))),
    (found.warnings ?? []).map((text) => h("p", { class: "notice" }, text)),
    found.windows?.length > 1 && h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["From", "To", "Predicted", "Probability"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, found.windows.map((one) => h("tr", {}, h("td", {}, h("button", { type: "button", onclick: () => shown.start(one.start) }, `${one.start.toFixed(1)} s`)),
        h("td", {}, `${one.end.toFixed(1)} s`), h("td", {}, one.predicted), h("td", {}, percent(one.probability))))))));
}

// MediaRecorder writes formats that libsndfile cannot read, so samples are collected here and written as a WAV file.
async function toggleRecording(button) {
  if (recording) {
    const { parts, rate } = finish();
    button.textContent = "Record";
    byId("recorded").textContent = "";
    if (parts.length) answer(wav(parts, rate)); else say("Nothing was recorded.", true);
    return;
  }
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  const context = new AudioContext();
  await context.audioWorklet.addModule("static/recorder.js");
  const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
  const [parts, rate] = [[], context.sampleRate];
  let samples = 0;
  node.port.onmessage = (event) => {
    if (recording?.parts !== parts || !byId("recorded")) return;
    parts.push(event.data);
    samples += event.data.length;
    byId("recorded").textContent = `${(samples / rate).toFixed(1)} s`;
  };
  context.createMediaStreamSource(stream).connect(node);
  recording = { stream, context, parts, rate };
  button.textContent = "Stop";
  say("Recording …");
}

function finish() {
  const { stream, context, parts, rate } = recording;
  recording = null;
  stream.getTracks().forEach((track) => track.stop());
  context.close();
  return { parts, rate };
}

function wav(parts, rate) {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * length));
  const text = (offset, word) => [...word].forEach((letter, number) => view.setUint8(offset + number, letter.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + 2 * length, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  text(36, "data"); view.setUint32(40, 2 * length, true);
  let offset = 44;
  for (const part of parts) for (const value of part) { view.setInt16(offset, Math.round(Math.min(Math.max(value, -1), 1) * 32767), true); offset += 2; }
  return new Blob([view], { type: "audio/wav" });
}
