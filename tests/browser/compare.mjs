// Two traces of the list, ticked and compared.

import { assert, inspect, journey, settled, text, texts, visit } from "./browser.mjs";

await journey(async (page) => {
  await visit(page, "/compare");
  await inspect(page, "empty");
  await visit(page, "/search?service=voting&limit=150");
  const compare = () => page.evaluate(() => [...document.querySelectorAll("button")].find(({ textContent }) => textContent.startsWith("Compare")).click());
  await compare();
  assert.equal(await text(page, "#status"), "Tick two traces to compare; 0 are ticked");
  // One that failed and one that did not.
  for (const kind of [":has(.bad)", ":not(:has(.bad))"]) await page.click(`.results li${kind} input`);
  await compare();
  await page.waitForFunction(() => location.pathname === "/compare");
  await settled(page);
  const rows = await texts(page, "[aria-label=Differences] tbody tr");
  assert.ok(rows.length >= 18, `${rows.length} rows`);
  assert.match(await text(page, "#status"), /^\d+ operations compared$/);
  assert.ok(await page.$("tr.less") && await page.$("tr.more"), "what only one of them did");
  assert.ok(rows[0].startsWith("vote-bot GET client 1 1 "), rows[0]);
  await inspect(page, "two");
});
