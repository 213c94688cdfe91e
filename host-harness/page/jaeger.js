// Links to Jaeger's own page in this page's words: those that people noted lead to the same traces here.
// https://www.jaegertracing.io/docs/2.14/deployment/frontend-ui/

/** The address that a link of Jaeger's stands for; undefined if it is ours as it is. */
function ofJaeger(path, query) {
  const pair = /^\/trace\/([^/.]*)\.{3}([^/.]*)$/.exec(path);
  if (pair) return `/compare?${new URLSearchParams({ a: pair[1], b: pair[2] })}`;
  if (path !== "/search") return undefined;
  const ours = searchOfJaeger(query);
  return String(ours) === String(query) ? undefined : `/search?${ours}`;
}

/** A search's fields by our names and in our units. */
function searchOfJaeger(query) {
  const ours = new URLSearchParams(query);
  const set = (name, value) => value && ours.set(name, value);
  const tags = [...query.getAll("tags").map(ofTags), ...query.getAll("tag").map((tag) => tag.replace(":", "="))];
  set("attributes", [query.get("attributes"), ...tags].filter(Boolean).join(" "));
  set("min", query.get("minDuration"));
  set("max", query.get("maxDuration"));
  set("from", ofMicros(query.get("start"), Math.floor));
  set("to", ofMicros(query.get("end"), Math.ceil));
  for (const name of ["tags", "tag", "minDuration", "maxDuration", "start", "end"]) ours.delete(name);
  if (query.get("operation") === "all") ours.delete("operation");
  const lookback = query.get("lookback") ?? "";
  if (lookback === "custom" || query.get("start")) ours.delete("lookback");
  else if (/^\d+w$/.test(lookback)) ours.set("lookback", `${7 * parseInt(lookback, 10)}d`);
  return ours;
}

/** `{"http.route":"/a b","error":true}` → `http.route="/a b" error=true`; what is no such object stays, to be refused. */
function ofTags(json) {
  try {
    return Object.entries(JSON.parse(json)).map(([key, value]) => `${key}=${quoted(String(value))}`).join(" ");
  } catch {
    return json;
  }
}

function quoted(value) {
  return /^"|\s/.test(value) ? `"${value.replace(/["\\]/g, "\\$&")}"` : value;
}

/** Microseconds since 1970 as an instant of whole milliseconds; what is none stays, to be refused. */
function ofMicros(text, round) {
  const date = new Date(text && /^\d+$/.test(text) ? round(Number(text) / 1000) : NaN);
  return Number.isNaN(date.getTime()) ? text : date.toISOString();
}
