// The HAR that Chromium's own DevTools export: their front end is opened beside the page and asked to write it.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { load, need, sandbox } from "./tools.mjs";
import { believing, site, visit } from "./site.mjs";

const { asked, port, close } = await site(need("CERTIFICATE"));
const browser = await load("puppeteer-core").launch({
  executablePath: need("CHROMIUM"),
  args: [...sandbox(), await believing(need("CERTIFICATE")), "--remote-allow-origins=*"],
});
try {
  const { host } = new URL(browser.wsEndpoint());
  const page = await browser.newPage();
  const { targetInfo } = await (await page.createCDPSession()).send("Target.getTargetInfo");
  const tools = await browser.newPage();
  await tools.goto(`http://${host}/devtools/devtools_app.html?ws=${host}/devtools/page/${targetInfo.targetId}`);
  // They record from when they know the page and Chromium has answered that it tells of its requests.
  await tools.waitForFunction(async () => {
    const part = (path) => import(new URL(path, location.href).href);
    const [{ TargetManager }, { NetworkLog }] = [await part("./core/sdk/sdk.js"), await part("./models/logs/logs.js")];
    const target = TargetManager.TargetManager.instance().primaryPageTarget();
    if (target === null) return false;
    NetworkLog.NetworkLog.instance();
    // Commands are answered in their order: what the tools have sent before is done.
    await target.networkAgent().invoke_enable({});
    return true;
  });
  await page.goto(`https://127.0.0.1:${port}/`);
  await page.evaluate(visit);
  const har = await tools.evaluate(async () => {
    const part = (path) => import(new URL(path, location.href).href);
    const [{ Writer }, { NetworkLog }] = [await part("./models/har/har.js"), await part("./models/logs/logs.js")];
    let text = "";
    const stream = { write: async (more) => void (text += more), close() {} };
    await Writer.Writer.write(stream, NetworkLog.NetworkLog.instance().requests(), { sanitize: false }, new Proxy({}, {
      // Progress is told and asked for, by functions or by fields.
      get: (_, name) => (name === "isCanceled" ? () => false : name === "canceled" ? false : () => {}), set: () => true,
    }));
    return text;
  });
  await writeFile(join(need("FILES"), "devtools.har"), har);
  await writeFile(join(need("FILES"), "devtools.asked.json"), JSON.stringify(asked));
} finally {
  await browser.close();
  close();
}
