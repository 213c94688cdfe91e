"""An application of a mesh: listens on PORT, asks NEXT if there is one, and hands the trace on."""

import http.server
import os
import urllib.request

HEADERS = ("traceparent", "tracestate")


class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"end\n"
        if "NEXT" in os.environ:
            headers = {name: self.headers[name] for name in HEADERS if name in self.headers}
            request = urllib.request.Request(os.environ["NEXT"] + self.path, headers=headers)
            with urllib.request.urlopen(request) as answer:
                body = b"next: " + answer.read()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), App)
print("ready", os.getpid(), flush=True)
server.serve_forever()
