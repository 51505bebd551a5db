"""A foreign program for the tests that loads nothing: a small server with the troubles that real ones have."""

import argparse
import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
QUIET = "start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL"
DETACH = f"import subprocess; print(subprocess.Popen({SLEEPER!r}, {QUIET}).pid)"


def leave_children(file: str) -> None:
    """One in this group, one with a session of its own, and one of that kind whose parent is gone."""
    same = subprocess.Popen(SLEEPER)
    own = subprocess.Popen(SLEEPER, start_new_session=True)
    orphan = subprocess.run([sys.executable, "-c", DETACH], capture_output=True, text=True, check=True).stdout
    with open(f"{file}.part", "w", encoding="utf-8") as out:  # noqa: PTH123 - a plain script
        out.write(f"{os.getpid()} {same.pid} {own.pid} {orphan}")
    os.replace(f"{file}.part", file)  # noqa: PTH105


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ids", default="one")
    parser.add_argument("--device")
    parser.add_argument("--busy", type=int, default=0, help="answers of 503 before the first 200")
    parser.add_argument("--end", type=int, help="end with this status before anything is served")
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--port-to", help="write the port there and serve nothing")
    parser.add_argument("--children")
    parser.add_argument("--environment")
    args = parser.parse_args()
    print(f"loading {args.model}", flush=True)  # noqa: T201
    if args.environment:
        with open(args.environment, "w", encoding="utf-8") as out:  # noqa: PTH123
            json.dump(dict(os.environ), out)
    if args.end is not None:
        print("no such weights: größe", file=sys.stderr, flush=True)  # noqa: T201
        sys.exit(args.end)
    if args.port_to:
        with open(args.port_to, "w", encoding="utf-8") as out:  # noqa: PTH123
            out.write(f"{args.port}\n")
    if args.silent or args.port_to:
        time.sleep(600)  # noqa: TID251 - a foreign program
    if args.children:
        leave_children(args.children)
    left = [args.busy]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            left[0] -= 1
            entries = [{"id": one, **({"device": args.device} if args.device else {})} for one in args.ids.split(",")]
            body = json.dumps({"data": entries}).encode()
            self.send_response(200 if left[0] < 0 else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    HTTPServer(("127.0.0.1", args.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
