// What the page asks its server, and traces that were uploaded or came with the page.

const uploaded = new Map();

async function request(path, options) {
  const response = await fetch(path, options).catch(() => {
    throw new Error("meshspan does not answer: is it still running?");
  });
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.error?.message ?? `${path}: ${response.status}`);
  return body;
}

const api = {
  services: () => request("/view/services"),
  search: (query) => request(`/view/search?${query}`),
  graph: () => request("/view/graph"),
  compare: (a, b) => request(`/view/compare?a=${encodeURIComponent(a)}&b=${encodeURIComponent(b)}`),
  async trace(id) {
    return uploaded.get(id) ?? request(`/view/traces/${encodeURIComponent(id)}`);
  },
  uploaded: () => [...uploaded.values()],
  /** Whether only this tab knows the trace. */
  isUploaded: (id) => uploaded.has(id),
  /** Traces of a file: OTLP JSON, OTLP JSON Lines or Jaeger's JSON. */
  async upload(file) {
    const { traces } = await request("/view/upload", { method: "POST", body: file });
    traces.forEach((trace) => uploaded.set(trace.traceId, trace));
    return traces;
  },
};

/** The trace that an exported page carries. */
function embedded() {
  const element = document.getElementById("trace");
  return element && JSON.parse(element.textContent);
}
