// A trace whose context was lost: found, counted, explained, and which workload to mend.

import { assert, inspect, journey, settled, text, visit } from "./browser.mjs";

await journey(async (page) => {
  await visit(page, "/search?orphans=1");
  assert.equal(await text(page, "h1"), "1 trace");
  assert.match(await text(page, ".results li"), /1 error 1 orphan/);
  assert.match(await text(page, ".toolbar"), /1 orphan: context was lost on the way/);
  await inspect(page, "found");
  await page.click(".results a");
  await page.waitForSelector(".waterfall");
  await settled(page);
  assert.match(await text(page, ".breaks"), /^Context was lost: look at web Show the span .*let its application export its spans/);
  assert.equal(await page.$eval(".row .warning", (sign) => sign.getAttribute("aria-label")), "its parent is missing");
  await inspect(page, "trace");
  await page.click(".breaks button");
  assert.match(await text(page, ".side"), /^Find Service web Kind outbound server .* Context was lost: look at web/);
  assert.equal(await text(page, ".row[aria-selected=true] .text"), "web Find outbound server");
  await inspect(page, "span");

  await visit(page, "/trace/ff");
  assert.equal(await text(page, "h1"), "There is nothing to show");
  assert.equal(await text(page, "#status.error"), "trace 000000000000000000000000000000ff is not here");
  await inspect(page, "missing");
}, { allowsConsole: (message) => message.includes("the server responded with a status of 404") });
