// The smaller views: service graph, comparison, upload.

async function showGraph(main) {
  const graph = await api.graph();
  main.append(el("h1", {}, "Service graph"));
  say(`${plural(graph.services.length, "service")}, ${plural(graph.calls.length, "edge")}`);
  if (!graph.services.length) return main.append(noTraces());
  main.append(el("div", { class: "graph", tabindex: 0, role: "group", "aria-label": "Graph" }, drawGraph(graph)), graphTable(graph));
}

/** Callers left of those whom they call; a circle is cut where it closes. */
function layers({ services, calls }) {
  const callees = new Map(services.map(({ name }) => [name, []]));
  calls.forEach(({ from, to }) => from !== to && callees.get(from).push(to));
  const called = new Set(calls.map(({ to }) => to));
  const [open, done] = [new Set(), new Set()];
  const forward = [];
  const visit = (name) => {
    open.add(name);
    for (const callee of callees.get(name)) {
      if (open.has(callee)) continue;
      if (!done.has(callee)) visit(callee);
      forward.push([name, callee]);
    }
    open.delete(name);
    done.add(name);
  };
  const names = services.map(({ name }) => name);
  for (const name of [...names.filter((name) => !called.has(name)), ...names]) if (!done.has(name)) visit(name);
  // A service's own calls come before those to it: backwards, each depth is final when it is used.
  const depth = new Map(names.map((name) => [name, 0]));
  for (const [from, to] of forward.reverse()) depth.set(to, Math.max(depth.get(to), depth.get(from) + 1));
  const columns = [];
  for (const [name, at] of depth) (columns[at] ??= []).push(name);
  return columns.filter(Boolean);
}

function drawGraph(graph) {
  const columns = layers(graph);
  const [boxWidth, boxHeight, gapX, gapY] = [150, 34, 90, 22];
  const tallest = Math.max(...columns.map((column) => column.length));
  const at = new Map(columns.flatMap((column, x) => column.map((name) => [name, x])));
  /** Calls that pass a column bend upwards around it; those back to the left, and to oneself, downwards. */
  const bow = ({ from, to }) => {
    const apart = at.get(to) - at.get(from);
    return apart > 0 ? (1 - apart) * 26 : (1 - apart) * 26 + 26;
  };
  const bows = [0, ...graph.calls.map(bow)];
  const [above, below] = [-bows.reduce((a, b) => Math.min(a, b)), bows.reduce((a, b) => Math.max(a, b))].map((size) => size * 0.75);
  const middle = above + (tallest * (boxHeight + gapY) + gapY) / 2;
  const height = tallest * (boxHeight + gapY) + gapY + above + below;
  const places = new Map();
  columns.forEach((column, x) => column.forEach((name, y) => {
    const top = middle - (column.length * (boxHeight + gapY) - gapY) / 2;
    places.set(name, { x: 16 + x * (boxWidth + gapX), y: top + y * (boxHeight + gapY) });
  }));
  const width = 32 + columns.length * (boxWidth + gapX) - gapX;
  const busiest = Math.max(1, ...graph.calls.map(({ count }) => count));
  // Nearer to its caller: in the middle calls cross.
  const label = ([a, b, c, d]) => 0.216 * a + 0.432 * b + 0.288 * c + 0.064 * d;
  const edge = (call) => {
    const { from, to, count, errors } = call;
    const [a, b] = [places.get(from), places.get(to)];
    const [x1, y1, x2, y2] = [a.x + boxWidth, a.y + boxHeight / 2, b.x, b.y + boxHeight / 2];
    const bend = x2 > x1 ? Math.max(40, (x2 - x1) / 2) : 60;
    const size = bow(call);
    return [
      el("path", { d: `M${x1},${y1} C${x1 + bend},${y1 + size} ${x2 - bend},${y2 + size} ${x2},${y2}`, class: errors ? "failed" : "",
        "stroke-width": 1 + (3 * Math.log1p(count)) / Math.log1p(busiest), "marker-end": "url(#arrow)" }),
      el("text", { class: "count", x: label([x1, x1 + bend, x2 - bend, x2]), y: label([y1, y1 + size, y2 + size, y2]) - 4, "text-anchor": "middle" }, count.toLocaleString()),
    ];
  };
  const box = ({ name }) => {
    const { x, y } = places.get(name);
    const short = name.length > 20 ? `${name.slice(0, 19)}…` : name;
    return el("g", { style: { cursor: "pointer" }, onclick: () => go(at(`/search?${new URLSearchParams({ service: name })}`)) },
      el("rect", { x, y, width: boxWidth, height: boxHeight, rx: 5, service: name }, el("title", {}, name)),
      el("text", { x: x + boxWidth / 2, y: y + 21, "text-anchor": "middle" }, short));
  };
  const arrow = el("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" },
    el("path", { d: "M0,0 L8,4 L0,8", style: { fill: "none" } }));
  return el("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Who calls whom; the table below says the same", style: { minWidth: `${width * 0.7}px`, maxWidth: `${width * 1.4}px` } },
    el("defs", {}, arrow), graph.calls.map(edge), graph.services.map(box));
}

