// What the page asks its server, and traces that were uploaded or came with the page.

/** By their keys: each `trace` as views draw it, and its `resourceSpans` in OTLP. */
const uploaded = new Map();

/** The files that they are from: what tells one from another, and its name. */
const files = [];

/** What names a trace in this tab: its id in the store, `2:id` in the second file. One does not hide the other. */
const keyOf = ({ traceId, file }) => (file ? `${file.number}:${traceId}` : traceId);

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

/** An uploaded trace in OTLP; nothing of others. */
function otlp(key) {
  const resourceSpans = uploaded.get(key)?.resourceSpans;
  return resourceSpans && { resourceSpans };
}

/** A question about uploaded traces takes them along. */
function carrying(traces) {
  return Object.values(traces).some(Boolean) ? { method: "POST", body: JSON.stringify(traces) } : {};
}

/** The key of a trace that was typed as an id: the store's, or an uploaded one that the store does not have. */
async function resolved(key) {
  const [, number, id] = /^(\d+:)?(.*)$/.exec(key);
  if (number && !uploaded.has(key)) throw new Error(`trace ${id} is from a file that this tab does not have any more: upload it again`);
  const ours = [...uploaded.keys()].findLast((other) => other.endsWith(`:${id.toLowerCase().padStart(32, "0")}`));
  if (number || !ours) return key;
  return (await fetch(at(`/view/traces/${id}`), { method: "HEAD" })).ok ? key : ours;
}

/** The file's entry among those that this tab has; another of the same name gets a number behind it. */
function fileOf({ name, size, lastModified }) {
  const identity = `${name} ${size} ${lastModified}`;
  let file = files.find((known) => known.identity === identity);
  if (!file) {
    const same = files.filter((known) => known.identity.startsWith(`${name} `)).length;
    file = { identity, number: files.length + 1, name: same ? `${name} (${same + 1})` : name };
    files.push(file);
  }
  return file;
}

const api = {
  services: () => request("/view/services"),
  search: (query) => request(`/view/search?${query}`),
  graph: () => request("/view/graph"),
  async compare(...keys) {
    const [a, b] = await Promise.all(keys.map(resolved));
    const id = (key) => encodeURIComponent(key.slice(key.indexOf(":") + 1));
    return request(`/view/compare?a=${id(a)}&b=${id(b)}`, carrying({ a: otlp(a), b: otlp(b) }));
  },
  async trace(typed) {
    const key = await resolved(typed);
    return uploaded.get(key)?.trace ?? request(`/view/traces/${encodeURIComponent(key)}`);
  },
  /** An uploaded trace as one HTML file. */
  page: async (trace) => (await answer(`/view/traces/${trace.traceId}/page`, carrying(otlp(keyOf(trace))))).blob(),
  uploaded: () => [...uploaded.values()].map(({ trace }) => trace),
  /** Traces of a file: OTLP JSON, OTLP JSON Lines or Jaeger's JSON. */
  async upload(file) {
    const { traces } = await request("/view/upload", { method: "POST", body: file });
    const from = fileOf(file);
    for (const { trace, resourceSpans } of traces) {
      uploaded.set(keyOf({ ...trace, file: from }), { trace: { ...trace, file: from }, resourceSpans });
    }
    return traces;
  },
};

/** What an empty store's page says: where to send spans to, if this server receives any. */
function noTraces() {
  const [grpc, http] = (document.documentElement.dataset.receivers ?? "").split(" ");
  return el("p", {}, http ? `There are no traces yet. Send some to port ${grpc} (OTLP over gRPC) or ${http} (OTLP over HTTP), or `
    : "There are no traces here, and this viewer receives none: meshspan collect does. You may ",
  el("a", { href: at("/upload"), "data-route": true }, "upload a file"), ".");
}

/** The trace that an exported page carries. */
function embedded() {
  const element = document.getElementById("trace");
  return element && JSON.parse(element.textContent);
}
