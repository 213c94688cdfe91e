// Addresses that people have: of Jaeger's own page, with a slash at the end, of what is not there.

import { VIEWER, assert, inspect, journey, settled, text, visit } from "./browser.mjs";

const [TRACE, OTHER] = ["ce18bd162e4526d50cfc881cb5dbcb3b", "0".repeat(31) + "d"];

await journey(async (page) => {
  const address = () => page.evaluate(() => location.pathname + location.search);
  const value = (name) => page.$eval(`form [name=${name}]`, ({ value }) => value);
  const total = async () => Number(/(\d+) traces?$/.exec(await text(page, "h1"))[1]);

  await visit(page, `/trace/${TRACE}...${OTHER}?cohort=${TRACE}&cohort=${OTHER}`);
  assert.equal(await address(), `/compare?a=${TRACE}&b=${OTHER}`, "Jaeger's comparison is ours");
  assert.deepEqual([await value("a"), await value("b")], [TRACE, OTHER]);
  assert.ok(await page.$("[aria-label=Differences] tr"));
  await visit(page, `/trace/${TRACE}...`);
  assert.equal(await address(), `/compare?a=${TRACE}&b=`, "with one, the other is to be chosen");

  /** What Jaeger's link finds, and what the form then says. */
  const search = async (fields, expected, form) => {
    await visit(page, `/search?${new URLSearchParams(fields)}`);
    assert.equal(await total(), expected, JSON.stringify(fields));
    for (const [name, wanted] of Object.entries(form)) assert.equal(await value(name), wanted, `${name} of ${JSON.stringify(fields)}`);
    // Sent again, the form asks the same.
    await page.click("form button[type=submit]");
    await settled(page);
    assert.equal(await total(), expected, `${JSON.stringify(fields)}, sent again`);
  };
  const micros = (ms) => String(1000 * ms);
  const now = Date.now();
  await search({ service: "voting", operation: "all", tags: '{"error":"true"}', limit: "150", lookback: "2h" }, 10,
    { service: "voting", operation: "", attributes: "error=true", limit: "150", lookback: "2h" });
  await search({ tags: '{"note":"said \\"a b\\" \\\\"}' }, 1, { attributes: 'note="said \\"a b\\" \\\\"' });
  await search({ tag: "url.path:/api/leaderboard", lookback: "2w" }, 11, { attributes: "url.path=/api/leaderboard", lookback: "14d" });
  await search({ minDuration: "4ms", maxDuration: "6ms", service: "voting" }, 40, { min: "4ms", max: "6ms" });
  await search({ operation: "emojivoto.v1.VotingService/VoteNerdFace" }, 10, { operation: "emojivoto.v1.VotingService/VoteNerdFace" });
  await search({ start: micros(now - 3_600_000), end: micros(now), lookback: "1h", limit: "200" }, 150, { lookback: "between" });
  assert.notEqual(await value("from"), "");
  await search({ start: micros(now - 7_200_000), end: micros(now - 3_600_000), lookback: "custom" }, 0, { lookback: "between" });
  await inspect(page, "search");
  await visit(page, "/search?tags=nonsense");
  assert.match(await text(page, "[aria-label=Results]"), /"nonsense" is no attribute, expected key=value/);
  assert.equal(await value("attributes"), "nonsense");
  await visit(page, `/trace/${TRACE}?uiFind=voting`);
  assert.ok((await page.$$(".row.match")).length > 0, "what Jaeger's link looks for");

  for (const path of [`/trace/${TRACE}/`, "/search/", "/dependencies/", "/compare/", "/upload/"]) {
    const answer = await page.goto(VIEWER + path);
    await settled(page);
    assert.equal(answer.status(), 200, path);
    assert.doesNotMatch(await text(page, "main"), /nothing to show/, path);
  }
  assert.equal((await page.goto(`${VIEWER}/trace/${TRACE}/`)).status(), 200);
  await page.waitForSelector(".waterfall");

  const wrong = [
    ["/trace/zz", 404, "zz is no trace id; one has up to 32 hexadecimal digits"],
    ["/trace/ff", 200, `trace ${"0".repeat(30)}ff is not here`],
    ["/nothing", 404, "/nothing is no address of this viewer's"],
    ["/trace/", 404, "/trace is no address of this viewer's"],
  ];
  for (const [path, status, reason] of wrong) {
    assert.equal((await page.goto(VIEWER + path)).status(), status, path);
    await settled(page);
    assert.equal(await text(page, "main .bad"), reason);
    assert.match(await page.title(), /^There is nothing to show/);
    await inspect(page, path.slice(1).replace(/\W/g, "-"));
    await page.click("main a");
    await settled(page);
    assert.equal(await address(), "/search");
    assert.equal(await total(), 151);
  }
}, { allowsConsole: (message) => /responded with a status of 40[04]/.test(message) });
