// Files that others saved: OTLP JSON, Jaeger's JSON, and one that is neither. What is uploaded can be compared and saved, and
// hides nothing that is stored.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { FILES, VIEWER, assert, inspect, journey, settled, text, texts, visit, watch } from "./browser.mjs";

const KNOWN = "ce18bd162e4526d50cfc881cb5dbcb3b";

/** One operation of the trace has another name. */
const renamed = (body) => body.replaceAll("VoteNerdFace", "VoteGhost");

await journey(async (page, browser) => {
  /** A trace of the viewer's as one that it does not have, in the form of one of Jaeger's two APIs. */
  const file = async (name, path, id, change = (body) => body) => {
    const body = await (await fetch(`${VIEWER}${path}${KNOWN}`)).text();
    await writeFile(join(FILES, name), change(body).replaceAll(KNOWN, id));
    return join(FILES, name);
  };
  const [otlp, jaeger] = ["0".repeat(31) + "1", "0".repeat(31) + "2"];
  const files = [await file("otlp.json", "/api/v3/traces/", otlp), await file("jaeger.json", "/api/traces/", jaeger, renamed)];
  await writeFile(join(FILES, "other.json"), "{}");

  await visit(page, "/upload");
  const input = await page.$("input[type=file]");
  await input.uploadFile(...files);
  await page.waitForFunction(() => document.querySelectorAll(".results li").length === 2);
  for (const result of await texts(page, ".results li")) assert.match(result, /^vote-bot: GET 4\.57ms .* from (otlp|jaeger)\.json 18 spans emoji 3 vote-bot 3 voting 3 web 9$/);
  await inspect(page, "two");
  await input.uploadFile(join(FILES, "other.json"));
  await page.waitForSelector("#status.error");
  assert.match(await text(page, "#status"), /^other\.json: the file's JSON has neither resourceSpans \(OTLP\) nor data \(Jaeger\)/);

  for (const key of [`1:${otlp}`, `2:${jaeger}`]) {
    await page.click(`.results a[href='/trace/${key}']`);
    await page.waitForSelector(".waterfall");
    assert.equal((await page.$$(".row")).length, 18, key);
    await inspect(page, key.slice(-1));
    await page.goBack();
    await page.waitForSelector(".results li");
  }
  await compared(page, `1:${otlp}`, `2:${jaeger}`);
  await saved(page, browser, `2:${jaeger}`);
  await besides(page, await file("otlp.json", "/api/v3/traces/", KNOWN, renamed), otlp);
  await visit(page, "/search?limit=150");
  assert.equal(await text(page, "h1"), "150 traces", "nothing was stored");
}, { allowsConsole: (message) => /the server responded with a status of (400|404)/.test(message) });

/** Ticks a trace of the list. */
async function tick(page, key) {
  await page.click(`.results input[value='${key}']`);
}

/** Compares what is ticked; the rows. */
async function compare(page) {
  await page.evaluate(() => [...document.querySelectorAll("button")].find(({ textContent }) => textContent.startsWith("Compare")).click());
  await page.waitForFunction(() => location.pathname === "/compare");
  await settled(page);
  return texts(page, "[aria-label=Differences] tbody tr");
}

/** A trace with the id of a stored one, in another file of a name that is there already: each can be opened, and both compared. */
async function besides(page, path, otlp) {
  await page.click("nav a[href='/upload']");
  await (await page.$("input[type=file]")).uploadFile(path);
  await page.waitForFunction(() => document.querySelectorAll(".results li").length === 3);
  const [ours, ghosts] = [`3:${KNOWN}`, async () => (await texts(page, ".row")).filter((row) => row.includes("VoteGhost")).length];
  await page.click(`.results a[href='/trace/${ours}']`);
  await page.waitForSelector(".waterfall");
  assert.equal(await text(page, "h1 .from-file"), "from otlp.json (2)");
  assert.equal(await ghosts(), 6, "the uploaded one");
  const open = async (id) => {
    await page.$eval("#jump [name=id]", (input, id) => (input.value = id), id);
    await page.$eval("#jump", (form) => form.requestSubmit());
    await page.waitForFunction((end) => location.pathname.endsWith(end) && document.querySelector(".waterfall"), {}, id);
    await settled(page);
  };
  await open(KNOWN);
  assert.equal(await page.$("h1 .from-file"), null);
  assert.equal(await ghosts(), 0, "the stored one");
  await open(otlp.replace(/^0+/, ""));
  assert.equal(await text(page, "h1 .from-file"), "from otlp.json", "an id that the store has not is looked for in the files");

  await page.click("nav a[href='/search']");
  await page.waitForSelector(".results li");
  await page.type("[name=limit]", "150");
  await page.keyboard.press("Enter");
  await page.waitForFunction((id) => document.querySelector(`.results input[value='${id}']`), {}, KNOWN);
  await page.click("::-p-text(Untick all)");
  await tick(page, KNOWN);
  await page.click("nav a[href='/upload']");
  await page.waitForSelector(".results li");
  await tick(page, ours);
  await compare(page);
  assert.deepEqual([(await page.$$("tr.less")).length, (await page.$$("tr.more")).length], [6, 6], "one id, two traces");
  await visit(page, `/trace/${ours}`);
  assert.match(await text(page, "#status"), /is from a file that this tab does not have any more: upload it again$/);
}

/** Two uploaded traces compared, and one of them with one that the server has. */
async function compared(page, otlp, jaeger) {
  await tick(page, otlp);
  await tick(page, jaeger);
  assert.match(await text(page, ".toolbar"), /^Ticked: vote-bot: GET and vote-bot: GET /);
  await inspect(page, "ticked");
  const uploaded = await compare(page);
  assert.equal((await page.$$("tr.less")).length, 6, "the operation's six spans are in the first alone");
  assert.equal((await page.$$("tr.more")).length, 6, "with another name they are in the second alone");
  assert.ok(uploaded[0].startsWith("vote-bot GET client 1 1 "), uploaded[0]);
  await inspect(page, "compared");

  await page.goBack();
  await page.waitForSelector(".results li");
  await page.click("::-p-text(Untick all)");
  assert.equal((await page.$$(".results input:checked")).length, 0);
  await tick(page, jaeger);
  await page.click("nav a[href='/search']");
  await page.waitForSelector(".results li");
  await page.type("[name=limit]", "150");
  await page.keyboard.press("Enter");
  await page.waitForFunction((id) => document.querySelector(`.results input[value='${id}']`), {}, KNOWN);
  assert.match(await text(page, ".toolbar"), /Ticked: vote-bot: GET Untick all/, "what is ticked in another list stays so");
  await tick(page, KNOWN);
  await compare(page);
  assert.equal(await page.$eval("[name=b]", ({ value }) => value), KNOWN);
  assert.equal((await page.$$("tr.less")).length, 6, "of the uploaded one");
  assert.equal((await page.$$("tr.more")).length, 6, "of the server's");
  await inspect(page, "compared-with-stored");
}

/** An uploaded trace saved as a page and as OTLP JSON, the one opened without a network, the other uploaded again. */
async function saved(page, browser, key) {
  const id = key.split(":")[1];
  const session = await browser.target().createCDPSession();
  await session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: FILES, eventsEnabled: true });
  const download = async (label) => {
    const done = new Promise((resolve) => session.on("Browser.downloadProgress", ({ state }) => state === "completed" && resolve()));
    await page.click(`::-p-text(${label})`);
    await done;
  };
  await page.click("nav a[href='/upload']");
  await page.click(`.results a[href='/trace/${key}']`);
  await page.waitForSelector(".waterfall");
  const rows = await texts(page, ".row");
  await download("Save as HTML");
  assert.equal(await text(page, "#status"), `Saved trace-${id}.html`);
  await download("OTLP JSON");
  const { resourceSpans } = JSON.parse(await readFile(join(FILES, `trace-${id}.json`), "utf8"));
  assert.equal(resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)).length, 18);

  const offline = await browser.newPage();
  const wrong = watch(offline);
  await offline.setOfflineMode(true);
  await offline.goto(`file://${join(FILES, `trace-${id}.html`)}`);
  await settled(offline);
  assert.deepEqual(await texts(offline, ".row"), rows, "the same rows as in the tab that has the file");
  assert.deepEqual(wrong, []);
  await offline.close();
  await page.bringToFront();
}
