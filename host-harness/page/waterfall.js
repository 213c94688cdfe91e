// The waterfall: of thousands of rows only those in sight are in the page.

/** In pixels, as --row in style.css: a narrow screen has the bar below the name. */
const rowHeight = () => (NARROW.matches ? 42 : 24);
const SPARE_ROWS = 8;
const MIN_TICK_WIDTH = 90;

const indent = () => (NARROW.matches ? 4 : 8);

/** A name of which a narrow column cuts what stands before the last slash first: of a gRPC service its start, of others their end. */
function nameParts(name) {
  const [, before, last] = /^(.*\S)(\/[^/\s]+)$/.exec(name) ?? [];
  if (!last) return el("span", { class: "last" }, name);
  return [el("span", { class: /\s/.test(before) ? "before" : "before front" }, el("bdi", { dir: "ltr" }, before)), el("span", { class: "last" }, last)];
}

/** Why a span that names a parent has none here. */
function whyOrphan({ parentSpanId }, spans) {
  return spans.some(({ spanId }) => spanId === parentSpanId) ? "its parents are a circle" : "its parent is missing";
}

class Waterfall {
  /** `view` is the trace's view: its rows, its window, what is selected. */
  constructor(view) {
    this.view = view;
    this.spacer = el("div", { role: "presentation" });
    this.scroller = el("div", {
      class: "rows", role: "treegrid", tabindex: 0, "aria-label": "Spans", "aria-colcount": 2,
      onscroll: () => this.draw(), onclick: (event) => this.click(event),
    }, this.spacer);
    this.ticks = el("div", { class: "ticks", "aria-hidden": "true" });
    this.minimap = new Minimap(view);
    this.element = el("div", { class: "waterfall" }, this.minimap.element,
      el("div", { class: "axis" }, el("div", { class: "names" }, "Service and operation"), new Divider().element, this.ticks), this.scroller);
    new ResizeObserver(() => this.redraw()).observe(this.scroller);
  }

  redraw() {
    const { from, to } = this.view;
    // As many as have room for their text.
    const parts = [4, 2].find((parts) => this.ticks.clientWidth > parts * MIN_TICK_WIDTH) ?? 1;
    this.element.style.setProperty("--parts", parts);
    this.ticks.replaceChildren(...Array.from({ length: parts + 1 }, (_, at) =>
      el("span", { style: at < parts ? { left: `${(100 * at) / parts}%` } : { right: 0 } }, duration(from + (at / parts) * (to - from)))));
    this.minimap.draw();
    this.draw();
  }

  draw() {
    const { visible } = this.view.rows;
    const height = rowHeight();
    const whole = `${visible.length * height}px`;
    if (this.spacer.style.height !== whole) {
      // Fewer rows may end the scrolling earlier, but for old ones that still stand farther down.
      this.spacer.style.height = whole;
      this.scroller.style.setProperty("--rows", whole);
      this.scroller.replaceChildren(this.spacer);
    }
    const { scrollTop, clientHeight } = this.scroller;
    const first = Math.max(0, Math.floor(scrollTop / height) - SPARE_ROWS);
    const last = Math.min(visible.length, Math.ceil((scrollTop + clientHeight) / height) + SPARE_ROWS);
    this.scroller.setAttribute("aria-rowcount", visible.length);
    const rows = [];
    for (let at = first; at < last; at++) rows.push(this.row(visible[at], at));
    this.scroller.replaceChildren(this.spacer, ...rows);
    const selected = this.view.rows.rowOf.get(this.view.selected);
    const isInPage = selected >= first && selected < last;
    if (isInPage) this.scroller.setAttribute("aria-activedescendant", `row-${this.view.selected}`);
    else this.scroller.removeAttribute("aria-activedescendant");
  }

