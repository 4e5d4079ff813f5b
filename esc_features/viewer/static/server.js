// What the server is asked. All addresses are relative, so that the token in the page's own goes along.

async function answer(response) {
  let body = null;
  try { body = await response.json(); } catch { /* no JSON: the server is gone or refuses */ }
  if (!response.ok || body === null) throw new Error(body?.error ?? `The viewer does not answer (${response.status}).`);
  return body;
}

export async function ask(path, parameters = new URLSearchParams()) {
  const query = new URLSearchParams(parameters).toString();
  let response;
  try { response = await fetch(query ? `${path}?${query}` : path); } catch { throw new Error("The viewer has ended: start it again."); }
  return answer(response);
}

export async function send(path, body, parameters = new URLSearchParams()) {
  const query = new URLSearchParams(parameters).toString();
  const isFile = body instanceof Blob;
  const headers = isFile ? { "content-type": "application/octet-stream" } : { "content-type": "application/json" };
  return answer(await fetch(query ? `${path}?${query}` : path, { method: "POST", headers, body: isFile ? body : JSON.stringify(body) }));
}

let about = null;
export async function store() { return about ??= await ask("api/store"); }
