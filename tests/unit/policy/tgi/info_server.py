"""A program that answers /info as a server of one model would, and nothing else.
A model that holds the file `broken` ends it at once, one that holds `slow` keeps it from ever answering."""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        limits = {"max_total_tokens": 100, "max_input_tokens": 99, "max_concurrent_requests": 8}
        body = json.dumps({"model_id": sys.argv[1], "max_stop_sequences": 4, **limits}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if (Path(sys.argv[1]) / "broken").exists():
    sys.exit(3)
if (Path(sys.argv[1]) / "slow").exists():
    time.sleep(3600)
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
