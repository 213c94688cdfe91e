// What stands beside the waterfall: one span, the hops, where the context was lost, figures by operation.

function spanDetails(view) {
  const { trace } = view.rows;
  const span = trace.spans[view.selected];
  if (!span) return el("p", { class: "faint" }, "Choose a span to see what it says. Key ? lists the keys.");
  const facts = [
    ["Service", chip(span.service)],
    ["Kind", [span.proxy && (span.direction ?? "proxy"), span.kind].filter(Boolean).join(" ")],
    ["Start", `${duration(span.startNs)} after the trace's`],
    ["Duration", duration(span.durationNs)],
    ["On its own", `${duration(span.selfNs)} that nothing below it covers`],
    span.overheadNs !== undefined && ["Proxy took", duration(span.overheadNs)],
    ["Status", span.status === "error" ? el("span", { class: "bad" }, `error ${span.message ?? ""}`) : span.status],
    span.skewNs !== undefined && ["Clock", clock(span)],
    ["Span id", el("code", {}, span.spanId)],
    span.parentSpanId && ["Parent", el("code", {}, span.parentSpanId)],
    span.scope && ["Scope", el("code", {}, span.scope)],
  ];
  return [
    el("h2", {}, span.name),
    pairs(facts.filter(Boolean), "Span"),
    breaks(trace.breaks.filter((found) => found.span === view.selected)),
    section("Attributes", span.attributes),
    (span.events ?? []).map((event) => section(`Event ${event.name} at ${duration(event.atNs)}`, event.attributes)),
    (span.links ?? []).map((link) => section(["Link to ", el("a", { href: at(`/trace/${link.traceId}?span=${link.spanId}`), "data-route": true },
      link.traceId.slice(0, 8))], link.attributes)),
    section("Resource", trace.resources[span.resource]),
    el("div", { class: "toolbar" },
      el("button", { type: "button", onclick: () => copy(JSON.stringify(span, null, 2)) }, "Copy as JSON"),
      el("button", { type: "button", onclick: () => copy(view.link()) }, "Copy link")),
  ];
}

function section(title, attributes) {
  const rows = attributes.map(([key, value]) => [key, el("span", { class: "mono" }, value)]);
  return [el("h2", {}, title), rows.length ? pairs(rows, title) : el("p", { class: "faint" }, "none")];
}

function pairs(rows, label) {
  return el("table", { "aria-label": typeof label === "string" ? label : undefined },
    el("tbody", {}, rows.map(([name, value]) => el("tr", {}, el("td", {}, name), el("td", {}, value)))));
}

/** How the clock that timed a span stands against the trace's first. */
function clock({ skewNs }) {
  return `${duration(Math.abs(skewNs))} ${skewNs < 0 ? "ahead of" : "behind"} the root's`;
}

/** Where the context was lost and whom to ask; `show`, if there is one, shows the span. */
function breaks(found, show) {
  return found.map(({ span, workload, explanation }) =>
    el("div", { class: "breaks" }, el("p", {}, el("b", {}, `Context was lost: look at ${workload} `),
      show && el("button", { type: "button", onclick: () => show(span) }, "Show the span")), el("p", {}, explanation)));
}

/** All breaks of a trace, the first of them in full. */
function breaksOf(view) {
  const all = breaks(view.rows.trace.breaks, (span) => {
    view.setTab("span");
    view.select(span);
  });
  const rest = all.slice(2);
  return [all.slice(0, 2), rest.length > 0 && el("details", { class: "breaks" }, el("summary", {}, `${plural(rest.length, "more break")}`), rest)];
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied");
  } catch {
    say("The browser does not let the page copy", true);
  }
}

const PARTS = [
  ["sendingProxyNs", "sending", "sending proxy"],
  ["wireNs", "wire", "wire"],
  ["receivingProxyNs", "receiving", "receiving proxy"],
  ["applicationNs", "application", "application"],
];

/** More rows than this nobody reads, and they would take long to draw. */
const MOST_HOPS = 200;

/** Every call between workloads, split into its four parts. */
function hopsTable(view) {
  const { hops } = view.rows.trace;
  if (!hops.length) return el("p", { class: "faint" }, "No call between workloads is in this trace.");
  const total = (hop) => PARTS.reduce((sum, [part]) => sum + hop[part], 0);
  const longest = hops.reduce((most, hop) => Math.max(most, total(hop)), 1);
  const shown = hops.length > MOST_HOPS ? hops.toSorted((a, b) => total(b) - total(a)).slice(0, MOST_HOPS) : hops;
  const bar = (hop) => el("div", { class: "parts", style: { width: `${(100 * total(hop)) / longest}%` }, "aria-hidden": "true" },
    PARTS.map(([part, name]) => el("span", { class: name, style: { width: `${(100 * hop[part]) / Math.max(1, total(hop))}%` } })));
  const row = (hop) => [
    [{ class: "whole" }, el("button", { type: "button", onclick: () => view.select(hop.first) }, `${hop.from || "outside"} → ${hop.to || "outside"}`)],
    [{ class: "whole share" }, bar(hop)],
    ...PARTS.map(([part]) => [{ class: "number" }, duration(hop[part])]),
  ];
  const head = [[{ class: "whole" }, "Hop"], [{ class: "whole share" }, "Own time"],
    ...PARTS.map(([, name, label]) => [{ class: "number" }, el("span", { class: `key ${name}` }), label])];
  const rest = shown.length < hops.length && el("p", { class: "faint" }, `The ${MOST_HOPS} longest of ${plural(hops.length, "hop")}.`);
  return [rest, stack("hops", "Hops", head, shown.map(row))];
}

/** Count, time and errors of each operation of each service. */
function statistics(view) {
  const groups = new Map();
  for (const span of view.rows.trace.spans) {
    const key = JSON.stringify([span.service, span.name, span.kind]);
    const group = groups.get(key) ?? { span, count: 0, errors: 0, total: 0, own: 0, longest: 0 };
    group.count += 1;
    group.errors += span.status === "error" ? 1 : 0;
    group.total += span.durationNs;
    group.own += span.selfNs;
    group.longest = Math.max(group.longest, span.durationNs);
    groups.set(key, group);
  }
  const rows = [...groups.values()].sort((a, b) => b.own - a.own);
  const number = (value) => [{ class: "number" }, value];
  const head = [[{}, "Service"], [{}, "Operation"], [{}, "Kind"], ...["Count", "Errors", "On its own", "Mean", "Longest"].map(number)];
  return stack("operations", "Operations", head, rows.map(({ span, count, errors, total, own, longest }) => [
    [{}, chip(span.service)], [{}, span.name], [{}, span.kind], number(count), [{ class: `number${errors ? " bad" : ""}` }, errors],
    ...[own, total / count, longest].map(duration).map(number),
  ]));
}
