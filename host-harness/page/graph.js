// The service graph: who calls whom, drawn and as a table.

async function showGraph(main) {
  const graph = await api.graph();
  main.append(el("h1", {}, "Service graph"));
  say(`${plural(graph.services.length, "service")}, ${plural(graph.calls.length, "edge")}`);
  if (!graph.services.length) return main.append(noTraces());
  const frame = el("div", { class: "graph", tabindex: 0, role: "group", "aria-label": "Graph" });
  const draw = () => frame.replaceChildren(drawGraph(graph));
  const redraw = () => (frame.isConnected ? draw() : NARROW.removeEventListener("change", redraw));
  NARROW.addEventListener("change", redraw);
  draw();
  main.append(frame, graphTable(graph));
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

/** Sizes of boxes and gaps, along the calls and across: calls go to the right, or on a narrow screen down. */
const GRAPH_SIZES = {
  right: { boxAlong: 150, boxAcross: 34, gapAlong: 90, gapAcross: 22, longest: 20 },
  down: { boxAlong: 34, boxAcross: 110, gapAlong: 64, gapAcross: 14, longest: 14 },
};

/** Where everything is, along the calls and across. */
class GraphLayout {
  constructor(graph, { boxAlong, boxAcross, gapAlong, gapAcross }) {
    Object.assign(this, { boxAlong, boxAcross, gapAlong });
    const columns = layers(graph);
    this.columnOf = new Map(columns.flatMap((column, at) => column.map((name) => [name, at])));
    const bows = [0, ...graph.calls.map((call) => this.bow(call))];
    const [before, behind] = [-bows.reduce((a, b) => Math.min(a, b)), bows.reduce((a, b) => Math.max(a, b))].map((size) => size * 0.75);
    const step = boxAcross + gapAcross;
    const inside = Math.max(...columns.map((column) => column.length)) * step + gapAcross;
    this.size = [32 + columns.length * (boxAlong + gapAlong) - gapAlong, before + inside + behind];
    this.places = new Map(columns.flatMap((column, at) => column.map((name, place) =>
      [name, [16 + at * (boxAlong + gapAlong), before + (inside - column.length * step + gapAcross) / 2 + place * step]])));
  }

  /** Calls that pass a column bend around it to one side; those back, and to oneself, to the other. */
  bow({ from, to }) {
    const apart = this.columnOf.get(to) - this.columnOf.get(from);
    return (apart > 0 ? 1 - apart : 2 - apart) * this.boxAcross * 0.76;
  }

  /** The four points of a call's curve. */
  curve(call) {
    const [[from, a], [to, b]] = [this.places.get(call.from), this.places.get(call.to)];
    const [start, end, middle] = [from + this.boxAlong, to, this.boxAcross / 2];
    const bend = to > from ? Math.max(this.gapAlong * 0.45, (end - start) / 2) : this.gapAlong * 0.67;
    const bow = this.bow(call);
    return [[start, a + middle], [start + bend, a + middle + bow], [end - bend, b + middle + bow], [end, b + middle]];
  }
}

function drawGraph(graph) {
  const sizes = NARROW.matches ? GRAPH_SIZES.down : GRAPH_SIZES.right;
  const turned = ([along, across]) => (NARROW.matches ? [across, along] : [along, across]);
  const layout = new GraphLayout(graph, sizes);
  const busiest = Math.max(1, ...graph.calls.map(({ count }) => count));
  // Nearer to its caller: in the middle calls cross.
  const label = ([a, b, c, d]) => 0.216 * a + 0.432 * b + 0.288 * c + 0.064 * d;
  const edge = (call) => {
    const points = layout.curve(call).map(turned);
    const [x, y] = [0, 1].map((axis) => label(points.map((point) => point[axis])));
    return [
      el("path", { d: `M${points[0]} C${points.slice(1).join(" ")}`, class: call.errors ? "failed" : "",
        "stroke-width": 1 + (3 * Math.log1p(call.count)) / Math.log1p(busiest), "marker-end": "url(#arrow)" }),
      el("text", { class: "count", x, y: y - 4, "text-anchor": "middle" }, call.count.toLocaleString()),
    ];
  };
  const [boxWidth, boxHeight] = turned([sizes.boxAlong, sizes.boxAcross]);
  const box = ({ name }) => {
    const [x, y] = turned(layout.places.get(name));
    const short = name.length > sizes.longest ? `${name.slice(0, sizes.longest - 1)}…` : name;
    return el("g", { style: { cursor: "pointer" }, onclick: () => go(searchOf(name)) },
      el("rect", { x, y, width: boxWidth, height: boxHeight, rx: 5, service: name }, el("title", {}, name)),
      el("text", { x: x + boxWidth / 2, y: y + 21, "text-anchor": "middle" }, short));
  };
  const arrow = el("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" },
    el("path", { d: "M0,0 L8,4 L0,8", style: { fill: "none" } }));
  const [width, height] = turned(layout.size);
  return el("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Who calls whom; the table below says the same", style: { minWidth: `${width * 0.7}px`, maxWidth: `${width * 1.4}px` } },
    el("defs", {}, arrow), graph.calls.map(edge), graph.services.map(box));
}

/** The address of a service's traces. */
function searchOf(service) {
  return at(`/search?${new URLSearchParams({ service })}`);
}

function tracesOf(service) {
  return el("a", { href: searchOf(service), "data-route": true }, chip(service));
}

function graphTable({ calls }) {
  return el("table", { "aria-label": "Calls" },
    el("thead", {}, el("tr", {}, el("th", {}, "From"), el("th", {}, "To"), ["Calls", "Errors", "Mean"].map((title) => el("th", { class: "number" }, title)))),
    el("tbody", {}, calls.map(({ from, to, count, errors, meanNs }) => el("tr", {}, el("td", {}, tracesOf(from)), el("td", {}, tracesOf(to)),
      el("td", { class: "number" }, count.toLocaleString()), el("td", { class: `number${errors ? " bad" : ""}` }, errors), el("td", { class: "number" }, duration(meanNs))))));
}
