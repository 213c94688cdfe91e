// One trace: its rows, the part of its time in sight, what is selected; and how keys change them.

async function showTrace(main, text, query) {
  const [, file = "", id] = KEY.exec(text) ?? [];
  if (!id) throw new Error(noTraceId(text));
  const trace = await api.trace(`${file}${id.toLowerCase().padStart(32, "0")}`);
  new TraceView(trace).show(main, query);
}

/** A trace's id, with a file's number before it if it was uploaded. */
const KEY = /^(\d+:)?([0-9a-fA-F]{1,32})$/;

function noTraceId(text) {
  return `${text} is no trace id; one has up to 32 hexadecimal digits`;
}

/** What can be done with a trace beside looking at it. */
function elsewhere(trace) {
  const { traceId } = trace;
  const [page, json] = [`trace-${traceId}.html`, `trace-${traceId}.json`];
  const button = (text, onclick) => el("button", { type: "button", onclick }, text);
  const kept = trace.file
    ? [button("Save as HTML", () => save(page, () => api.page(trace))),
      button("OTLP JSON", () => save(json, () => new Blob([JSON.stringify(otlp(keyOf(trace)))], { type: "application/json" })))]
    : [el("a", { href: at(`/view/traces/${traceId}/page`), download: page }, "Save as HTML"),
      el("a", { href: at(`/api/v3/traces/${traceId}`), download: json }, "OTLP JSON")];
  return [...kept, el("a", { href: at(`/compare?a=${keyOf(trace)}`), "data-route": true }, "Compare")];
}