  row({ index, depth, hasChildren }, at) {
    const { rows, selected, matched } = this.view;
    const span = rows.trace.spans[index];
    const isOpen = !rows.collapsed.has(index);
    const what = [span.proxy && (span.direction ?? "proxy"), span.kind !== "internal" && span.kind].filter(Boolean).join(" ");
    const title = `${span.service} ${span.name} ${what}`;
    const marks = [
      span.status === "error" && ["bad", "!", `error ${span.message ?? ""}`.trim()],
      span.orphan && ["warning", "⚠", whyOrphan(span, rows.trace.spans)],
      span.showsSkew && ["warning", "◷", `its clock is ${clock(span)}`],
    ].filter(Boolean);
    return el("div", {
      class: `row${matched.has(index) ? " match" : ""}`, role: "row", id: `row-${index}`, data: { index },
      "aria-level": depth + 1, "aria-rowindex": at + 1, "aria-selected": String(index === selected),
      "aria-expanded": hasChildren ? String(isOpen) : undefined, style: { top: `${at * rowHeight()}px` },
    },
    el("div", {
      class: "name", role: "gridcell", "aria-label": [title, ...marks.map(([, , text]) => text)].join(", "),
      style: { paddingLeft: `${Math.min(depth, 40) * indent() + 4}px` },
    },
      el("span", { class: "fold", "aria-hidden": "true" }, hasChildren ? (isOpen ? "▾" : "▸") : ""),
      el("span", { class: "stripe", service: span.service }),
      marks.map((one) => mark(...one)),
      el("span", { class: "text", title }, el("b", {}, span.service), " ",
        nameParts(span.name), " ", el("span", { class: "faint" }, what))),
    el("div", { class: "timeline", role: "gridcell", "aria-label": `${duration(span.durationNs)} from ${duration(span.startNs)}` },
      this.bar(span, index)));
  }

  bar(span, index) {
    const { view } = this;
    const start = view.startOf(span);
    const [left, width] = [view.x(start), (span.durationNs / (view.to - view.from)) * 100];
    if (left > 100 || left + width < 0) return [];
    const parts = [el("div", {
      class: `bar${span.status === "error" ? " failed" : ""}`, service: span.service, style: { left: `${left}%`, width: `${width}%` },
    }, this.folded(span, index))];
    if (view.showsCriticalPath) {
      for (const [from, to] of view.criticalOf.get(index) ?? []) {
        const shift = start - span.startNs;
        const at = { left: `${view.x(from + shift)}%`, width: `${((to - from) / (view.to - view.from)) * 100}%` };
        parts.push(el("div", { class: "critical", style: at }));
      }
    }
    for (const event of span.events ?? []) {
      const at = { left: `${view.x(event.atNs + start - span.startNs)}%` };
      parts.push(el("div", { class: "event", title: `${event.name} at ${duration(event.atNs)}`, style: at }));
    }
    // Behind the bar, else before it, else on it.
    const [end, behind, before] = [left + width, left + width < 88, left > 12];
    const place = behind ? { left: `calc(${Math.max(0, end)}% + 6px)` } : { right: `calc(${before ? 100 - left : Math.max(0, 100 - end)}% + 6px)` };
    parts.push(el("span", { class: behind || before ? "length" : "length on", style: place }, duration(span.durationNs)));
    return parts;
  }

  /** In a folded pass, what the proxy waited for is paler than what it took itself. */
  folded(span, index) {
    const { rows } = this.view;
    if (rows.proxies !== "fold" || span.overheadNs === undefined) return [];
    return rows.children[index].filter((child) => rows.isHidden(child)).map((child) => {
      const waited = rows.trace.spans[child];
      const scale = 100 / Math.max(1, span.durationNs);
      const left = (waited.startNs - span.startNs) * scale;
      return el("div", { class: "inner", style: { left: `${left}%`, width: `${waited.durationNs * scale}%` } });
    });
  }

  click(event) {
    const row = event.target.closest(".row");
    if (!row) return;
    const index = Number(row.dataset.index);
    if (event.target.closest(".fold")) this.view.toggle(index);
    else this.view.select(index);
  }

  scrollTo(index) {
    const at = this.view.rows.rowOf.get(index);
    if (at === undefined) return;
    const { scroller } = this;
    const [top, bottom] = [at * rowHeight(), (at + 1) * rowHeight()];
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (bottom > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = bottom - scroller.clientHeight;
  }
}

/** Between names and bars: dragged, or moved with the arrow keys. */
class Divider {
  constructor() {
    this.element = el("div", {
      class: "divider", role: "separator", tabindex: 0, "aria-label": "Width of the names, in percent", "aria-orientation": "vertical",
      "aria-valuemin": 10, "aria-valuemax": 80, onkeydown: (event) => this.key(event), onpointerdown: (event) => this.drag(event),
    });
    this.set(Number(remembered("names") ?? 46));
  }

