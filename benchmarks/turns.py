"""Two models that are asked all the time, with memory for one: what each had, the longest wait, the swaps.

python benchmarks/turns.py [--seconds 60] [--clients 16] [--turn 10s]

First two that cost the same (a demo model and a copy of it), then a small and a large one.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from serve.services import daemon
from serve.sharing import OPTIONS, share, twins


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--turn", default="10s")
    asked = parser.parse_args()
    for pair in (None, ("notes-small", "notes-large")):
        with (
            tempfile.TemporaryDirectory(prefix="turns-") as home,
            daemon(Path(home), *OPTIONS, "--turn", asked.turn) as service,
        ):
            shared = share(service, pair or twins(service), asked.clients, asked.seconds)
            print("\n".join(shared.told()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
