// Files that others saved: OTLP JSON, Jaeger's JSON, and one that is neither.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { FILES, VIEWER, assert, inspect, journey, text, texts, visit } from "./browser.mjs";

const KNOWN = "ce18bd162e4526d50cfc881cb5dbcb3b";

await journey(async (page) => {
  /** A trace of the viewer's as one that it does not have, in the form of one of Jaeger's two APIs. */
  const file = async (name, path, id) => {
    const body = await (await fetch(`${VIEWER}${path}${KNOWN}`)).text();
    await writeFile(join(FILES, name), body.replaceAll(KNOWN, id));
    return join(FILES, name);
  };
  const [otlp, jaeger] = ["0".repeat(31) + "1", "0".repeat(31) + "2"];
  const files = [await file("otlp.json", "/api/v3/traces/", otlp), await file("jaeger.json", "/api/traces/", jaeger)];
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
    assert.equal(await page.$("a[download]"), null, "the server has no such trace to save");
    await inspect(page, id.slice(-1));
    await page.goBack();
    await page.waitForSelector(".results li");
  }
  await visit(page, "/search?limit=150");
  assert.equal(await text(page, "h1"), "150 traces", "nothing was stored");
}, { allowsConsole: (message) => message.includes("the server responded with a status of 400") });
