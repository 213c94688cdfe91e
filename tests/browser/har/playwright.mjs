// The HAR that Playwright records of the same visit, with its own exporter.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { load, need, sandbox } from "./tools.mjs";
import { believing, site, visit } from "./site.mjs";

const { asked, port, close } = await site(need("CERTIFICATE"));
const browser = await load("playwright-core").chromium.launch({
  executablePath: need("CHROMIUM"), args: [...sandbox(), await believing(need("CERTIFICATE"))],
});
try {
  const context = await browser.newContext({ recordHar: { path: join(need("FILES"), "playwright.har"), content: "embed", mode: "full" } });
  const page = await context.newPage();
  await page.goto(`https://127.0.0.1:${port}/`);
  await page.evaluate(visit);
  // It writes when the context ends.
  await context.close();
  await writeFile(join(need("FILES"), "playwright.asked.json"), JSON.stringify(asked));
} finally {
  await browser.close();
  close();
}
