// Search: a form whose state is the address, results with their latencies.

/** The choice of a time that opens fields of its own. */
const BETWEEN = "between";

/** What is ticked for comparison, in whichever list: titles by the traces' ids. */
const ticked = new Map();

async function showSearch(main, query) {
  const { services } = await api.services();
  const results = el("section", { "aria-label": "Results" });
  main.append(el("div", { class: "search" }, formFold(query), searchForm(services, query), results));
  const found = await api.search(query);
  drawResults(results, found, query);
}

/** On a narrow screen, where the form would hide the results: what it asks for, and a way to open it. */
function formFold(query) {
  const asked = [...query].filter(([, value]) => value).map(([name, value]) => (value === "1" && (name === "errors" || name === "orphans") ? name : `${name} ${value}`));
  const button = el("button", {
    type: "button", class: "fold-form", "aria-expanded": "false", "aria-controls": "conditions",
    onclick: () => button.setAttribute("aria-expanded", String(button.getAttribute("aria-expanded") !== "true")),
  }, el("b", {}, "Search"), ` ${asked.join(", ") || "all traces"}`);
  return button;
}

function searchForm(services, query) {
  const value = (name) => query.get(name) ?? "";
  const options = (names, chosen) =>
    names.map(([value, text]) => el("option", { value, selected: value === chosen }, text));
  const operations = el("datalist", { id: "operations" });
  const offer = (service) => {
    const known = services.filter(({ name }) => !service || name === service).flatMap((s) => s.operations);
    operations.replaceChildren(...[...new Set(known)].map((name) => el("option", { value: name })));
  };
  offer(value("service"));
  const any = [["", "any service"], ...services.map(({ name }) => [name, name])];
  if (!any.some(([name]) => name === value("service"))) any.push([value("service"), value("service")]);
  const field = (label, name, properties = {}) =>
    el("label", {}, label, el("input", { name, value: value(name), autocomplete: "off", ...properties }));
  const lookbacks = [["1h", "last hour"], ["6h", "last 6 hours"], ["24h", "last day"], ["7d", "last week"], ["", "all"], [BETWEEN, "between…"]];
  // An address may have any other.
  if (!lookbacks.some(([length]) => length === value("lookback"))) lookbacks.unshift([value("lookback"), `last ${value("lookback")}`]);
  const isBetween = query.has("from") || query.has("to");
  const instant = (label, name) =>
    el("label", {}, label, el("input", { name, type: "datetime-local", step: "any", value: localTime(query.get(name)) }));
  const between = el("fieldset", { hidden: !isBetween, disabled: !isBetween }, instant("From", "from"), instant("To", "to"));
  const showBetween = (event) => { between.hidden = between.disabled = event.target.value !== BETWEEN; };
  return el("form", { id: "conditions", "aria-label": "Search", onsubmit: submitSearch },
    el("label", {}, "Service",
      el("select", { name: "service", onchange: (event) => offer(event.target.value) }, options(any, value("service")))),
    field("Operation", "operation", { list: "operations" }), operations,
    field("Attributes", "attributes", { placeholder: "http.response.status_code=500", spellcheck: "false" }),
    el("label", {}, "Time", el("select", { name: "lookback", onchange: showBetween }, options(lookbacks, isBetween ? BETWEEN : value("lookback")))),
    between,
    field("At least", "min", { placeholder: "100ms" }),
    field("At most", "max", { placeholder: "1.5s" }),
    el("label", { class: "inline" },
      el("input", { type: "checkbox", name: "errors", value: "1", checked: value("errors") === "1" }), "only with errors"),
    el("label", { class: "inline" },
      el("input", { type: "checkbox", name: "orphans", value: "1", checked: value("orphans") === "1" }), "only broken ones"),
    field("Limit", "limit", { type: "number", min: 1, max: 1500, placeholder: "20" }),
    el("button", { type: "submit" }, "Find traces"));
}

/** An instant as a form's field has it, in this computer's time zone. */
function localTime(text) {
  const date = new Date(text ?? "");
  return Number.isNaN(date.getTime()) ? "" : new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 23).replace(/\.000$/, "");
}

