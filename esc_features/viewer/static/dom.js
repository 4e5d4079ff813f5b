// Elements are made here, and text only ever becomes a text node: a category called <script> is text.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter(isThere));
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Children that a condition left out are skipped.
const isThere = (child) => child !== null && child !== undefined && child !== false;

export const fill = (element, ...children) => element.replaceChildren(...children.flat(Infinity).filter(isThere));

export const byId = (id) => document.getElementById(id);

export function say(text, isProblem = false) {
  const line = byId("status");
  line.textContent = text;
  line.classList.toggle("problem", isProblem);
}

export const count = (number, one, several) => `${number.toLocaleString("en")} ${number === 1 ? one : several}`;

export const percent = (share) => `${(100 * share).toFixed((share > 0.995 && share < 1) || (share > 0 && share < 0.005) ? 1 : 0)}\u00a0%`;
