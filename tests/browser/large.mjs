// Ten thousand spans: few elements however long the list, every row within reach, and how long a step takes.

import { assert, inspect, journey, text, visit } from "./browser.mjs";

const SPANS = 10_000;
/** The rows in sight and some spare ones, and the rest of the page. */
const MOST_ROWS = 80;
const MOST_ELEMENTS = 1_500;
const MOST_IN_TABLES = 5_000;

await journey(async (page) => {
  await visit(page, "/trace/10000");
  assert.equal(await page.$eval(".rows", (rows) => Number(rows.getAttribute("aria-rowcount"))), SPANS);
  await inspect(page, "top");
  await bounded(page, "at first");

  report("a key", await page.evaluate(() => steps(400, () => pressed("ArrowDown"))));
  report("a key, folded", await page.evaluate(() => (pressed("f"), steps(400, () => pressed("ArrowUp")))));
  await page.evaluate(() => (pressed("f"), pressed("f")));
  report("a screen", await page.evaluate(() => steps(200, () => pressed("PageDown"))));
  report("scrolling, a frame", await page.evaluate(() => frames(200, () => { document.querySelector(".rows").scrollTop += 1_150; })));
  await bounded(page, "after scrolling");
  report("zooming", await page.evaluate(() => steps(20, () => pressed("w"))));
  await page.evaluate(() => pressed("r"));
  report("finding", await page.evaluate(() => steps(10, (step) => typed(`number ${step}`))));

  await page.keyboard.press("End");
  assert.equal(await page.$eval(".row[aria-selected=true]", (row) => Number(row.getAttribute("aria-rowindex"))), SPANS);
  assert.ok(await page.$eval(".row[aria-selected=true]", (row) => row.getBoundingClientRect().bottom <= innerHeight), "in sight");
  await page.keyboard.press("[");
  assert.equal((await page.$$(".row")).length, 1);
  await page.keyboard.press("]");
  const box = await (await page.$(".minimap")).boundingBox();
  await page.mouse.move(box.x + box.width * 0.4, box.y + 10);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 10, { steps: 5 });
  await page.mouse.up();
  assert.match(await text(page, ".ticks"), /^[34]\.\d+s .* [45]\.\d+s$/);
  await page.waitForFunction(() => [...document.querySelectorAll(".row")].filter((row) => row.querySelector(".bar")).length > 8,
    {});
  await bounded(page, "in the end");
  await inspect(page, "zoomed");
  await page.click("[data-tab=statistics]");
  await bounded(page, "with figures by operation", MOST_IN_TABLES);
  await page.click("[data-tab=hops]");
  assert.equal(await text(page, ".side p"), "The 200 longest of 4,999 hops.");
  await bounded(page, "with hops", MOST_IN_TABLES);
}, { before: helpers });

async function bounded(page, when, mostElements = MOST_ELEMENTS) {
  const [rows, elements] = await page.evaluate(() => [".row", "*"].map((selector) => document.querySelectorAll(selector).length));
  console.log(`${when}: ${rows} rows, ${elements} elements`);
  assert.ok(rows <= MOST_ROWS, `${rows} rows ${when}`);
  assert.ok(elements <= mostElements, `${elements} elements ${when}`);
}

/** Times depend on the machine: told, not judged. */
function report(what, millis) {
  const sorted = [...millis].sort((a, b) => a - b);
  const at = (part) => `${sorted[Math.floor((sorted.length - 1) * part)].toFixed(1)} ms`;
  console.log(`${what}: median ${at(0.5)}, 95th percentile ${at(0.95)}, longest ${at(1)}`);
}

/** What the measurements need within the page. */
function helpers() {
  const rows = () => document.querySelector(".rows");
  window.pressed = (key) => rows().dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  window.typed = (value) => {
    const field = document.querySelector("[type=search]");
    field.value = value;
    field.dispatchEvent(new Event("input"));
  };
  /** How long each step takes, with the layout that it makes necessary. */
  window.steps = (count, step) => Array.from({ length: count }, (_, at) => {
    const start = performance.now();
    step(at);
    rows().getBoundingClientRect();
    return performance.now() - start;
  });
  /** How long each frame takes in which a step is done. */
  window.frames = async (count, step) => {
    const frame = () => new Promise(requestAnimationFrame);
    const times = [];
    let last = await frame();
    for (let at = 0; at < count; at++) {
      step();
      const now = await frame();
      times.push(now - last);
      last = now;
    }
    return times;
  };
}
