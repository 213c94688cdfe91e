// The whole journey without a mouse: every stop is to be seen, and what is selected is said.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { FILES, VIEWER, assert, inspect, journey, settled, text, visit } from "./browser.mjs";

const TRACE = "ce18bd162e4526d50cfc881cb5dbcb3b";

await journey(async (page) => {
  /** Presses keys, one after the other. */
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  /** Goes on with Tab until the selector's element has the focus; each stop must be to be seen. */
  const tabTo = async (selector) => {
    for (let stops = 0; stops < 60; stops++) {
      await press("Tab");
      const stop = await page.evaluate((selector) => {
        const element = document.activeElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        const box = element.getBoundingClientRect();
        const isInSight = box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight;
        return { html: element.outerHTML.slice(0, 90), isThere: element.matches(selector), isBody: element === document.body,
          isSeen: isInSight && outlineStyle !== "none" && parseFloat(outlineWidth) >= 1 };
      }, selector);
      // Behind the last stop comes the browser's own window.
      assert.ok(stop.isSeen || stop.isBody, `the focus is not to be seen on ${stop.html}`);
      if (stop.isThere) return;
    }
    assert.fail(`Tab does not reach ${selector}`);
  };
  const rows = async () => (await page.$$(".row")).length;

  await visit(page, "/search");
  await tabTo(".skip");
  await inspect(page, "skip");
  await press("Enter");
  await tabTo("[name=service]");
  await page.keyboard.type("voting");
  await tabTo("[name=errors]");
  await press("Space");
  await press("Enter");
  await page.waitForFunction(() => location.search === "?service=voting&errors=1");
  await settled(page);
  await tabTo(".results input");
  await press("Space");
  await tabTo(".results li:nth-child(2) input");
  await press("Space");
  await inspect(page, "ticked");
  await page.keyboard.down("Shift");
  await tabTo(".toolbar button");
  await page.keyboard.up("Shift");
  await press("Enter");
  await page.waitForFunction(() => location.pathname === "/compare");
  await settled(page);

  await visit(page, "/search");
  await tabTo("#jump input");
  await page.keyboard.type(TRACE);
  await press("Enter");
  await page.waitForSelector(".waterfall");
  await settled(page);
  await trace(page, press, tabTo, rows);

  await writeFile(join(FILES, "file.json"), await (await fetch(`${VIEWER}/api/traces/${TRACE}`)).text());
  await visit(page, "/upload");
  await tabTo("input[type=file]");
  // Puppeteer's own waitForFileChooser may begin to listen too late.
  const session = await page.createCDPSession();
  await session.send("Page.enable");
  await session.send("Page.setInterceptFileChooserDialog", { enabled: true });
  const opened = new Promise((resolve) => session.once("Page.fileChooserOpened", resolve));
  await press("Enter");
  await opened;
  await (await page.$("input[type=file]")).uploadFile(join(FILES, "file.json"));
  await page.waitForSelector(".results a");
  await tabTo(".results a");
  await press("Enter");
  await page.waitForSelector(".waterfall");
});

async function trace(page, press, tabTo, rows) {
  const selected = () => page.evaluate(() => {
    const grid = document.activeElement;
    return grid.getAttribute("role") === "treegrid" && document.getElementById(grid.getAttribute("aria-activedescendant"))?.querySelector(".text").textContent;
  });
  await press("ArrowDown", "ArrowDown");
  assert.equal(await selected(), "vote-bot GET outbound server", "the rows have the focus, and say which is selected");
  const said = await page.accessibility.snapshot({ root: await page.$(".row[aria-selected=true]"), interestingOnly: false });
  assert.equal(said.role, "row");
  assert.match(said.name, /vote-bot GET outbound server 4\.52ms from [\d.]+µs/, "what a screen reader says of it");
  await press("End");
  assert.equal(await selected(), "voting emojivoto.v1.VotingService/VoteNerdFace server");
  await press("Home", "ArrowLeft");
  assert.equal(await rows(), 1, "closed");
  await press("ArrowRight");
  assert.equal(await rows(), 18, "open");
  await press("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft");
  assert.equal(await selected(), "vote-bot GET client", "up again by closing and going up");
  await press("]");
  assert.equal(await rows(), 18);
  await press("[");
  assert.equal(await rows(), 1);
  await press("o", "o");
  assert.equal(await rows(), 3);
  await press("p");
  assert.equal(await rows(), 2);
  await press("]", "f");
  assert.equal(await rows(), 12, "folded");
  await press("f");
  assert.equal(await rows(), 6, "hidden");
  await press("f", "c");
  assert.ok((await page.$$(".critical")).length > 0, "critical path");
  const axis = () => text(page, ".ticks");
  const whole = await axis();
  await press("w", "w", "d");
  assert.notEqual(await axis(), whole);
  await press("r");
  assert.equal(await axis(), whole);
  await press("/");
  await page.keyboard.type("voting inbound");
  await press("Enter", "Escape", "n");
  assert.equal(await selected(), "voting emojivoto.v1.VotingService/VoteNerdFace inbound client");
  await press("N");
  assert.equal(await selected(), "voting emojivoto.v1.VotingService/VoteNerdFace inbound server");
  await press("?");
  await inspect(page, "keys");
  await press("Escape");
  assert.equal(await selected(), "voting emojivoto.v1.VotingService/VoteNerdFace inbound server", "the focus is back");
  await page.keyboard.down("Shift");
  await tabTo("[data-tab=hops]");
  await page.keyboard.up("Shift");
  await press("Enter");
  await tabTo("[aria-label=Hops] button");
  await press("Enter");
  await inspect(page, "hops");
}