/** Has the browser keep what `make` gives as a file. */
async function save(name, make) {
  try {
    const href = URL.createObjectURL(await make());
    el("a", { href, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
    say(`Saved ${name}`);
  } catch (error) {
    say(error.message, true);
  }
}

class TraceView {
  constructor(trace) {
    this.rows = new Rows(trace);
    [this.from, this.to] = [0, Math.max(1, trace.durationNs)];
    this.selected = undefined;
    this.matched = new Set();
    this.showsCriticalPath = false;
    this.correctsSkew = false;
    this.tab = "span";
    this.level = 0;
    this.criticalOf = new Map();
    for (const [index, from, to] of trace.criticalPath) {
      if (!this.criticalOf.has(index)) this.criticalOf.set(index, []);
      this.criticalOf.get(index).push([from, to]);
    }
  }

  show(main, query) {
    const { trace } = this.rows;
    this.waterfall = new Waterfall(this);
    this.side = el("aside", { class: "side", "aria-label": "Details", tabindex: 0 });
    this.body = el("div", { class: "body" }, this.waterfall.element, this.side);
    this.element = el("section", { class: "trace", onkeydown: (event) => this.key(event) },
      this.heading(), breaksOf(this), this.toolbar(), this.body);
    main.append(this.element);
    const asked = trace.spans.findIndex((span) => span.spanId === query.get("span"));
    // The second is Jaeger's name for it.
    const wanted = query.get("find") ?? query.get("uiFind");
    if (wanted) this.find(wanted);
    this.waterfall.redraw();
    if (asked >= 0) this.select(asked);
    else this.drawSide();
    // On a narrow screen what stands above would be scrolled away.
    this.waterfall.scroller.focus({ preventScroll: true });
    say(`${trace.service}: ${trace.name}, ${plural(trace.spans.length, "span")}`);
  }

  heading() {
    const { trace } = this.rows;
    const services = new Set(trace.spans.map((span) => span.service));
    const share = (ns) => `${duration(ns)} (${Math.round((100 * ns) / Math.max(1, trace.proxyNs + trace.wireNs + trace.applicationNs))} %)`;
    return [
      el("h1", {}, `${trace.service}: ${trace.name} `, el("code", { class: "faint" }, trace.traceId), " ", fromFile(trace)),
      el("div", { class: "toolbar" },
        el("span", {}, instant(trace.startUnixNano)), el("b", {}, duration(trace.durationNs)),
        el("span", {}, plural(trace.spans.length, "span")), el("span", {}, plural(services.size, "service")),
        trace.errors > 0 && el("span", { class: "bad" }, plural(trace.errors, "error")),
        trace.orphans > 0 && el("span", { class: "warning" }, plural(trace.orphans, "orphan")),
        el("span", { class: "faint" }, `proxies ${share(trace.proxyNs)} · wire ${share(trace.wireNs)} · applications ${share(trace.applicationNs)}`)),
    ];
  }

  toolbar() {
    const { trace } = this.rows;
    const isSkewed = trace.spans.some((span) => span.skewNs !== undefined);
    this.search = el("input", {
      type: "search", placeholder: "Find in this trace ( / )", "aria-label": "Find in this trace",
      oninput: (event) => this.find(event.target.value),
      onkeydown: (event) => {
        if (event.key === "Enter") this.step(event.shiftKey ? -1 : 1);
        else if (event.key === "Escape") this.waterfall.scroller.focus();
      },
    });
    this.count = el("span", { class: "faint", "aria-live": "polite" });
    this.proxies = el("select", { "aria-label": "Proxies", onchange: (event) => this.setProxies(event.target.value) },
      PROXIES.map(([value, text]) => el("option", { value }, text)));
    this.critical = this.switch("Critical path", "showsCriticalPath");
    this.skew = isSkewed && this.switch("Correct clock skew", "correctsSkew");
    const tabs = [["span", "Span"], ["hops", "Hops"], ["statistics", "Operations"]].map(([tab, label]) =>
      el("button", { type: "button", "aria-pressed": String(tab === this.tab), data: { tab }, onclick: () => this.setTab(tab) }, label));
    return el("div", { class: "toolbar" }, this.search, this.count, this.proxies, this.critical, this.skew,
      el("span", { class: "space" }), el("span", { role: "group", "aria-label": "Beside the waterfall" }, tabs),
      !embedded() && elsewhere(trace));
  }

  switch(label, property) {
    const button = el("button", { type: "button", "aria-pressed": "false", onclick: () => {
      this[property] = !this[property];
      button.setAttribute("aria-pressed", String(this[property]));
      this.waterfall.redraw();
    } }, label);
    return button;
  }

  startOf(span) {
    return span.startNs + (this.correctsSkew ? span.skewNs ?? 0 : 0);
  }

  /** Where an instant is, in percent of the part in sight. */
  x(ns) {
    return ((ns - this.from) / (this.to - this.from)) * 100;
  }

  zoomTo(from, to) {
    const all = Math.max(1, this.rows.trace.durationNs);
    this.from = Math.max(0, Math.min(from, all - 1));
    this.to = Math.min(all, Math.max(to, this.from + 1));
    this.waterfall.redraw();
  }

  zoom(factor) {
    const middle = (this.from + this.to) / 2;
    const half = ((this.to - this.from) / 2) * factor;
    this.zoomTo(middle - half, middle + half);
  }

  pan(part) {
    const size = this.to - this.from;
    const from = Math.max(0, Math.min(this.from + part * size, this.rows.trace.durationNs - size));
    this.zoomTo(from, from + size);
  }

  select(index) {
    this.rows.reveal(index);
    this.proxies.value = this.rows.proxies;
    this.selected = index;
    this.waterfall.scrollTo(index);
    this.waterfall.redraw();
    if (this.tab === "span") this.drawSide();
    if (embedded()) return;
    // Not for every span that is passed over: browsers refuse an address that changes too often.
    clearTimeout(this.addressing);
    this.addressing = setTimeout(() => this.element.isConnected && history.replaceState(null, "", this.link()), 200);
  }

  link() {
    const span = this.rows.trace.spans[this.selected];
    return `${location.origin}${at("/trace/")}${keyOf(this.rows.trace)}${span ? `?span=${span.spanId}` : ""}`;
  }

  toggle(index, collapse) {
    this.rows.toggle(index, collapse);
    this.waterfall.redraw();
  }

  setProxies(value) {
    this.rows.proxies = this.proxies.value = value;
    this.rows.update();
    this.waterfall.redraw();
  }

  setTab(tab) {
    this.tab = tab;
    this.element.querySelectorAll("[data-tab]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.tab === tab)));
    this.drawSide();
    // On a narrow screen it stands below all rows.
    this.side.scrollIntoView({ block: "nearest" });
  }

  drawSide() {
    // Tables are wide: below the waterfall, not beside it.
    this.body.classList.toggle("wide", this.tab !== "span");
    const draw = { span: spanDetails, hops: hopsTable, statistics };
    this.side.replaceChildren(...[draw[this.tab](this)].flat(Infinity).filter(Boolean));
  }

  find(text) {
    this.search.value = text;
    this.found = this.rows.matches(text);
    this.matched = new Set(this.found);
    this.count.textContent = text ? plural(this.found.length, "match", "matches") : "";
    this.waterfall.redraw();
  }

  /** The next match, or the one before, in the order of the rows. */
  step(by) {
    if (!this.found?.length) return;
    const after = by > 0 ? this.found.find((index) => index > (this.selected ?? -1)) : this.found.findLast((index) => index < (this.selected ?? Infinity));
    const next = after ?? (by > 0 ? this.found[0] : this.found.at(-1));
    this.select(next);
    this.count.textContent = `${this.found.indexOf(next) + 1} of ${plural(this.found.length, "match", "matches")}`;
  }

  move(by) {
    const { visible, rowOf } = this.rows;
    const at = rowOf.get(this.selected) ?? (by > 0 ? -1 : visible.length);
    const next = visible[Math.max(0, Math.min(visible.length - 1, at + by))];
    if (next) this.select(next.index);
  }

  /** To the left: close, else go to what stands above. To the right: open, else go down. */
  sideways(isRight) {
    const { rows, selected } = this;
    const row = rows.visible[rows.rowOf.get(selected)];
    if (!row) return;
    const isOpen = row.hasChildren && !rows.collapsed.has(selected);
    if (isRight) return row.hasChildren && !isOpen ? this.toggle(selected, false) : this.move(1);
    if (isOpen) return this.toggle(selected, true);
    let above = rows.trace.spans[selected].parent;
    while (above !== undefined && rows.isHidden(above)) above = rows.trace.spans[above].parent;
    if (above !== undefined) this.select(above);
  }

  collapseTo(level) {
    const deepest = this.rows.trace.spans.reduce((most, { depth }) => Math.max(most, depth), 0);
    this.level = Math.max(0, Math.min(deepest, level));
    this.rows.collapseBelow(this.level >= deepest ? -1 : this.level);
    this.waterfall.redraw();
  }

  key(event) {
    if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    // A button's own.
    if (event.key === "Enter" && event.target !== this.waterfall.scroller) return;
    const action = this.keys()[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  keys() {
    const page = Math.max(1, Math.floor(this.waterfall.scroller.clientHeight / rowHeight()) - 1);
    const next = PROXIES[(PROXIES.findIndex(([value]) => value === this.rows.proxies) + 1) % PROXIES.length][0];
    return {
      ArrowDown: () => this.move(1), ArrowUp: () => this.move(-1), PageDown: () => this.move(page), PageUp: () => this.move(-page),
      Home: () => this.move(-Infinity), End: () => this.move(Infinity),
      ArrowRight: () => this.sideways(true), ArrowLeft: () => this.sideways(false),
      w: () => this.zoom(0.5), s: () => this.zoom(2), a: () => this.pan(-0.25), d: () => this.pan(0.25), r: () => this.zoomTo(0, Infinity),
      p: () => this.collapseTo(this.level - 1), o: () => this.collapseTo(this.level + 1),
      "]": () => this.collapseTo(Infinity), "[": () => this.collapseTo(0),
      f: () => this.setProxies(next), c: () => this.critical.click(), "/": () => this.search.focus(),
      n: () => this.step(1), N: () => this.step(-1), Enter: () => this.setTab("span"),
    };
  }
}