function submitSearch(event) {
  event.preventDefault();
  const isInstant = (name) => name === "from" || name === "to";
  const fields = [...new FormData(event.target)].filter(([, value]) => value !== "" && value !== BETWEEN)
    .map(([name, value]) => [name, isInstant(name) ? new Date(value).toISOString() : value]);
  for (const [name, value] of fields) {
    if ((name === "min" || name === "max") && Number.isNaN(parseDuration(value))) {
      event.target.elements[name].focus();
      return say(`${value} is no duration; write 250us, 100ms or 1.5s`, true);
    }
  }
  go(at(`/search?${new URLSearchParams(fields)}`));
}

function drawResults(section, { traces, total, more }, query) {
  const longest = Math.max(1, ...traces.map((trace) => trace.durationNs));
  const orphans = traces.reduce((sum, trace) => sum + trace.orphans, 0);
  const by = el("select", { "aria-label": "Order" },
    [["new", "newest first"], ["long", "longest first"], ["spans", "most spans first"]]
      .map(([value, text]) => el("option", { value }, text)));
  const list = el("ol", { class: "results" });
  const fill = () => list.replaceChildren(...sorted(traces, by.value).map((trace) => result(trace, longest)));
  by.addEventListener("change", fill);
  section.append(...[
    el("h1", {}, more || total > traces.length ? `${traces.length} of ${more ? "at least " : ""}${plural(total, "trace")}` : plural(traces.length, "trace")),
    scatter(traces, longest),
    traces.length > 0 && el("div", { class: "toolbar" }, by,
      orphans > 0 && el("span", { class: "bad" }, `${plural(orphans, "orphan")}: context was lost on the way`),
      el("span", { class: "space" }), comparison(section)),
    list].flat().filter(Boolean));
  fill();
  if (!traces.length) {
    list.replaceWith(query.size ? el("p", {}, "No trace fits. Widen the time, or take away a condition.") : noTraces());
  }
  say(plural(traces.length, "trace"));
}

function sorted(traces, by) {
  const orders = {
    new: (a, b) => Number(BigInt(b.startUnixNano) - BigInt(a.startUnixNano)),
    long: (a, b) => b.durationNs - a.durationNs,
    spans: (a, b) => b.spans - a.spans,
  };
  return [...traces].sort(orders[by]);
}

/** A trace of a list, to be opened, or ticked to be compared. */
function result(trace, longest) {
  const key = keyOf(trace);
  const title = `${trace.service}: ${trace.name}`;
  const tick = (event) => (event.target.checked ? ticked.set(key, title) : ticked.delete(key));
  return el("li", {},
    el("div", { class: "facts" },
      el("input", { type: "checkbox", value: key, checked: ticked.has(key), onchange: tick, "aria-label": `Tick ${trace.name} for comparison` }),
      el("a", { href: at(`/trace/${key}`), class: "title", "data-route": true }, title),
      el("span", {}, duration(trace.durationNs)),
      el("span", { class: "faint" }, instant(trace.startUnixNano)),
      fromFile(trace),
      el("span", {}, plural(trace.spans, "span")),
      trace.errors > 0 && el("span", { class: "bad" }, plural(trace.errors, "error")),
      trace.orphans > 0 && el("span", { class: "warning" }, plural(trace.orphans, "orphan"))),
    el("div", { class: "facts" }, trace.services.map(({ name, spans }) => el("span", {}, chip(name), " ", el("span", { class: "faint" }, spans)))),
    el("div", { class: "length", style: { width: `${(100 * trace.durationNs) / longest}%` } }));
}

/** Says that a trace was uploaded: the store may have another with its id. */
function fromFile({ file }) {
  return file && el("span", { class: "from-file" }, `from ${file.name}`);
}

/** Says what is ticked, in this list of `section`'s or another, and compares it. */
function comparison(section) {
  const names = el("span", {});
  const update = () => {
    names.textContent = ticked.size ? `Ticked: ${[...ticked.values()].join(" and ")}` : "";
    none.hidden = !ticked.size;
  };
  const none = el("button", { type: "button", onclick: () => {
    ticked.clear();
    section.querySelectorAll(".results input").forEach((input) => (input.checked = false));
    update();
  } }, "Untick all");
  section.addEventListener("change", update);
  update();
  return [names, none, el("button", { type: "button", onclick: compareTicked }, "Compare the two that are ticked")];
}

function compareTicked() {
  if (ticked.size !== 2) return say(`Tick two traces to compare; ${ticked.size} are ticked`, true);
  const [a, b] = ticked.keys();
  go(at(`/compare?${new URLSearchParams({ a, b })}`));
}
