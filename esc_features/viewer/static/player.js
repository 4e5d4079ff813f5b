// One player for the whole page.

import { byId, say } from "./dom.js";

const audio = byId("player");
let playing = null; // { key, label, onstop }

export const currentTime = () => audio.currentTime;
export const isPlaying = (key) => playing?.key === key && !audio.paused;

export async function play(key, source, label, onstop = () => {}, from = 0) {
  const same = playing?.key === key;
  if (!same) {
    stop();
    audio.src = source;
    playing = { key, label, onstop };
  }
  const mine = playing;
  try {
    if (same || from) audio.currentTime = from;
    await audio.play();
    if (playing === mine) say(`Playing ${label}`);
  } catch (error) {
    if (playing !== mine || error.name === "AbortError") return;
    stop();
    if (error.name === "NotAllowedError") say("Click or press a key first: until then, the browser does not let pages play sound.", true);
    else say(await reason(source), true);
  }
}

export function stop() {
  audio.pause();
  const before = playing;
  playing = null;
  if (!before) return;
  before.onstop();
  say("");
}

async function reason(source) {
  try {
    const response = await fetch(source);
    if (!response.ok) return (await response.json()).error;
  } catch { return "The viewer is no longer running. Start it again."; }
  return "The browser cannot play this clip.";
}

audio.addEventListener("ended", () => { const label = playing?.label; stop(); say(label ? `Played ${label}` : ""); });
