// One trace saved as a page, opened from the disk by a browser without a network.

import { readdir } from "node:fs/promises";
import { join } from "node:path";

import { FILES, assert, inspect, journey, settled, text, texts, visit, watch } from "./browser.mjs";

const TRACE = "ce18bd162e4526d50cfc881cb5dbcb3b";

await journey(async (page, browser) => {
  const session = await browser.target().createCDPSession();
  await session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: FILES, eventsEnabled: true });
  const saved = new Promise((resolve) => session.on("Browser.downloadProgress", ({ state }) => state === "completed" && resolve()));
  await visit(page, `/trace/${TRACE}`);
  const rows = await texts(page, ".row");
  await page.click("a[href$='/page']");
  await saved;
  assert.ok((await readdir(FILES)).includes(`trace-${TRACE}.html`), "its name says which trace it is");

  const offline = await browser.newPage();
  const wrong = watch(offline);
  await offline.setOfflineMode(true);
  await offline.goto(`file://${join(FILES, `trace-${TRACE}.html`)}`);
  await settled(offline);
  assert.deepEqual(await texts(offline, ".row"), rows, "the same rows as on the server's page");
  await offline.keyboard.press("ArrowDown");
  await offline.keyboard.press("c");
  await offline.keyboard.press("f");
  assert.match(await text(offline, ".side"), /^GET Service vote-bot/);
  assert.equal((await offline.$$(".row")).length, 12);
  await offline.click("[data-tab=hops]");
  assert.equal((await texts(offline, "[aria-label=Hops] tbody tr")).length, 3);
  assert.equal(await offline.$("header nav:not([hidden])"), null, "no way to what is not there");
  await inspect(offline, "offline");
  assert.deepEqual(wrong, []);
});
