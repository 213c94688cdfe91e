// A small web site over TLS, HTTP/2 and HTTP/1.1, that keeps account of what it was asked and what it answered.

import { X509Certificate, createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import http2 from "node:http2";
import { gzipSync } from "node:zlib";

/** Bytes that are no text. */
export const PIXEL = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

const PAGE = `<!doctype html><title>Shop</title><link rel="icon" href="data:,"><img src="/pixel.png" alt=""><img alt=""
  src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"><script src="/app.js"></script>`;

/** By path: how it is answered. */
const ROUTES = {
  "/": () => ({ headers: { "content-type": "text/html; charset=utf-8" }, body: PAGE }),
  "/app.js": () => ({ headers: { "content-type": "text/javascript", "cache-control": "max-age=3600" }, body: "window.loaded = true;" }),
  "/pixel.png": () => ({ headers: { "content-type": "image/png" }, body: PIXEL }),
  "/api/list": () => ({
    headers: { "content-type": "application/json", "content-encoding": "gzip", "set-cookie": ["a=1; Path=/", "b=2; Path=/"] },
    body: JSON.stringify({ names: ["żółw", "🐢"] }), coded: gzipSync,
  }),
  "/api/echo": ({ body }) => ({ status: 201, headers: { "content-type": "application/octet-stream" }, body }),
  "/api/gone": () => ({ status: 404, headers: { "content-type": "text/plain" }, body: "no such thing\n" }),
  "/api/nothing": () => ({ status: 204, headers: {}, body: "" }),
  "/api/old": () => ({ status: 302, headers: { location: "/api/new?from=old" }, body: "" }),
  "/api/new": () => ({ headers: { "content-type": "text/plain" }, body: "here" }),
  "/api/etag": ({ headers }) => (headers["if-none-match"] === '"1"'
    ? { status: 304, headers: { etag: '"1"' }, body: "" }
    : { headers: { "content-type": "text/plain", etag: '"1"', "cache-control": "no-cache" }, body: "the same as ever" }),
};

/** What makes Chromium believe the site's certificate, so that it caches, too. */
export async function believing(folder) {
  const { publicKey } = new X509Certificate(await readFile(`${folder}/cert.pem`));
  const hash = createHash("sha256").update(publicKey.export({ type: "spki", format: "der" })).digest("base64");
  return `--ignore-certificate-errors-spki-list=${hash}`;
}

/** Listens on a free port; `asked` is what was asked so far. */
export async function site(folder) {
  const [cert, key] = await Promise.all(["cert.pem", "key.pem"].map((name) => readFile(`${folder}/${name}`)));
  const asked = [];
  const server = http2.createSecureServer({ cert, key, allowHTTP1: true }, async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { pathname } = new URL(request.url, "https://site.test");
    const body = Buffer.concat(chunks);
    const route = ROUTES[pathname] ?? ROUTES["/api/gone"];
    const answer = { status: 200, ...route({ headers: request.headers, body }) };
    // A connection that breaks is no answer.
    if (pathname === "/api/broken") return (request.stream?.session ?? request).destroy();
    // Nor does a visitor get one who stops at once; whether the request comes here at all, is chance.
    if (pathname === "/api/stopped") return;
    const plain = Buffer.from(answer.body);
    // DevTools look whether the site is a project of theirs, and do not write that down.
    if (!pathname.startsWith("/.well-known/")) asked.push({
      method: request.method, path: request.url, version: request.httpVersion, authority: request.authority ?? request.headers.host,
      headers: Object.entries(request.headers).filter(([name]) => !name.startsWith(":")), body: body.toString("base64"),
      status: answer.status, answerHeaders: Object.entries(answer.headers), answer: plain.toString("base64"),
    });
    response.writeHead(answer.status, answer.headers);
    response.end(answer.coded ? answer.coded(plain) : plain);
  });
  server.on("upgrade", (request, socket) => {
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`);
    // One text frame: hi.
    socket.write(Buffer.from([0x81, 2, 0x68, 0x69]));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { asked, port: server.address().port, close: () => server.close() };
}

/** What a visitor's page does there, beside being loaded. */
export async function visit() {
  await fetch("/api/list?page=1&q=a%20b");
  await fetch("/api/echo", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ text: "zażółć" }) });
  await fetch("/api/echo?binary", { method: "PUT", headers: { "content-type": "application/octet-stream" }, body: new Uint8Array([0, 255, 128, 10]) });
  await fetch("/api/echo?form", { method: "POST", body: new URLSearchParams({ a: "1 2", b: "&" }) });
  await fetch("/api/gone");
  await fetch("/api/nothing", { method: "DELETE" });
  await fetch("/api/old");
  await fetch("/api/etag");
  await fetch("/api/etag");
  await fetch("/app.js");
  await fetch("/api/list", { method: "HEAD" });
  await fetch("data:text/plain,inline").then((answer) => answer.text());
  await fetch(URL.createObjectURL(new Blob(["local"]))).then((answer) => answer.text());
  await fetch("/api/broken").catch(() => {});
  const stopped = new AbortController();
  const never = fetch("/api/stopped", { signal: stopped.signal }).catch(() => {});
  stopped.abort();
  await never;
  await new Promise((resolve) => {
    const socket = new WebSocket(`wss://${location.host}/socket`);
    socket.onmessage = () => (socket.send("ho"), socket.close(), resolve());
    socket.onerror = resolve;
  });
}