function tracesOf(service) {
  return el("a", { href: at(`/search?${new URLSearchParams({ service })}`), "data-route": true }, chip(service));
}

function graphTable({ calls }) {
  return el("table", { "aria-label": "Calls" },
    el("thead", {}, el("tr", {}, el("th", {}, "From"), el("th", {}, "To"), ["Calls", "Errors", "Mean"].map((title) => el("th", { class: "number" }, title)))),
    el("tbody", {}, calls.map(({ from, to, count, errors, meanNs }) => el("tr", {}, el("td", {}, tracesOf(from)), el("td", {}, tracesOf(to)),
      el("td", { class: "number" }, count.toLocaleString()), el("td", { class: `number${errors ? " bad" : ""}` }, errors), el("td", { class: "number" }, duration(meanNs))))));
}

async function showCompare(main, query) {
  const [a, b] = [query.get("a") ?? "", query.get("b") ?? ""];
  const field = (label, name, value) => el("label", {}, `${label} `, el("input", { name, value, size: 38, spellcheck: "false", required: true, list: "known" }));
  // Those that one cannot look up by searching.
  const known = api.uploaded().map((trace) => el("option", { value: keyOf(trace) }, `${trace.service}: ${trace.name}, from ${trace.file.name}`));
  main.append(el("h1", {}, "Compare two traces"), el("datalist", { id: "known" }, known),
    el("form", { class: "toolbar", onsubmit: (event) => {
      event.preventDefault();
      go(at(`/compare?${new URLSearchParams(new FormData(event.target))}`));
    } }, field("First", "a", a), field("Second", "b", b), el("button", { type: "submit" }, "Compare")));
  if (!a || !b) return say("Give two trace ids, or tick two traces in the search or among those uploaded");
  const { rows, first, second } = await api.compare(a, b);
  const more = rows.filter((row) => row.second > row.first).length;
  const less = rows.filter((row) => row.second < row.first).length;
  const difference = (row) => {
    if (!row.first || !row.second) return "";
    const more = row.secondNs / row.second - row.firstNs / row.first;
    return `${more > 0 ? "+" : ""}${duration(more)}`;
  };
  main.append(
    el("p", {}, `${first.service}: ${first.name}, ${duration(first.durationNs)}, against ${second.service}: ${second.name}, ${duration(second.durationNs)}. `,
      `${plural(more, "operation")} more often in the second, ${less} less often.`),
    el("table", { "aria-label": "Differences" },
      el("thead", {}, el("tr", {}, el("th", {}, "Operation"), ["First", "Second", "Mean, first", "Mean, second", "Difference"].map((title) => el("th", { class: "number" }, title)))),
      el("tbody", {}, rows.map((row) => el("tr", { class: row.second > row.first ? "more" : row.second < row.first ? "less" : "" },
        el("td", { style: { paddingLeft: `${row.depth * 14 + 8}px` } }, chip(row.service), ` ${row.name} `, el("span", { class: "faint" }, row.kind)),
        [row.first, row.second, row.first ? duration(row.firstNs / row.first) : "", row.second ? duration(row.secondNs / row.second) : "", difference(row)]
          .map((text) => el("td", { class: "number" }, text)))))));
  say(`${plural(rows.length, "operation")} compared`);
}

function showUpload(main) {
  const list = el("ol", { class: "results" });
  const fill = () => {
    const longest = Math.max(1, ...api.uploaded().map((trace) => trace.durationNs));
    list.replaceChildren(...api.uploaded().map((trace) => result(summaryOf(trace), longest)));
  };
  const take = async (files) => {
    for (const file of files) {
      try {
        const traces = await api.upload(file);
        fill();
        say(`${file.name}: ${plural(traces.length, "trace")}`);
      } catch (error) {
        say(`${file.name}: ${error.message}`, true);
      }
    }
  };
  const input = el("input", { type: "file", id: "file", multiple: true, accept: ".json,.jsonl,.ndjson", onchange: () => take(input.files) });
  const drop = el("div", { class: "drop", ondragover: (event) => (event.preventDefault(), drop.classList.add("over")),
    ondragleave: () => drop.classList.remove("over"), ondrop: (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      take(event.dataTransfer.files);
    } }, el("label", { for: "file" }, "Drop files here, or choose them: OTLP JSON, OTLP JSON Lines, Jaeger's JSON "), input,
  el("p", { class: "faint" }, "They stay in this tab; nothing is stored."));
  const section = el("section", { "aria-label": "Uploaded traces" });
  section.append(el("div", { class: "toolbar" }, comparison(section)), list);
  main.append(el("h1", {}, "Look at traces from a file"), drop, section);
  fill();
  say("Choose files");
}

/** What a search would say of a trace. */
function summaryOf(trace) {
  const services = new Map();
  trace.spans.forEach(({ service }) => services.set(service, (services.get(service) ?? 0) + 1));
  return { ...trace, spans: trace.spans.length, services: [...services].sort().map(([name, spans]) => ({ name, spans })) };
}
