// What the page asks its server, and traces that were uploaded or came with the page.

/** By their ids: each `trace` as views draw it, and its `resourceSpans` in OTLP. */
const uploaded = new Map();

async function answer(path, options) {
  const response = await fetch(at(path), options).catch(() => {
    throw new Error("meshspan does not answer: is it still running?");
  });
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  throw new Error(body?.error?.message ?? `${path}: ${response.status}`);
}

async function request(path, options) {
  return (await answer(path, options)).json().catch(() => null);
}

/** Traces of this tab's as OTLP JSON. */
function otlp(...ids) {
  return JSON.stringify({ resourceSpans: [...new Set(ids)].flatMap((id) => uploaded.get(id)?.resourceSpans ?? []) });
}

/** A question about traces takes along those that only this tab knows. */
function carrying(...ids) {
  return ids.some((id) => uploaded.has(id)) ? { method: "POST", body: otlp(...ids) } : {};
}

const api = {
  services: () => request("/view/services"),
  search: (query) => request(`/view/search?${query}`),
  graph: () => request("/view/graph"),
  compare: (a, b) => request(`/view/compare?a=${encodeURIComponent(a)}&b=${encodeURIComponent(b)}`, carrying(a, b)),
  async trace(id) {
    return uploaded.get(id)?.trace ?? request(`/view/traces/${encodeURIComponent(id)}`);
  },
  /** The trace of this tab's as one HTML file. */
  page: async (id) => (await answer(`/view/traces/${id}/page`, carrying(id))).blob(),
  uploaded: () => [...uploaded.values()].map(({ trace }) => trace),
  /** Whether only this tab knows the trace. */
  isUploaded: (id) => uploaded.has(id),
  /** Traces of a file: OTLP JSON, OTLP JSON Lines or Jaeger's JSON. */
  async upload(file) {
    const { traces } = await request("/view/upload", { method: "POST", body: file });
    traces.forEach((found) => uploaded.set(found.trace.traceId, found));
    return traces;
  },
};

/** The trace that an exported page carries. */
function embedded() {
  const element = document.getElementById("trace");
  return element && JSON.parse(element.textContent);
}
