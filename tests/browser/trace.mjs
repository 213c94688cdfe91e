// A trace from the list of results, a span's details, and the same span again by its address.

import { assert, inspect, journey, settled, text, texts, visit } from "./browser.mjs";

await journey(async (page) => {
  await visit(page, "/search?service=voting&operation=emojivoto.v1.VotingService%2FVoteNerdFace");
  await page.click(".results a");
  await page.waitForSelector(".waterfall");
  await settled(page);
  assert.match(await text(page, "h1"), /^vote-bot: GET [0-9a-f]{32}$/);
  assert.equal((await page.$$(".row")).length, 18);
  assert.match(await page.title(), /^vote-bot: GET .* Meshspan$/);
  const cut = await page.$$eval(".row .text > :not(.before)", (all) =>
    all.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).map(({ textContent }) => textContent));
  assert.deepEqual(cut, [], "service, method and kind are to be seen on every row");
  assert.match(await page.$eval(".row:last-child .text", ({ title }) => title), /^voting emojivoto.v1.VotingService\/VoteNerdFace server$/);
  await inspect(page, "waterfall");

  await page.click(".row");
  assert.match(await text(page, ".side"), /^GET Service vote-bot Kind client Start 0ns after the trace's/);
  for (const part of ["Attributes", "Resource", "service.name", "http.request.method"]) {
    assert.ok((await text(page, ".side")).includes(part), part);
  }
  await page.evaluate(() => [...document.querySelectorAll(".row")].at(10).click());
  await inspect(page, "span");
  const details = await text(page, ".side");
  const address = page.url();
  assert.match(address, /\?span=[0-9a-f]{16}$/);
  await page.reload();
  await settled(page);
  assert.equal(await text(page, ".side"), details, "the address leads to the span");
  assert.equal((await page.$$(".row[aria-selected=true]")).length, 1);

  await page.click("[data-tab=hops]");
  assert.deepEqual((await texts(page, "[aria-label=Hops] th")).slice(2), ["sending proxy", "wire", "receiving proxy", "application"]);
  const hops = await texts(page, "[aria-label=Hops] tbody tr");
  assert.deepEqual(hops.map((hop) => hop.split(" ").slice(0, 3).join(" ")), ["vote-bot → web", "web → emoji", "web → voting"]);
  for (const hop of hops) assert.equal(hop.match(/[\d.]+(µs|ms)/g).length, 4, `four parts in ${hop}`);
  await inspect(page, "hops");
  await page.click("[data-tab=statistics]");
  assert.equal((await texts(page, "[aria-label=Operations] tbody tr")).length, 12);
  await inspect(page, "operations");
  await page.click("[aria-label='Switch between light and dark']");
  const chosen = await page.$eval(":root", ({ dataset }) => dataset.theme);
  await page.reload();
  await settled(page);
  assert.equal(await page.$eval(":root", ({ dataset }) => dataset.theme), chosen, "the choice of light or dark stays");
});

// On a narrow screen, or at four times the size, all is one column.
await journey(async (page) => {
  await page.setViewport({ width: 320, height: 800 });
  for (const path of ["/search", "/trace/ce18bd162e4526d50cfc881cb5dbcb3b", "/upload"]) {
    await visit(page, path);
    await inspect(page, `narrow-${path.split("/")[1]}`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${path} needs no scrolling to the side`);
  }
});
