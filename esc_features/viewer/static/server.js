// Requests to the server. All addresses are relative, so that they include the token of the page's own address.

async function answer(response) {
  let body = null;
  try { body = await response.json(); } catch { /* no JSON: the server is gone or refuses */ }
  if (!response.ok || body === null) throw new Error(body?.error ?? `The viewer failed to answer (HTTP ${response.status}).`);
  return body;
}

export async function ask(path, parameters = {}, options = {}) {
  const query = new URLSearchParams(parameters).toString();
  let response;
  try { response = await fetch(query ? `${path}?${query}` : path, options); } catch { throw new Error("The viewer is no longer running. Start it again."); }
  return answer(response);
}

export const send = (path, body, parameters = {}) =>
  ask(path, parameters, { method: "POST", body: body instanceof Blob ? body : JSON.stringify(body) });

let about = null;
export async function store() { return about ??= await ask("api/store"); }
