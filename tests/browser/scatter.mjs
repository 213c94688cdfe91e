// The latency scatter of traces that lie days apart, and of one alone.

import { assert, inspect, journey, text, texts, visit } from "./browser.mjs";

const DAY_AND_TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d$/;

await journey(async (page) => {
  await visit(page, "/search?service=shop");
  const times = await texts(page, ".times span");
  assert.equal(times.length, 2);
  times.forEach((time) => assert.match(time, DAY_AND_TIME));
  assert.notEqual(times[0], times[1], "the days differ");
  assert.deepEqual(await texts(page, ".lengths span"), ["90.0µs", "45.0µs", "0"]);
  const covered = await page.evaluate(() => {
    const boxes = (selector) => [...document.querySelectorAll(selector)].map((one) => one.getBoundingClientRect());
    return boxes(".scatter circle").filter((dot) => boxes(".scatter span").some((label) =>
      dot.left < label.right && label.left < dot.right && dot.top < label.bottom && label.top < dot.bottom)).length;
  });
  assert.equal(covered, 0, "no dot covers a label");
  await inspect(page, "days");
  await visit(page, "/search?service=browser&limit=2");
  assert.match(await text(page, ".times span:last-child"), /^\d\d:\d\d:\d\d/, "of one day the first has the date");
  await visit(page, "/search?service=shop&max=60us");
  assert.equal((await texts(page, ".times span")).length, 1, "one trace has one time");
  await inspect(page, "one");
});