  set(percent) {
    this.percent = Math.min(80, Math.max(10, Math.round(percent)));
    document.documentElement.style.setProperty("--name", `${this.percent}%`);
    this.element.setAttribute("aria-valuenow", this.percent);
    remember("names", this.percent);
  }

  key(event) {
    const by = { ArrowLeft: -2, ArrowRight: 2 }[event.key];
    if (!by) return;
    event.preventDefault();
    // The arrows are the rows' elsewhere.
    event.stopPropagation();
    this.set(this.percent + by);
  }

  drag(event) {
    const { left, width } = this.element.parentElement.getBoundingClientRect();
    const move = ({ clientX }) => this.set(((clientX - left) / width) * 100);
    this.element.setPointerCapture(event.pointerId);
    this.element.addEventListener("pointermove", move);
    this.element.addEventListener("pointerup", () => this.element.removeEventListener("pointermove", move), { once: true });
  }
}

/** The whole trace in small; drag over it to see a part, click to see all. */
class Minimap {
  constructor(view) {
    this.view = view;
    this.element = el("canvas", {
      class: "minimap", role: "img",
      "aria-label": "The whole trace in small. Keys w and s zoom, a and d move, r shows all",
    });
    this.element.addEventListener("pointerdown", (event) => this.drag(event));
  }

  at(event) {
    const box = this.element.getBoundingClientRect();
    const part = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    return part * this.view.rows.trace.durationNs;
  }

  drag(event) {
    const from = this.at(event);
    this.element.setPointerCapture(event.pointerId);
    const move = (moved) => {
      const [a, b] = [from, this.at(moved)].sort((a, b) => a - b);
      this.view.zoomTo(a, b);
    };
    const end = (ended) => {
      this.element.removeEventListener("pointermove", move);
      const size = Math.abs(this.at(ended) - from);
      if (size < this.view.rows.trace.durationNs / 200) return this.view.zoomTo(0, Infinity);
      const { rows, waterfall } = this.view;
      const first = rows.visible.find(({ index }) => this.view.startOf(rows.trace.spans[index]) >= this.view.from);
      if (first) waterfall.scrollTo(first.index);
    };
    this.element.addEventListener("pointermove", move);
    this.element.addEventListener("pointerup", end, { once: true });
  }

  draw() {
    const { element, view } = this;
    const { durationNs } = view.rows.trace;
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [element.clientWidth * scale, element.clientHeight * scale];
    if (!width || !height) return;
    // Of the rows a picture is kept: there may be thousands, and what is selected changes none of them.
    const drawn = [view.rows.visible, view.correctsSkew, width, height];
    if (drawn.some((value, at) => value !== this.drawn?.[at])) {
      this.drawn = drawn;
      this.picture = Object.assign(document.createElement("canvas"), { width, height });
      this.drawRows(this.picture.getContext("2d"), width, height);
    }
    if (element.width !== width || element.height !== height) Object.assign(element, { width, height });
    const context = element.getContext("2d");
    context.clearRect(0, 0, width, height);
    context.drawImage(this.picture, 0, 0);
    if (view.from > 0 || view.to < durationNs) {
      context.fillStyle = "rgb(128 128 128 / 45%)";
      context.fillRect(0, 0, (view.from / durationNs) * width, height);
      context.fillRect((view.to / durationNs) * width, 0, width, height);
    }
  }

  drawRows(context, width, height) {
    const { view } = this;
    const { spans, durationNs } = view.rows.trace;
    const rows = view.rows.visible;
    const colors = new Map(spans.map(({ service }) => [service, undefined]));
    colors.forEach((_, service) => colors.set(service, color(service)));
    const step = height / Math.max(rows.length, 12);
    rows.forEach(({ index }, at) => {
      const span = spans[index];
      context.fillStyle = colors.get(span.service);
      const x = (view.startOf(span) / Math.max(1, durationNs)) * width;
      context.fillRect(x, at * step, Math.max(1, (span.durationNs / Math.max(1, durationNs)) * width), Math.max(1, step * 0.8));
    });
  }
}
