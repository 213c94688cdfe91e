// Elements, numbers and colours: what every view needs. The page's files are parts of one module.

/** Whether the screen is a phone's, as style.css has it. */
const NARROW = matchMedia("(max-width: 600px)");

/** Where the viewer has a path of its own, below that which an ingress shows it at. */
function at(path) {
  return (document.documentElement.dataset.base ?? "") + path;
}

/** An element with properties (`on…` are listeners, `data` a dataset) and children. */
function el(tag, properties = {}, ...children) {
  const element = tag === "svg" || svgTags.has(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "service") element.style.setProperty("--service", color(value));
    else if (name === "style") Object.assign(element.style, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}
const svgTags = new Set(["circle", "line", "path", "rect", "text", "title", "g", "marker", "defs"]);

/** Nanoseconds as people read them: `820ns`, `38.4µs`, `12.3ms`, `1.25s`. */
function duration(ns) {
  const sign = ns < 0 ? "−" : "";
  const size = Math.abs(ns);
  if (size < 1e3) return `${sign}${Math.round(size)}ns`;
  for (const [unit, name] of [[1e3, "µs"], [1e6, "ms"], [1e9, "s"]]) {
    const value = size / unit;
    if (value < 999.5 || name === "s") {
      return `${sign}${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : Math.round(value)}${name}`;
    }
  }
}

/** `12.3ms` → 12300000; undefined for nothing, NaN for what is no duration. */
function parseDuration(text) {
  if (!text.trim()) return undefined;
  const match = /^\s*([\d.]+)\s*(ns|us|µs|ms|s|m)?\s*$/.exec(text);
  const units = { ns: 1, us: 1e3, "µs": 1e3, ms: 1e6, s: 1e9, m: 6e10 };
  return match ? Number(match[1]) * units[match[2] ?? "ms"] : NaN;
}

/** Unix nanoseconds, as text, in this computer's time zone. */
function instant(unixNano) {
  const date = new Date(Number(BigInt(unixNano) / 1000000n));
  const two = (number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}

/** A service's colour: the same everywhere, as bright as any other, so that text on it can be read. */
function color(service) {
  let hash = 2166136261;
  for (const unit of service) hash = Math.imul(hash ^ unit.codePointAt(0), 16777619);
  // Names that differ in the last sign only shall not look alike.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39) ^ (hash >>> 15);
  return `oklch(68% 0.13 ${(hash >>> 0) % 360})`;
}

/** A table whose rows wrap on a narrow screen, which then has to be told that it still is one. A cell is its properties and what is in it. */
function stack(name, label, head, rows, classOf = () => null) {
  const row = (tag, cells, className) => el("tr", { role: "row", class: className }, cells.map(([properties, ...children]) =>
    el(tag, { role: tag === "th" ? "columnheader" : "cell", ...properties }, children)));
  return el("table", { class: `stack ${name}`, role: "table", "aria-label": label },
    el("thead", { role: "rowgroup" }, row("th", head)), el("tbody", { role: "rowgroup" }, rows.map((cells, at) => row("td", cells, classOf(at)))));
}

function chip(service) {
  return el("span", { class: "chip", service }, service);
}

/** A sign that says what it means to those who point at it or listen. */
function mark(kind, sign, text) {
  return el("span", { class: kind, role: "img", title: text, "aria-label": text }, sign);
}

/** Keeps a choice for the next page, where the browser lets a page do so. */
function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Then it holds for this page.
  }
}

function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Says something to everybody, also to those who listen. */
function say(text, isError = false) {
  const status = document.getElementById("status");
  status.textContent = text;
  status.classList.toggle("error", isError);
}
