// A journey through the page in a real browser: a page that may log no error and ask nobody but its server.
// Started by tests/tests/all/browser.rs, which gives the addresses and the tools in the environment.

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join } from "node:path";

export { assert };

/** Where the viewer is, such as `http://127.0.0.1:16686`. */
export const VIEWER = need("VIEWER");
/** Where files are that the test made: traces to upload, and what the journey saves. */
export const FILES = need("FILES");
const SHOTS = need("SHOTS");
const NAME = basename(process.argv[1], ".mjs");
const ofTools = createRequire(join(need("BROWSER_TOOLS"), "package.json"));
const axe = await readFile(ofTools.resolve("axe-core/axe.min.js"), "utf8");

export function need(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: this is run by cargo test -p meshspan-tests browser`);
  return value;
}

/** Runs `steps` with a fresh browser's page; whatever goes wrong ends the program with an error. `before` runs in the page first. */
export async function journey(steps, { allowsConsole = () => false, before = () => {} } = {}) {
  const browser = await ofTools("puppeteer-core").launch({
    executablePath: need("CHROMIUM"),
    // Root, as in a container, has no sandbox for Chromium.
    args: process.getuid() === 0 ? ["--no-sandbox"] : [],
    defaultViewport: { width: 1280, height: 800 },
  });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(60_000);
    const wrong = watch(page, allowsConsole);
    await page.evaluateOnNewDocument(before);
    await steps(page, browser);
    assert.deepEqual(wrong, [], "the page logs no error and asks nobody but its server");
  } finally {
    await browser.close();
  }
}

/** What a page must not do, as it does it. */
export function watch(page, allowsConsole = () => false) {
  const wrong = [];
  page.on("console", (message) => ["error", "warn"].includes(message.type()) && !allowsConsole(message.text()) &&
    wrong.push(`${message.type()}: ${message.text()} (${message.location().url})`));
  page.on("pageerror", (error) => wrong.push(`exception: ${error.stack ?? error}`));
  page.on("request", (request) => /^https?:/.test(request.url()) && !request.url().startsWith(`${VIEWER}/`) &&
    wrong.push(`request: ${request.url()}`));
  return wrong;
}

/** Goes to an address of the viewer and waits until the page has said what it shows. */
export async function visit(page, path) {
  await page.goto(VIEWER + path);
  await settled(page);
}

/** Waits until the page has drawn what its address asks for. */
export async function settled(page) {
  await page.waitForFunction(() => !["", "…"].includes(document.getElementById("status").textContent));
}

/** Holds a state of the page against axe's rules, light and dark, and keeps a picture of each. */
export async function inspect(page, state) {
  for (const value of ["light", "dark"]) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
    await picture(page, `${state}-${value}`);
    assert.deepEqual(await violations(page), [], `axe, ${state}, ${value}`);
  }
}

/** Keeps a picture of the page. */
export async function picture(page, state) {
  await mkdir(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${NAME}-${state}.png`) });
}

/** The page's text, as people see it. */
export async function text(page, selector) {
  return page.$eval(selector, (element) => (element.innerText ?? element.textContent).replace(/\s+/g, " ").trim());
}

export async function texts(page, selector) {
  return page.$$eval(selector, (all) => all.map((element) => (element.innerText ?? element.textContent).replace(/\s+/g, " ").trim()));
}

async function violations(page) {
  // Not as a script element: the page's policy allows none but its own.
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map(({ html, failureSummary }) =>
    `${html.slice(0, 160)} ${failureSummary}`).join("; ")}`);
}
