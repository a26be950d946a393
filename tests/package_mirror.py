"""A package index on loopback that hands on what pypi.org has, files under addresses of its own; prints its address.

A process of its own, since the tests' process cannot leave the machine.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

UPSTREAM = {"/simple/": "https://pypi.org/simple/", "/files/": "https://files.pythonhosted.org/"}


class Mirror(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Fetch the page or file above; links of a page lead back here."""
        prefix = next(prefix for prefix in UPSTREAM if self.path.startswith(prefix))
        try:
            with urllib.request.urlopen(UPSTREAM[prefix] + self.path.removeprefix(prefix), timeout=120) as reply:
                body, kind, status = reply.read(), reply.headers["Content-Type"], 200
        except urllib.error.HTTPError as error:
            body, kind, status = b"", "text/plain", error.code
        if prefix == "/simple/":
            here = f"http://127.0.0.1:{self.server.server_port}/files"  # type: ignore[attr-defined]
            body = body.replace(b"https://files.pythonhosted.org", here.encode())
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}/simple\n")
    sys.stdout.flush()
    server.serve_forever()
