// Files that others saved: OTLP JSON, Jaeger's JSON, and one that is neither. What is uploaded can be compared and saved.

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
  for (const result of await texts(page, ".results li")) assert.match(result, /^vote-bot: GET 4\.57ms .* 18 spans emoji 3 vote-bot 3 voting 3 web 9$/);
  await inspect(page, "two");
  await input.uploadFile(join(FILES, "other.json"));
  await page.waitForSelector("#status.error");
  assert.match(await text(page, "#status"), /^other\.json: the file's JSON has neither resourceSpans \(OTLP\) nor data \(Jaeger\)/);

  for (const id of [otlp, jaeger]) {
    await page.click(`.results a[href='/trace/${id}']`);
    await page.waitForSelector(".waterfall");
    assert.equal((await page.$$(".row")).length, 18, id);
    await inspect(page, id.slice(-1));
    await page.goBack();
    await page.waitForSelector(".results li");
  }
  await compared(page, otlp, jaeger);
  await saved(page, browser, jaeger);
  await visit(page, "/search?limit=150");
  assert.equal(await text(page, "h1"), "150 traces", "nothing was stored");
}, { allowsConsole: (message) => message.includes("the server responded with a status of 400") });

/** Two uploaded traces compared, and one of them with one that the server has. */
async function compared(page, otlp, jaeger) {
  const tick = (id) => page.click(`.results input[value='${id}']`);
  const compare = async () => {
    await page.evaluate(() => [...document.querySelectorAll("button")].find(({ textContent }) => textContent.startsWith("Compare")).click());
    await page.waitForFunction(() => location.pathname === "/compare");
    await settled(page);
    return texts(page, "[aria-label=Differences] tbody tr");
  };
  await tick(otlp);
  await tick(jaeger);
  assert.match(await text(page, ".toolbar"), /^Ticked: vote-bot: GET and vote-bot: GET /);
  await inspect(page, "ticked");
  const uploaded = await compare();
  assert.equal((await page.$$("tr.less")).length, 6, "the operation's six spans are in the first alone");
  assert.equal((await page.$$("tr.more")).length, 6, "with another name they are in the second alone");
  assert.ok(uploaded[0].startsWith("vote-bot GET client 1 1 "), uploaded[0]);
  await inspect(page, "compared");

  await page.goBack();
  await page.waitForSelector(".results li");
  await page.click("::-p-text(Untick all)");
  assert.equal((await page.$$(".results input:checked")).length, 0);
  await tick(jaeger);
  await page.click("nav a[href='/search']");
  await page.waitForSelector(".results li");
  await page.type("[name=limit]", "150");
  await page.keyboard.press("Enter");
  await page.waitForFunction((id) => document.querySelector(`.results input[value='${id}']`), {}, KNOWN);
  assert.match(await text(page, ".toolbar"), /Ticked: vote-bot: GET Untick all/, "what is ticked in another list stays so");
  await tick(KNOWN);
  await compare();
  assert.equal(await page.$eval("[name=b]", ({ value }) => value), KNOWN);
  assert.equal((await page.$$("tr.less")).length, 6, "of the uploaded one");
  assert.equal((await page.$$("tr.more")).length, 6, "of the server's");
  await inspect(page, "compared-with-stored");
}

/** An uploaded trace saved as a page and as OTLP JSON, the one opened without a network, the other uploaded again. */
async function saved(page, browser, id) {
  const session = await browser.target().createCDPSession();
  await session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: FILES, eventsEnabled: true });
  const download = async (label) => {
    const done = new Promise((resolve) => session.on("Browser.downloadProgress", ({ state }) => state === "completed" && resolve()));
    await page.click(`::-p-text(${label})`);
    await done;
  };
  await page.click("nav a[href='/upload']");
  await page.click(`.results a[href='/trace/${id}']`);
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
