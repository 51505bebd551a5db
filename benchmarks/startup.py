"""How long `shortlist --help` takes, beside a bare `python -c pass`: median of 15, interleaved."""

import subprocess
import sys
from statistics import median

from shortlist.clock import monotonic_ns

RUNS = 15
HELP = [sys.executable, "-c", "import sys; from shortlist.cli import main; sys.argv = ['shortlist', '--help']; main()"]
BARE = [sys.executable, "-c", "pass"]


def once(argv: list[str]) -> float:
    """Milliseconds of wall time."""
    began = monotonic_ns()
    subprocess.run(argv, check=True, capture_output=True)
    return (monotonic_ns() - began) / 1e6


def main() -> None:
    once(HELP)
    pairs = [(once(HELP), once(BARE)) for _ in range(RUNS)]
    helped, bare = (median(side) for side in zip(*pairs, strict=True))
    print(f"shortlist --help   median {helped:6.1f} ms of {RUNS}   (limit 150)")
    print(f"python -c pass     median {bare:6.1f} ms")


if __name__ == "__main__":
    main()
