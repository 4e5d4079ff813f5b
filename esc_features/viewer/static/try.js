// A recording of one's own: dropped, chosen or heard by the microphone, and what a model says of it.

import { byId, fill, h, percent, say } from "./dom.js";
import { figure } from "./figure.js";
import { send } from "./server.js";

let recording = null;

export async function showTrial(main, parameters, store) {
  const model = h("select", { id: "model" }, store.models.map((name) => h("option", { value: name }, name)), h("option", { value: "" }, "no model, only show it"));
  const file = h("input", { type: "file", id: "file", accept: "audio/*,.wav,.flac,.ogg,.mp3", onchange: () => file.files[0] && answer(file.files[0]) });
  const record = h("button", { type: "button", id: "record", onclick: () => toggleRecording(record).catch((error) => say(`The microphone cannot be used: ${error.message}`, true)) }, "Record");
  const drop = h("div", { class: "drop", id: "drop",
    ondragover: (event) => { event.preventDefault(); drop.classList.add("over"); },
    ondragleave: () => drop.classList.remove("over"),
    ondrop: (event) => { event.preventDefault(); drop.classList.remove("over"); if (event.dataTransfer.files[0]) answer(event.dataTransfer.files[0]); } },
  h("p", {}, "Drop a recording here, or choose one."), h("p", { class: "quiet" }, "It goes to the viewer on this machine, and nowhere else."),
  h("div", { class: "bar" }, h("label", {}, "File ", file), record));
  fill(main, h("h2", { tabindex: -1 }, "Try"), h("div", { class: "bar" }, h("label", {}, "Model ", model)),
    !store.models.length && h("p", { class: "quiet" }, "There is no model: ", h("code", {}, `esc_features view ${store.path} --model FILE`), " takes a file of esc_features train, and after ", h("code", {}, "esc_features evaluate"), " its methods are here too."),
    drop, h("div", { id: "answer", "aria-live": "polite" }));
}

async function answer(blob) {
  const chosen = byId("model").value;
  fill(byId("answer"), h("p", {}, chosen.startsWith("method: ") ? "Listening; a method is fitted when it is first asked, which can take a while …" : "Listening …"));
  let said;
  try { said = await send("api/try", blob instanceof File || blob instanceof Blob ? blob : new Blob([blob]), { model: chosen }); } catch (error) {
    if (byId("answer")) fill(byId("answer"), h("p", { class: "notice" }, error.message));
    return;
  }
  if (!byId("answer")) return;
  const bytes = Uint8Array.from(atob(said.picture), (letter) => letter.charCodeAt(0));
  const picture = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
  const shown = figure({ key: "tried", picture, sound: URL.createObjectURL(blob), axes: said.axes, duration: said.duration, envelope: said.envelope,
    label: blob.name ?? "the recording", alt: `Spectrogram of ${blob.name ?? "the recording"}` });
  fill(byId("answer"),
    h("h3", {}, blob.name ?? "From the microphone"),
    said.whole > said.duration + 0.01 && h("p", { class: "quiet" }, `Its first ${said.duration.toFixed(0)} s of ${said.whole.toFixed(0)} s are shown.`),
    h("div", { class: "clip" }, h("div", {}, h("p", { class: "bar" }, shown.button), shown.element),
      said.probabilities && h("section", { "aria-label": "Probabilities" }, h("h3", {}, said.windows.length > 1 ? `Mean of ${said.windows.length} windows` : "Probabilities"),
        h("div", { class: "bars", id: "probabilities" }, said.probabilities.map(([name, share]) => [h("span", { class: "name" }, name),
          h("meter", { min: 0, max: 1, value: share, "aria-label": `${name} ${percent(share)}` }), h("span", {}, percent(share))])))),
    (said.warnings ?? []).map((text) => h("p", { class: "notice" }, text)),
    said.windows?.length > 1 && h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["From", "To", "Said", "Probability"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, said.windows.map((one) => h("tr", {}, h("td", {}, h("button", { type: "button", onclick: () => shown.start(one.start) }, `${one.start.toFixed(1)} s`)),
        h("td", {}, `${one.end.toFixed(1)} s`), h("td", {}, one.said), h("td", {}, percent(one.share))))))));
}

// MediaRecorder writes what libsndfile cannot read, so samples are collected and a WAV file is made of them here.
async function toggleRecording(button) {
  if (recording) {
    const { stream, context, parts } = recording;
    recording = null;
    stream.getTracks().forEach((track) => track.stop());
    button.textContent = "Record";
    const rate = context.sampleRate;
    await context.close();
    return parts.length ? answer(wav(parts, rate)) : say("Nothing was recorded.", true);
  }
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  const context = new AudioContext();
  await context.audioWorklet.addModule("static/recorder.js");
  const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
  const parts = [];
  node.port.onmessage = (event) => { parts.push(event.data); };
  context.createMediaStreamSource(stream).connect(node);
  recording = { stream, context, parts };
  button.textContent = "Stop";
  say("Recording …");
}

function wav(parts, rate) {
  const samples = parts.flatMap((part) => [...part]);
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (offset, word) => [...word].forEach((letter, number) => view.setUint8(offset + number, letter.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + 2 * samples.length, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  text(36, "data"); view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, number) => view.setInt16(44 + 2 * number, Math.round(Math.min(Math.max(value, -1), 1) * 32767), true));
  return new Blob([view], { type: "audio/wav" });
}
