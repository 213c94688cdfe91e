// What the writers need from the environment and from target/tools.

import { createRequire } from "node:module";
import { join } from "node:path";

export function need(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: this is run by cargo test -p meshspan-tests har`);
  return value;
}

/** Loads a package of target/tools/browser. */
export const load = createRequire(join(need("BROWSER_TOOLS"), "package.json"));

/** Root, as in a container, has no sandbox for Chromium. */
export const sandbox = () => (process.getuid() === 0 ? ["--no-sandbox"] : []);
