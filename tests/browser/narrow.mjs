// On a phone's screen: everything can be read, nothing is cut at the side.

import { assert, inspect, journey, settled, text, texts, visit } from "./browser.mjs";

const TRACE = "/trace/ce18bd162e4526d50cfc881cb5dbcb3b";

await journey(async (page) => {
  await page.setViewport({ width: 375, height: 800 });
  /** Nothing, drawn or written, may stand outside of what can be seen. */
  const fits = async (selector, what) => {
    const outside = await page.$$eval(selector, (all) => all.map((one) => one.getBoundingClientRect())
      .filter(({ left, right }) => left < 0 || right > innerWidth).length);
    assert.equal(outside, 0, `${what} is cut at the side`);
  };
  const box = async (selector) => (await page.$(selector)).boundingBox();

  await visit(page, "/search?service=voting&errors=1");
  const fold = ".fold-form";
  assert.equal(await text(page, fold), "Search service voting, errors");
  assert.ok((await box(".results li")).y < 500, "results are in sight");
  await fits(".scatter circle", "a dot");
  await inspect(page, "search");
  await page.click(fold);
  assert.equal(await page.$eval(fold, (button) => button.getAttribute("aria-expanded")), "true");
  assert.equal(await page.$eval("[name=service]", ({ value }) => value), "voting");
  await inspect(page, "form");

  await visit(page, TRACE);
  const ticks = await page.$$eval(".ticks span", (all) => all.map((one) => one.getBoundingClientRect()).map(({ left, right }) => ({ left, right })));
  assert.ok(ticks.length >= 3);
  ticks.slice(1).forEach(({ left }, at) => assert.ok(left > ticks[at].right + 4, "ticks stand apart"));
  const name = await page.$$eval(".row .text", (all) => all.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).length);
  assert.equal(name, 0, "each row's name has its place");
  assert.ok((await page.$$(".row")).length >= 10);
  await inspect(page, "trace");
  await page.click("[data-tab=hops]");
  await fits(".hops td, .hops th", "a column of the hops");
  assert.ok((await box(".rows")).height > 400, "rows keep their place");
  await inspect(page, "hops");
  await page.click("[data-tab=statistics]");
  await fits(".operations td, .operations th", "a column of the operations");
  await inspect(page, "operations");

  await visit(page, "/dependencies");
  await fits(".graph rect, .graph path", "the graph");
  await fits("[aria-label=Calls], [aria-label=Calls] td", "the table");
  const tops = await page.$$eval(".graph g", (boxes) => boxes.map((box) =>
    [box.querySelector("text").textContent, Number(box.querySelector("rect").getAttribute("y"))]));
  const top = new Map(tops);
  assert.ok(top.get("browser") < top.get("web") && top.get("web") < top.get("voting"), "calls go down");
  await inspect(page, "graph");
  await page.setViewport({ width: 1280, height: 800 });
  await page.waitForFunction(() => new Set([...document.querySelectorAll(".graph rect")].map((box) => box.getAttribute("x"))).size === 3);

  await page.setViewport({ width: 375, height: 800 });
  await visit(page, "/search?service=voting");
  for (const at of [1, 2]) await page.click(`.results li:nth-child(${at}) input`);
  await page.evaluate(() => [...document.querySelectorAll("button")].find(({ textContent }) => textContent.startsWith("Compare")).click());
  await page.waitForSelector(".differences");
  await settled(page);
  await fits(".differences td, .differences th, form input", "the comparison");
  await inspect(page, "compare");
  assert.deepEqual((await texts(page, ".differences th")).length, 6);
  await visit(page, "/upload");
  await fits("input", "the field of files");
  await inspect(page, "upload");
});
