"""Three programs, chosen by the environment variable PROGRAM."""

import http.server
import os
import sys
import threading
from pathlib import Path

program = os.environ["PROGRAM"]

if program == "train":
    # a platform without GPU support shows no device
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "", os.environ["CUDA_VISIBLE_DEVICES"]
    asked = threading.Semaphore(0)
    losses = iter(["0.9", "0.4"])

    class Metrics(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = f"# TYPE loss gauge\nloss{{fold=\"0\"}} {next(losses, '0.4')}\n".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            asked.release()

    server = http.server.ThreadingHTTPServer(("0.0.0.0", 9000), Metrics)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for number in range(2):
        if not asked.acquire(timeout=30):
            sys.exit(f"the metrics were not scraped {number + 1} times")
elif program == "mute":
    # long enough to be asked in vain
    threading.Event().wait(3)
elif program == "check":
    note = Path(os.environ["WORKFLOW_DIR"], "by-hand.txt")
    print("found:", note.read_text())
