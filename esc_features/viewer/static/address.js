// The address carries the state: #/view?parameters.

export function here() {
  const [view, query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return { view: view || "clips", parameters: new URLSearchParams(query) };
}

export function link(view, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  return query ? `#/${view}?${query}` : `#/${view}`;
}

export function go(view, parameters = {}) { location.hash = link(view, parameters); }

export function clipAddress(clip) {
  const parameters = { filename: clip.filename };
  if (clip.start) parameters.start = clip.start;
  if (clip.end !== null) parameters.end = clip.end;
  return link("clip", parameters);
}

// A copy with some parameters changed; a list is several values, "" or null removes. Another query starts on page 1.
export function changed(parameters, changes) {
  const copy = new URLSearchParams(parameters);
  copy.delete("page");
  for (const [name, value] of Object.entries(changes)) {
    copy.delete(name);
    for (const one of Array.isArray(value) ? value : [value]) if (one !== null && one !== "") copy.append(name, one);
  }
  return copy;
}
