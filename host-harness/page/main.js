// Addresses to views, keys for every view, and the theme.

const KEYS = [
  ["↑ ↓", "select the span above or below"], ["← →", "close or open; go up or down"], ["PageUp PageDown", "a screen up, a screen down"], ["Home End", "first span, last span"],
  ["/", "find in this trace"], ["Enter Escape", "there: next match; back to the spans"], ["n N", "next match, match before"],
  ["w s", "zoom in, zoom out"], ["a d", "move to earlier, to later"], ["r", "show the whole trace"], ["p o", "close, open one level"],
  ["[ ]", "close, open all"], ["f", "fold or hide proxies"], ["c", "critical path"], ["?", "this list"],
];

async function route() {
  const main = document.getElementById("main");
  const { pathname: whole, searchParams } = new URL(location.href);
  const pathname = whole.slice(at("").length);
  document.querySelectorAll("nav a").forEach((link) => {
    if (link.getAttribute("href") === at(pathname)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
  main.replaceChildren();
  say("…");
  try {
    const carried = embedded();
    const trace = /^\/trace\/(\d+:)?([0-9a-fA-F]+)$/.exec(pathname);
    if (carried) new TraceView(carried).show(main, new URLSearchParams(location.hash.slice(1)));
    else if (trace) await showTrace(main, `${trace[1] ?? ""}${trace[2].toLowerCase().padStart(32, "0")}`, searchParams);
    else if (pathname === "/dependencies") await showGraph(main);
    else if (pathname === "/compare") await showCompare(main, searchParams);
    else if (pathname === "/upload") showUpload(main);
    else await showSearch(main, searchParams);
  } catch (error) {
    if (!main.querySelector("h1")) main.prepend(el("h1", {}, "There is nothing to show"));
    main.append(el("p", { class: "bad" }, error.message));
    say(error.message, true);
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
  if (/^[0-9a-fA-F]{1,32}$/.test(id)) go(at(`/trace/${id}`));
  else say(`${id || "nothing"} is no trace id; one has up to 32 hexadecimal digits`, true);
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
