// Addresses to views, keys for every view, and the theme.

const KEYS = [
  ["↑ ↓", "select the span above or below"], ["← →", "close or open; go up or down"], ["PageUp PageDown", "a screen up, a screen down"], ["Home End", "first span, last span"],
  ["/", "find in this trace"], ["Enter Escape", "there: next match; back to the spans"], ["n N", "next match, match before"],
  ["w s", "zoom in, zoom out"], ["a d", "move to earlier, to later"], ["r", "show the whole trace"], ["p o", "close, open one level"],
  ["[ ]", "close, open all"], ["f", "fold or hide proxies"], ["c", "critical path"], ["?", "this list"],
];

/** What the address asks for: its path below the base, with or without a slash at its end. A link of Jaeger's becomes ours. */
function asked() {
  const { pathname, searchParams } = new URL(location.href);
  const path = pathname.slice(at("").length).replace(/\/+$/, "");
  const ours = ofJaeger(path, searchParams);
  if (ours === undefined) return { path, query: searchParams };
  history.replaceState(null, "", at(ours));
  return asked();
}

async function show(main, { path, query }) {
  const trace = /^\/trace\/([^/]+)$/.exec(path);
  if (trace) await showTrace(main, decodeURIComponent(trace[1]), query);
  else if (path === "/dependencies") await showGraph(main);
  else if (path === "/compare") await showCompare(main, query);
  else if (path === "/upload") showUpload(main);
  else if (path === "/search") await showSearch(main, query);
  else throw new Error(`${path} is no address of this viewer's`);
}

/** Why there is nothing to see, where it would be, and the way on. */
function showProblem(main, { message }) {
  const results = main.querySelector("[aria-label=Results]");
  const place = results ?? main;
  if (!main.querySelector("h1")) place.prepend(el("h1", {}, "There is nothing to show"));
  place.append(el("p", { class: "bad" }, message));
  if (!results) place.append(el("p", {}, el("a", { href: at("/search"), "data-route": true }, "Search all traces")));
  say(message, true);
}

async function route() {
  const main = document.getElementById("main");
  const carried = embedded();
  const address = carried ? {} : asked();
  document.querySelectorAll("nav a").forEach((link) => {
    if (link.getAttribute("href") === at(address.path)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
  main.replaceChildren();
  say("…");
  try {
    if (carried) new TraceView(carried).show(main, new URLSearchParams(location.hash.slice(1)));
    else await show(main, address);
  } catch (error) {
    showProblem(main, error);
  }
  document.title = `${main.querySelector("h1")?.textContent ?? "Search"} · Meshspan`;
}

async function go(address) {
  history.pushState(null, "", address);
  await route();
  // What had the focus is gone; who uses the keyboard goes on from the new content.
  if (document.activeElement === document.body) document.getElementById("main").focus();
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-route]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "?" || event.target.matches("input, select, textarea")) return;
  document.getElementById("keys").showModal();
});

addEventListener("popstate", route);

document.getElementById("jump").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = event.target.elements.id.value.trim();
  if (KEY.test(id)) go(at(`/trace/${id}`));
  else say(noTraceId(id || "nothing"), true);
});

document.getElementById("theme").addEventListener("click", () => {
  const { dataset } = document.documentElement;
  const isDark = dataset.theme ? dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  dataset.theme = isDark ? "light" : "dark";
  remember("theme", dataset.theme);
});

const theme = remembered("theme");
if (theme) document.documentElement.dataset.theme = theme;
document.getElementById("keys").append(
  el("h1", { id: "keys-title" }, "Keys"),
  el("table", {}, el("tbody", {}, KEYS.map(([keys, text]) => el("tr", {}, el("td", {}, keys.split(" ").map((key) => [el("kbd", {}, key), " "])), el("td", {}, text))))),
  el("form", { method: "dialog" }, el("button", {}, "Close")));
if (embedded()) document.querySelector("header nav").hidden = document.getElementById("jump").hidden = true;
route();
