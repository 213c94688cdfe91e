// Which of a trace's spans are rows, and in what order: folded proxies, collapsed subtrees, matches.
// Knows nothing of the page: a trace and a few choices in, rows out.

/** How proxies are shown: every span, each pass as one row, or not at all. */
const PROXIES = [["all", "Proxies: every span"], ["fold", "Proxies: one row a pass"], ["hide", "Proxies: hidden"]];

class Rows {
  constructor(trace) {
    this.trace = trace;
    this.collapsed = new Set();
    this.proxies = "all";
    this.children = trace.spans.map(() => []);
    trace.spans.forEach((span, index) => span.parent !== undefined && this.children[span.parent].push(index));
    this.update();
  }

  /** Whether the span has no row of its own; its children then stand where it would. */
  isHidden(index) {
    const span = this.trace.spans[index];
    if (!span.proxy || this.proxies === "all") return false;
    if (this.proxies === "hide") return span.status !== "error";
    const above = span.parent === undefined ? undefined : this.trace.spans[span.parent];
    return span.kind === "client" && above?.overheadNs !== undefined;
  }

  /** Makes `visible` anew: places in `spans`, with depth and whether there is something to collapse. */
  update() {
    const { spans } = this.trace;
    const depth = new Array(spans.length);
    const shown = new Array(spans.length);
    this.visible = [];
    this.rowOf = new Map();
    spans.forEach((span, index) => {
      const { parent } = span;
      const isRoot = parent === undefined;
      const isInside = !isRoot && (!shown[parent] || this.collapsed.has(parent));
      shown[index] = !isInside;
      const above = isRoot ? 0 : depth[parent] + (this.isHidden(parent) ? 0 : 1);
      depth[index] = above;
      if (!shown[index] || this.isHidden(index)) return;
      this.rowOf.set(index, this.visible.length);
      this.visible.push({ index, depth: above, hasChildren: this.children[index].length > 0 && this.hasRowsBelow(index) });
    });
  }

  hasRowsBelow(index) {
    const open = [...this.children[index]];
    while (open.length) {
      const child = open.pop();
      if (!this.isHidden(child)) return true;
      open.push(...this.children[child]);
    }
    return false;
  }

  toggle(index, collapse = !this.collapsed.has(index)) {
    if (collapse) this.collapsed.add(index);
    else this.collapsed.delete(index);
    this.update();
  }

  /** Collapses everything below a depth, or with -1 nothing. */
  collapseBelow(depth) {
    this.collapsed.clear();
    if (depth >= 0) {
      this.trace.spans.forEach((span, index) => span.depth >= depth && this.children[index].length && this.collapsed.add(index));
    }
    this.update();
  }

  /** Opens what stands above a span, so that it has a row. */
  reveal(index) {
    if (this.rowOf.has(index)) return;
    for (let at = this.trace.spans[index].parent; at !== undefined; at = this.trace.spans[at].parent) this.collapsed.delete(at);
    if (this.isHidden(index)) this.proxies = "all";
    this.update();
  }

  /** Places of the spans in which every word of `text` occurs. */
  matches(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    return this.trace.spans.flatMap((span, index) => {
      this.texts ??= [];
      const all = (this.texts[index] ??= [span.spanId, span.name, span.service, span.kind, span.direction, span.status, span.message,
        ...span.attributes.flat(), ...this.trace.resources[span.resource].flat(),
        ...(span.events ?? []).map((event) => event.name)].join(" ").toLowerCase());
      return words.every((word) => all.includes(word)) ? [index] : [];
    });
  }
}
