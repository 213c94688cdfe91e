// The smaller views: comparison, upload.

async function showCompare(main, query) {
  const [a, b] = [query.get("a") ?? "", query.get("b") ?? ""];
  const field = (label, name, value) => el("label", {}, `${label} `, el("input", { name, value, size: 38, spellcheck: "false", required: true, list: "known" }));
  // Those that one cannot look up by searching.
  const known = api.uploaded().map((trace) => el("option", { value: keyOf(trace) }, `${trace.service}: ${trace.name}, from ${trace.file.name}`));
  main.append(el("h1", {}, "Compare two traces"), el("datalist", { id: "known" }, known),
    el("form", { class: "toolbar pair", onsubmit: (event) => {
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
    stack("differences", "Differences",
      [[{ class: "whole" }, "Operation"], ...["First", "Second", "Mean, first", "Mean, second", "Difference"].map((title) => [{ class: "number" }, title])],
      rows.map((row) => [
        [{ class: "whole", style: { paddingLeft: `${row.depth * (NARROW.matches ? 6 : 14) + 8}px` } }, chip(row.service), ` ${row.name} `, el("span", { class: "faint" }, row.kind)],
        ...[row.first, row.second, row.first ? duration(row.firstNs / row.first) : "", row.second ? duration(row.secondNs / row.second) : "", difference(row)]
          .map((text) => [{ class: "number" }, text]),
      ]),
      (at) => (rows[at].second > rows[at].first ? "more" : rows[at].second < rows[at].first ? "less" : "")));
  say(`${plural(rows.length, "operation")} compared`);
}

function showUpload(main) {
  const list = el("ol", { class: "results" });
  const fill = () => {
    const longest = Math.max(1, ...api.uploaded().map((trace) => trace.durationNs));
    list.replaceChildren(...api.uploaded().map((trace) => result(summaryOf(trace), longest)));
    section.hidden = !list.childElementCount;
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
  const input = el("input", { type: "file", id: "file", multiple: true, accept: ".json,.jsonl,.ndjson,.gz", onchange: () => take(input.files) });
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
