"""Mixed traffic on a real service for minutes: every reply right and its own, nothing lost, nothing leaked.

    python benchmarks/soak.py [--minutes 10] [--clients 64] [--kill-every 20] [--seed N]

Loads and evictions (memory for two of three models), clients that leave, bad requests, models unloaded by force, and an
engine killed with SIGKILL every 20 s. Ends with 1, and the evidence, when a claim does not hold.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from serve.soak.soak import Plan, soak, told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--kill-every", type=float, default=20, help="seconds")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    plan = Plan(asked.minutes * 60, asked.clients, asked.kill_every, seed=asked.seed)
    with tempfile.TemporaryDirectory(prefix="soak-") as home:
        found = soak(Path(home), plan)
    print("\n".join(told(found)))
    for failure in found.failures:
        print(f"\nFAILED: {failure}")
    if not found.failures:
        print("every claim holds")
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
