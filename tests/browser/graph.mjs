// The service graph, drawn and as a table, and from it to a service's traces.

import { assert, inspect, journey, settled, text, texts, visit } from "./browser.mjs";

await journey(async (page) => {
  await visit(page, "/dependencies");
  assert.deepEqual(await texts(page, ".graph g text"), ["browser", "emoji", "left", "right", "vote-bot", "voting", "web"]);
  const left = new Map(await page.$$eval(".graph g", (boxes) =>
    boxes.map((box) => [box.querySelector("text").textContent, Number(box.querySelector("rect").getAttribute("x"))])));
  const columns = ["browser", "web", "voting"].map((name) => left.get(name));
  assert.deepEqual(columns, [...columns].sort((a, b) => a - b), "callers are left of those whom they call");
  assert.deepEqual([left.get("left"), left.get("right"), left.get("vote-bot")], [columns[0], columns[1], columns[0]], "a circle is cut once");
  const calls = (await texts(page, "[aria-label=Calls] tbody tr")).map((row) => row.split(" ").slice(0, 4).join(" "));
  assert.deepEqual(calls, ["browser web 22 0", "left right 1 0", "right left 1 0", "vote-bot web 128 10", "web emoji 228 0", "web voting 75 10"]);
  assert.equal((await page.$$(".graph path.failed")).length, 2, "calls that failed");
  await inspect(page, "services");
  await page.click("[aria-label=Calls] tbody tr:last-child td:nth-child(2) a");
  await settled(page);
  assert.equal(await text(page, "h1"), "20 of 75 traces");
  await visit(page, "/dependencies");
  await page.click(".graph g:last-child");
  await page.waitForSelector(".results li");
  assert.equal(await page.$eval("[name=service]", ({ value }) => value), "web", "a box leads to its traces, too");
});
