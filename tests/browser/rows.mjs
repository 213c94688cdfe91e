// What a trace's rows can be made to show: folded proxies, less depth, a part of the time, matches, the critical path.

import { assert, inspect, journey, text, visit } from "./browser.mjs";

const TRACE = "/trace/ce18bd162e4526d50cfc881cb5dbcb3b";

await journey(async (page) => {
  const rows = async () => (await page.$$(".row")).length;
  await visit(page, TRACE);
  assert.equal(await rows(), 18, "three spans a proxy and an application, six times");
  await page.select("[aria-label=Proxies]", "fold");
  assert.equal(await rows(), 12, "each pass is one row");
  assert.equal((await page.$$(".bar .inner")).length, 6, "and shows what it waited for");
  await inspect(page, "folded");
  await page.select("[aria-label=Proxies]", "hide");
  assert.equal(await rows(), 6, "applications only");
  await inspect(page, "hidden");
  await page.select("[aria-label=Proxies]", "all");

  await page.click(".row[aria-level='6'] .fold");
  assert.equal(await rows(), 6, "what is below the closed one is not shown");
  assert.equal(await page.$eval(".row[aria-level='6']", (row) => row.getAttribute("aria-expanded")), "false");
  await inspect(page, "collapsed");
  await page.click(".row[aria-level='6'] .fold");
  assert.equal(await rows(), 18);

  await page.type("[aria-label='Find in this trace']", "voting inbound");
  assert.equal(await page.$$eval(".row.match", (all) => all.length), 2);
  await page.keyboard.press("Enter");
  assert.equal(await text(page, "[aria-label='Find in this trace'] + [aria-live]"), "1 of 2 matches");
  await page.keyboard.press("Enter");
  assert.match(await text(page, ".side"), /Kind inbound client/);
  await inspect(page, "found");

  const axis = () => text(page, ".ticks");
  const whole = await axis();
  const box = await (await page.$(".minimap")).boundingBox();
  const across = (part) => [box.x + box.width * part, box.y + box.height / 2];
  await page.mouse.move(...across(0.25));
  await page.mouse.down();
  await page.mouse.move(...across(0.5));
  await page.mouse.up();
  assert.match(await axis(), /^1\.1[345]ms .* 2\.2[789]ms$/, "a part of the time by dragging over the minimap");
  await inspect(page, "zoomed");
  await page.mouse.click(...across(0.75));
  assert.equal(await axis(), whole, "a click shows all");

  const width = () => page.$eval(".row .name", (name) => Math.round(name.getBoundingClientRect().width));
  const before = await width();
  const divider = await (await page.$("[role=separator]")).boundingBox();
  await page.mouse.move(divider.x + divider.width / 2, divider.y + 5);
  await page.mouse.down();
  await page.mouse.move(divider.x + 100, divider.y + 5);
  await page.mouse.up();
  assert.ok(Math.abs(await width() - before - 100) < 10, `${before} and 100 more are ${await width()}`);
  await page.focus("[role=separator]");
  for (let step = 0; step < 6; step++) await page.keyboard.press("ArrowLeft");
  assert.ok(Math.abs(await width() - before) < 15, "and back by the keyboard");

  await page.evaluate(() => [...document.querySelectorAll("button")].find(({ textContent }) => textContent === "Critical path").click());
  const critical = await page.$$eval(".critical", (parts) => parts.reduce((sum, { style }) => sum + parseFloat(style.width), 0));
  assert.ok(Math.abs(critical - 100) < 0.01, `the parts of the critical path add up to the trace: ${critical} %`);
  await inspect(page, "critical");
});
