// The latency scatter: each trace of a list at its start and with its duration.

function scatter(traces, longest) {
  if (!traces.length) return [];
  const starts = new Map(traces.map((trace) => [trace, Number(BigInt(trace.startUnixNano) / 1000n)]));
  const [first, last] = [Math.min(...starts.values()), Math.max(...starts.values())];
  const x = (at) => (first === last ? 50 : (100 * (at - first)) / (last - first));
  // Small ones last: large ones would cover them.
  const dots = traces.toSorted((a, b) => b.spans - a.spans).map((trace) =>
    el("circle", {
      cx: `${x(starts.get(trace))}%`, cy: `${100 - (100 * trace.durationNs) / longest}%`, r: Math.min(9, 3 + Math.log2(trace.spans)),
      class: trace.errors ? "failed" : "", onclick: () => go(at(`/trace/${trace.traceId}`)),
    }, el("title", {}, `${trace.service}: ${trace.name}, ${duration(trace.durationNs)}, ${instant(trace.startUnixNano)}`)));
  const times = moments(first, last);
  const label = `${plural(traces.length, "trace")} by start and duration, the longest ${duration(longest)}, ${times.join(" to ")}; the list below has them all`;
  const lines = ["0%", "50%", "100%"].map((y) => el("line", { x1: "0%", x2: "100%", y1: y, y2: y }));
  const texts = (name, all) => el("div", { class: name, "aria-hidden": "true" }, all.map((text) => el("span", {}, text)));
  return el("div", { class: "scatter" }, texts("lengths", [duration(longest), duration(longest / 2), "0"]),
    el("svg", { role: "img", "aria-label": label }, lines, dots), texts("times", times));
}

/** The ends of the axis, microseconds since 1970: no finer than they differ, and the day with both if there are two. */
function moments(first, last) {
  const [from, to] = [first, last].map((micros) => instant(`${micros}000`));
  if (first === last) return [from];
  if (from.slice(0, 10) !== to.slice(0, 10)) return [from.slice(0, 16), to.slice(0, 16)];
  const end = last - first < 10_000_000 ? 23 : 19;
  return [from.slice(0, end), to.slice(11, end)];
}
