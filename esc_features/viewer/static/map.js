// All clips as points: hovering plays, a lasso selects into the grid.

import { clipAddress, go, link } from "./address.js";
import { hoverPlays } from "./cards.js";
import { fill, h, say, svg } from "./dom.js";
import { isPlaying, play, stop } from "./player.js";
import { ask } from "./server.js";

const NAMES = { pca: "PCA", tsne: "t-SNE", umap: "UMAP" };
// Okabe and Ito's colours, with another shape for each repetition: 56 categories look different.
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8c8c8c"];
const SHAPES = [
  (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
  (x, y, r) => `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
  (x, y, r) => `M${x} ${y - 1.3 * r}L${x + 1.2 * r} ${y + r}H${x - 1.2 * r}z`,
  (x, y, r) => `M${x} ${y - 1.4 * r}L${x + 1.4 * r} ${y}L${x} ${y + 1.4 * r}L${x - 1.4 * r} ${y}z`,
  (x, y, r) => `M${x} ${y + 1.3 * r}L${x + 1.2 * r} ${y - r}H${x - 1.2 * r}z`,
  (x, y, r) => `M${x - r} ${y - r}H${x + r}L${x - r} ${y + r}H${x + r}z`,
  (x, y, r) => `M${x - 1.3 * r} ${y - 0.4 * r}h${2.6 * r}v${0.8 * r}h${-2.6 * r}zM${x - 0.4 * r} ${y - 1.3 * r}h${0.8 * r}v${2.6 * r}h${-0.8 * r}z`,
  (x, y, r) => `M${x - 1.3 * r} ${y - 1.3 * r}h${0.9 * r}v${2.6 * r}h${-0.9 * r}zM${x + 0.4 * r} ${y - 1.3 * r}h${0.9 * r}v${2.6 * r}h${-0.9 * r}z`,
];
const look = (number) => number < 0 ? ["#8c8c8c", SHAPES[0]] : [COLOURS[number % COLOURS.length], SHAPES[Math.floor(number / COLOURS.length) % SHAPES.length]];

export async function showMap(main, parameters, store, isCurrent) {
  const feature = parameters.get("feature") ?? store.vectors[0] ?? "";
  const method = parameters.get("method") ?? "pca";
  if (!store.vectors.length) {
    return fill(main, h("h2", { tabindex: -1 }, "Map"), h("p", {}, "The map needs a vector feature, and the store has none. ",
      h("code", {}, "extract_features … --features mfcc"), " adds one."));
  }
  const change = (name) => (event) => { const next = new URLSearchParams(parameters); next.set(name, event.target.value); go("map", next); };
  const head = [h("h2", { tabindex: -1 }, "Map"), h("div", { class: "bar" },
    h("label", {}, "Feature ", h("select", { onchange: change("feature") }, store.vectors.map((name) => h("option", { selected: name === feature }, name)))),
    h("label", {}, "by ", h("select", { id: "mapmethod", onchange: change("method") }, store.maps.map((name) => h("option", { value: name, selected: name === method }, NAMES[name])))))];
  if (method !== "pca") { fill(main, head, h("p", {}, "Computing the map …")); }
  let map;
  try { map = await ask("api/map", { feature, method }); } catch (error) { if (isCurrent()) fill(main, head, h("p", { class: "notice" }, error.message)); return; }
  if (!isCurrent()) return;
  const hidden = new Set(parameters.getAll("hide").map((name) => map.names.indexOf(name)));
  const canvas = h("canvas", { tabindex: 0, role: "application", "aria-label": `Map of ${map.rows.length} clips: arrow keys go to the next point in their direction, Space plays, Enter opens, C adds a corner to a line, L lists the clips inside it` });
  const tip = h("div", { class: "tip", hidden: true });
  const sample = map.rows.length < store.clips ? ` The map shows an even sample of ${map.rows.length.toLocaleString("en")} clips.` : "";
  fill(main, head,
    h("div", { class: "map" }, canvas, tip),
    h("p", { class: "quiet" }, `Hover to play, click to open, draw a line around points to list them.${sample}`),
    h("div", { class: "legend", role: "group", "aria-label": "Categories" }, map.names.map((name, number) => {
      const [colour, shape] = look(number);
      return h("button", { type: "button", "aria-pressed": String(!hidden.has(number)), onclick: (event) => {
        if (hidden.has(number)) hidden.delete(number); else hidden.add(number);
        event.currentTarget.setAttribute("aria-pressed", String(!hidden.has(number)));
        const next = new URLSearchParams(parameters);
        next.delete("hide");
        for (const one of hidden) next.append("hide", map.names[one]);
        history.replaceState(null, "", link("map", next));
        draw();
      } }, svg("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, svg("path", { d: shape(6, 6, 4), fill: colour })), name);
    })));

  const context = canvas.getContext("2d");
  let [width, height] = [0, 0];
  let current = -1;
  let lasso = [];
  const place = (index) => [map.points[index][0] / 10000 * width, (1 - map.points[index][1] / 10000) * height];
  const isShown = (index) => !hidden.has(map.categories[index]);

  function draw() {
    const scale = devicePixelRatio || 1;
    [width, height] = [canvas.clientWidth, canvas.clientHeight];
    [canvas.width, canvas.height] = [width * scale, height * scale];
    context.setTransform(scale, 0, 0, scale, 0, 0);
    const radius = map.rows.length > 20000 ? 1.5 : map.rows.length > 3000 ? 2.5 : 4;
    const groups = new Map();
    for (let index = 0; index < map.rows.length; index++) {
      if (!isShown(index)) continue;
      const number = map.categories[index];
      if (!groups.has(number)) groups.set(number, []);
      const [x, y] = place(index);
      groups.get(number).push(look(number)[1](x, y, radius));
    }
    for (const [number, paths] of groups) { context.fillStyle = look(number)[0]; context.fill(new Path2D(paths.join(""))); }
    const ink = getComputedStyle(canvas).color;
    if (current >= 0) {
      context.strokeStyle = ink; context.lineWidth = 2;
      context.stroke(new Path2D(SHAPES[0](...place(current), radius + 5)));
    }
    if (lasso.length) { context.strokeStyle = ink; context.lineWidth = 1.5; context.setLineDash([5, 4]); context.stroke(new Path2D(`M${lasso.join("L")}`)); context.setLineDash([]); }
  }

  const nearest = (x, y, most, wanted = () => true) => {
    let [best, least] = [-1, most * most];
    for (let index = 0; index < map.rows.length; index++) {
      if (!isShown(index)) continue;
      const [px, py] = place(index);
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < least && wanted(px, py, index)) [best, least] = [index, distance];
    }
    return best;
  };

  let timer = null;
  function choose(index, plays) {
    if (index === current) return;
    current = index;
    clearTimeout(timer);
    if (plays) stop();
    draw();
    tip.hidden = index < 0;
    if (index < 0) return;
    const row = map.rows[index];
    const name = map.names[map.categories[index]] ?? "no label";
    const [x, y] = place(index);
    fill(tip, h("img", { src: `thumbnail/${row}`, alt: "" }), name);
    tip.style.left = `${Math.min(x + 12, width - 205)}px`;
    tip.style.top = `${Math.min(y + 12, height - 105)}px`;
    canvas.dataset.row = row;
    if (plays) timer = setTimeout(() => play(row, `sound/${row}`, name), 120);
    else say(`${name}: Space plays, Enter opens`);
  }

  async function open(index) {
    location.hash = clipAddress(await ask(`api/card/${map.rows[index]}`));
  }

  const list = (corners) => go("clips", { lasso: `${feature}:${method}:${corners.map(([x, y]) => `${(x / width).toFixed(4)},${(1 - y / height).toFixed(4)}`).join(";")}` });

  let pressed = null;
  const at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  canvas.addEventListener("pointerdown", (event) => { pressed = at(event); lasso = [pressed]; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    if (!pressed) return choose(nearest(x, y, 14), hoverPlays());
    lasso.push([Math.min(Math.max(x, 0), width), Math.min(Math.max(y, 0), height)]);
    draw();
  });
  canvas.addEventListener("pointerup", (event) => {
    const drawn = lasso;
    const [x, y] = at(event);
    [pressed, lasso] = [null, []];
    if (drawn.length > 4 && Math.max(...drawn.map((one) => Math.hypot(one[0] - x, one[1] - y))) > 12) {
      const step = Math.ceil(drawn.length / 60);
      return list(drawn.filter((_, number) => number % step === 0));
    }
    draw();
    const index = nearest(x, y, 14);
    if (index >= 0) open(index);
  });
  canvas.addEventListener("pointerleave", () => { if (!pressed && hoverPlays()) choose(-1, true); });
  canvas.addEventListener("keydown", (event) => {
    const [dx, dy] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key] ?? [0, 0];
    if (dx || dy) {
      const [x, y] = current < 0 ? [width / 2, height / 2] : place(current);
      const ahead = (px, py, index) => index !== current && (px - x) * dx + (py - y) * dy > Math.abs((px - x) * dy + (py - y) * dx);
      const next = current < 0 ? nearest(x, y, 1e9) : nearest(x, y, 1e9, ahead);
      if (next >= 0) choose(next, false);
    } else if (event.key === " " && current >= 0) {
      const row = map.rows[current];
      if (isPlaying(row)) stop(); else play(row, `sound/${row}`, map.names[map.categories[current]] ?? "no label");
    } else if (event.key === "Enter" && current >= 0) open(current);
    else if (event.key === "c" && current >= 0) {
      lasso.push(place(current));
      draw();
      say(`${lasso.length} ${lasso.length === 1 ? "corner" : "corners"}${lasso.length > 2 ? ": L lists the clips inside" : ""}`);
    } else if (event.key === "l" && lasso.length > 2) list(lasso);
    else return;
    event.preventDefault();
  });
  const watch = new ResizeObserver(() => { if (canvas.isConnected) draw(); else watch.disconnect(); });
  watch.observe(canvas);
  draw();
}
