// Search: each field alone, what is no value for it, the scatter, the order, and the address that keeps it all.

import { VIEWER, assert, inspect, journey, settled, text, texts, visit } from "./browser.mjs";

const REFUSED = "the server responded with a status of 400";

await journey(async (page) => {
  await visit(page, "/");
  await inspect(page, "all");
  assert.equal(await text(page, "h1"), "20 of 150 traces");
  assert.equal((await page.$$(".scatter circle")).length, 20, "a dot for each trace of the list");

  /** Sends the form with these fields. */
  const submit = async (fields) => {
    await visit(page, "/search");
    for (const [name, value] of Object.entries(fields)) {
      const field = await page.$(`form [name=${name}]`);
      const kind = await field.evaluate(({ tagName, type }) => `${tagName} ${type}`);
      if (kind.startsWith("SELECT")) await field.select(value);
      else if (kind === "INPUT checkbox") await field.click();
      // A browser's field of an instant is typed in the order of the reader's language: set it whole.
      else if (kind === "INPUT datetime-local") await field.evaluate((input, value) => { input.value = value; }, value);
      else await field.type(value);
    }
    await page.click("form button[type=submit]");
  };
  /** How many traces fit then. */
  const found = async (fields) => {
    await submit(fields);
    await page.waitForFunction(() => location.search !== "");
    await settled(page);
    const total = /(\d+) traces?$/.exec(await text(page, "h1"));
    return total && Number(total[1]);
  };
  const counts = [
    [{ limit: "150" }, 150], [{ service: "browser" }, 22], [{ operation: "emojivoto.v1.VotingService/VoteNerdFace" }, 10],
    [{ attributes: "url.path=/api/leaderboard" }, 11], [{ attributes: "rpc.method=emojivoto.v1.VotingService/Results service.name=voting" }, 11],
    [{ attributes: 'http.request.method="no such method"' }, 0], [{ errors: true }, 10], [{ orphans: true }, 0],
    [{ min: "20ms" }, 10], [{ max: "20ms" }, 140], [{ min: "4ms", max: "6ms", service: "voting" }, 40],
    [{ lookback: "24h" }, 150], [{ lookback: "between", to: "2001-01-01T00:00" }, 0], [{ lookback: "between", from: "2001-01-01T00:00" }, 150],
  ];
  for (const [fields, expected] of counts) assert.equal(await found(fields), expected, JSON.stringify(fields));
  await inspect(page, "between");

  assert.equal(await found({ service: "voting", errors: true }), 10);
  await inspect(page, "errors");
  assert.equal((await page.$$(".scatter circle.failed")).length, 10);
  await page.reload();
  await settled(page);
  assert.equal(await page.$eval("[name=service]", ({ value }) => value), "voting", "the address keeps the form");
  assert.equal(await page.$eval("[name=errors]", ({ checked }) => checked), true);

  await visit(page, "/search?limit=150");
  const order = () => page.$$eval(".results .length", (bars) => bars.map(({ style }) => parseFloat(style.width)));
  await page.select("[aria-label=Order]", "long");
  const longest = await order();
  assert.deepEqual(longest, [...longest].sort((a, b) => b - a), "longest first");

  await submit({ min: "soon" });
  assert.equal(await text(page, "#status.error"), "soon is no duration; write 250us, 100ms or 1.5s");
  await visit(page, "/search?attributes=nothing");
  assert.match(await text(page, "#status.error"), /"nothing" is no attribute, expected key=value/);
  await inspect(page, "refused");
  assert.ok((await texts(page, "option")).includes("voting"), "the form is still there");

  await visit(page, "/search?limit=20");
  await page.click(".scatter circle");
  await page.waitForFunction(() => location.pathname.startsWith("/trace/"));
  await visit(page, "/search");
  await page.type("#jump input", "ce18bd162e4526d50cfc881cb5dbcb3b\n");
  await page.waitForFunction((viewer) => location.href.startsWith(`${viewer}/trace/ce18`), {}, VIEWER);
  await page.waitForSelector(".waterfall");
}, { allowsConsole: (message) => message.includes(REFUSED) });
