// Every view of the page behind an ingress that shows it below a path.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { FILES, VIEWER, assert, inspect, journey, settled, text, texts, visit } from "./browser.mjs";

const TRACE = "ce18bd162e4526d50cfc881cb5dbcb3b";
const BASE = new URL(VIEWER).pathname;

await journey(async (page) => {
  const at = (path) => page.waitForFunction((path) => location.pathname + location.search === path, {}, BASE + path);
  assert.ok(BASE.length > 1, "there is a prefix");
  await visit(page, "/");
  await at("/search");
  assert.equal((await texts(page, ".results li")).length, 20);
  assert.equal(await text(page, "nav [aria-current=page]"), "Search");
  await inspect(page, "search");

  await page.click(".results .title");
  await page.waitForSelector(".waterfall");
  await page.keyboard.press("ArrowDown");
  await page.waitForFunction(() => /^[?]span=[0-9a-f]{16}$/.test(location.search));
  const link = await page.evaluate(() => location.href);
  assert.ok(link.startsWith(`${VIEWER}/trace/`), link);
  const selected = await text(page, ".row[aria-selected=true]");
  await page.goto(link);
  await settled(page);
  assert.equal(await text(page, ".row[aria-selected=true]"), selected, "a deep link leads back");
  for (const saved of await page.$$eval("a[download]", (all) => all.map(({ href }) => href))) {
    assert.equal((await fetch(saved)).status, 200, saved);
  }

  await page.type("#jump input", TRACE);
  await page.keyboard.press("Enter");
  await at(`/trace/${TRACE}`);
  await settled(page);
  await page.click("::-p-xpath(//div[@class='toolbar']//a[text()='Compare'])");
  await at(`/compare?a=${TRACE}`);
  await page.type("[name=b]", TRACE);
  await page.keyboard.press("Enter");
  await at(`/compare?a=${TRACE}&b=${TRACE}`);
  await settled(page);
  assert.equal((await texts(page, "[aria-label=Differences] tbody tr")).length, 18);

  await page.click("nav a:nth-child(2)");
  await at("/dependencies");
  await page.waitForSelector("[aria-label=Calls] a");
  await page.click("[aria-label=Calls] a");
  await at("/search?service=browser");

  const file = join(FILES, "file.json");
  await writeFile(file, await (await fetch(`${VIEWER}/api/traces/${TRACE}`)).text());
  await visit(page, "/upload");
  await (await page.$("input[type=file]")).uploadFile(file);
  await page.waitForSelector(".results li .title");
  await page.click(".results .title");
  await at(`/trace/1:${TRACE}`);
  await page.waitForSelector(".waterfall");
  await page.goBack();
  await at("/upload");

  const outside = await fetch(`${new URL(VIEWER).origin}/api/services`);
  assert.equal(outside.status, 404, "nothing answers beside the prefix");
  assert.equal((await (await fetch(`${VIEWER}/api/services`)).json()).data.length, 5, "what Grafana asks");
});
