// Jaeger's own UI over our traces: search, a trace, two traces compared, who calls whom, upload.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { FILES, VIEWER, assert, journey, picture } from "./browser.mjs";

const TRACE = "ce18bd162e4526d50cfc881cb5dbcb3b";

await journey(async (page) => {
  const failed = [];
  page.on("response", (response) => response.status() >= 400 && failed.push(`${response.status()} ${response.url()}`));
  /** Waits for texts; how the UI breaks its lines does not matter. */
  const shows = (...parts) => page.waitForFunction((parts) => {
    const shown = document.body.innerText.replace(/\s+/g, "");
    return parts.every((part) => shown.includes(part.replaceAll(" ", "")));
  }, {}, parts);

  await page.goto(`${VIEWER}/search`);
  await shows("Service (5)");
  await page.click("input[role=combobox]");
  await page.keyboard.type("voting");
  await page.keyboard.press("Enter");
  await shows("Operation (12)");
  await page.click("button[type=submit]");
  await shows("20 Traces", "vote-bot: GET");
  await picture(page, "search");
  await page.goto(`${VIEWER}/search?service=voting&tags=%7B%22error%22%3A%22true%22%7D&limit=20&lookback=1h`);
  await shows("10 Traces");
  await page.click("a.ResultItemTitle--item");
  await page.waitForFunction(() => location.pathname.includes("/trace/"));
  await shows("Total Spans 18");

  await page.goto(`${VIEWER}/trace/${TRACE}`);
  await shows("Total Spans 18");
  assert.equal((await page.$$(".span-row")).length, 18);
  await page.click(".span-row .span-view");
  await shows("http.request.method=GET", "telemetry.sdk.name=opencensus");
  await picture(page, "trace");

  const other = await (await fetch(`${VIEWER}/api/traces?service=voting&limit=1`)).json();
  await page.goto(`${VIEWER}/trace/${TRACE}...${other.data[0].traceID}`);
  await page.waitForSelector(".DiffNode");
  await picture(page, "compare");

  await page.goto(`${VIEWER}/dependencies`);
  // Services, and how often each called which.
  await shows("browser", "vote-bot", "web", "emoji", "voting", "22", "128", "228", "75");
  assert.equal((await page.$$(".DAG--node")).length, 5);
  await picture(page, "dependencies");

  const body = await (await fetch(`${VIEWER}/api/v3/traces/${TRACE}`)).json();
  await writeFile(join(FILES, "otlp.json"), JSON.stringify(body.result).replaceAll(TRACE, "0".repeat(31) + "1"));
  await page.goto(`${VIEWER}/search`);
  await shows("Upload");
  await page.click("::-p-text(Upload)");
  await (await page.waitForSelector("input[type=file]")).uploadFile(join(FILES, "otlp.json"));
  await shows("1 Trace");
  await picture(page, "upload");
  assert.deepEqual(failed, [], "every request of the UI has an answer");
}, { allowsConsole: (message) => message.includes("of chart should be greater than 0") });
