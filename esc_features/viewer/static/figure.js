// Spectrogram with axes and a moving playhead, and the waveform below it.

import { h, svg } from "./dom.js";
import { currentTime, isPlaying, play, stop } from "./player.js";

export function figure({ key, picture, sound, axes, duration, envelope, label, alt, trouble = "" }) {
  const button = h("button", { class: "main", id: "play", type: "button", disabled: Boolean(trouble) }, "Play");
  const heads = [h("div", { class: "playhead" }), h("div", { class: "playhead" })];
  const lengths = [axes.duration ?? duration, duration];
  const follow = () => {
    heads.forEach((head, number) => { head.style.left = `${100 * Math.min(1, currentTime() / (lengths[number] || 1))}%`; });
    if (isPlaying(key) && button.isConnected) requestAnimationFrame(follow);
  };
  const start = async (from) => {
    if (trouble) return;
    button.textContent = "Stop";
    await play(key, sound, label, () => { button.textContent = "Play"; }, from);
    follow();
  };
  const toggle = () => { if (isPlaying(key)) stop(); else start(0); };
  const move = (step) => start(Math.min(Math.max((isPlaying(key) ? currentTime() : 0) + step, 0), duration));
  button.addEventListener("click", toggle);
  const jump = (length) => (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    start((event.clientX - box.left) / box.width * length);
  };
  const waveform = trouble ? h("p", { class: "notice panel" }, `No sound: ${trouble}`)
    : h("div", { class: "panel wave", onclick: jump(lengths[1]) }, wave(envelope), heads[1]);
  if (!trouble) waveform.style.width = `${100 * Math.min(1, lengths[1] / (lengths[0] || 1))}%`; // a padded picture is longer than its sound
  const element = h("div", { class: "figure" },
    h("div", { class: "ticks", "aria-hidden": "true" }, axes.ticks.map((tick) => placed("bottom", tick.position, tick.text)), h("span", { class: "unit" }, axes.unit)),
    h("div", { class: "panel", id: "spectrogram", onclick: jump(lengths[0]) }, h("img", { src: picture, alt }), heads[0]),
    h("div", { class: "seconds", "aria-hidden": "true" }, seconds(lengths[0])),
    waveform);
  return { element, button, toggle, start, move };
}

const placed = (side, position, text) => {
  const element = h("span", {}, text);
  element.style[side] = `${100 * position}%`;
  return element;
};

function seconds(duration) {
  if (!duration) return [];
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60].find((one) => duration / one <= 10) ?? 60;
  const ticks = Array.from({ length: Math.floor(duration / step + 1e-6) + 1 }, (_, number) => number * step);
  return ticks.map((tick, number) => placed("left", Math.min(1, tick / duration), `${Number(tick.toFixed(1))}${number === ticks.length - 1 ? " s" : ""}`));
}

function wave(envelope) {
  const top = envelope.map(([, high], x) => `${x} ${(1 - high) * 50}`);
  const bottom = envelope.map(([low], x) => `${x} ${(1 - low) * 50 + 0.6}`).reverse();
  return svg("svg", { viewBox: `0 0 ${Math.max(envelope.length - 1, 1)} 101`, preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { d: `M${[...top, ...bottom].join("L")}Z` }));
}
