"""An application of a mesh: listens on PORT, asks NEXT and all NEXT_… one after the other, hands the trace on."""

import http.server
import os
import urllib.request

HEADERS = ("traceparent", "tracestate")
NEXT = [address for name, address in sorted(os.environ.items()) if name.split("_")[0] == "NEXT"]


class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        headers = {name: self.headers[name] for name in HEADERS if name in self.headers}
        status, body = 200, b""
        for address in NEXT:
            request = urllib.request.Request(address + self.path, headers=headers)
            try:
                with urllib.request.urlopen(request) as answer:
                    body += b"next: " + answer.read()
            except urllib.error.HTTPError as error:
                status, body = error.code, body + b"refused\n"
        self.send_response(status)
        body = body or b"end\n"
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    # Many clients connect at once.
    request_queue_size = 128


server = Server(("127.0.0.1", int(os.environ["PORT"])), App)
print("ready", os.getpid(), flush=True)
server.serve_forever()
