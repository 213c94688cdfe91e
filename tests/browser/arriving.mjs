// A running collector: nothing at first, then what arrives, without anything started anew.

import { assert, inspect, journey, need, settled, text, visit } from "./browser.mjs";

const TRACE = "0".repeat(31) + "a";

await journey(async (page) => {
  await visit(page, "/");
  const [grpc, http] = [need("GRPC_PORT"), new URL(need("OTLP")).port];
  const where = `There are no traces yet. Send some to port ${grpc} (OTLP over gRPC) or ${http} (OTLP over HTTP), or upload a file.`;
  assert.equal(await text(page, ".search section p"), where);
  await inspect(page, "nothing");
  await visit(page, "/dependencies");
  assert.equal(await text(page, "main p"), where);

  await send({ spanId: "0".repeat(15) + "2", parentSpanId: "0".repeat(15) + "1", name: "answer", kind: 2 });
  await visit(page, "/search");
  assert.match(await text(page, ".results li"), /^shop: answer .* 1 span shop 1$/);
  await send({ spanId: "0".repeat(15) + "1", name: "ask", kind: 3 });
  await page.click("form button[type=submit]");
  await page.waitForFunction(() => document.querySelector(".results li")?.innerText.includes("2 spans"));
  await page.click(".results a");
  await page.waitForSelector(".waterfall");
  await settled(page);
  assert.deepEqual(await page.$$eval(".row .text", (rows) => rows.map(({ textContent }) => textContent)), ["shop ask client", "shop answer server"]);
});

/** Sends one span, as an application does. */
async function send(span) {
  const now = BigInt(Date.now()) * 1_000_000n;
  const times = { startTimeUnixNano: String(now - 5_000_000n), endTimeUnixNano: String(now) };
  const resource = { attributes: [{ key: "service.name", value: { stringValue: "shop" } }] };
  const body = JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans: [{ traceId: TRACE, ...span, ...times }] }] }] });
  const answer = await fetch(need("OTLP"), { method: "POST", headers: { "content-type": "application/json" }, body });
  assert.equal(answer.status, 200, await answer.text());
}
