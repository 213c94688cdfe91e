// Clocks that disagree: shown as they are, marked, and corrected only when asked.

import { assert, inspect, journey, text, visit } from "./browser.mjs";

await journey(async (page) => {
  await visit(page, "/trace/5e");
  const left = () => page.$$eval(".bar", (bars) => bars.map(({ style }) => Math.round(parseFloat(style.left) * 1.25)));
  assert.deepEqual(await left(), [0, 10, 85, 90], "milliseconds as the spans say");
  assert.deepEqual(await page.$$eval(".row .warning", (signs) => signs.map((sign) => sign.getAttribute("aria-label"))),
    ["its clock is 65.0ms ahead of the root's"], "the span that shows it has a sign");
  await inspect(page, "marked");
  const correct = "button[aria-pressed]:not([data-tab])::-p-text(Correct clock skew)";
  await page.click(correct);
  assert.deepEqual(await left(), [0, 10, 20, 25], "within the call that waited for it");
  await page.click(".row:last-child");
  assert.match(await text(page, ".side"), /Clock 65\.0ms ahead of the root's/);
  await inspect(page, "corrected");
  await page.click(correct);
  assert.deepEqual(await left(), [0, 10, 85, 90]);
});
