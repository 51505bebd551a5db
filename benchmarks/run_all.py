"""Every benchmark in turn, each in a process of its own; figures go to stdout. Quote ratios and medians of one run."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = {
    "startup": [],
    "client_error": [],
    "client_truth": [],
    "store_delay": [],
    "disturbance": [],
    "bandwidth": [],
    "roofline": ["--moe", "--rounds", "2"],
    "gguf_fuzz": ["--seconds", "10"],
    "fit_error": [],
    "download_waste": [],
    "cancellation": [],
    "aa_real": [],
    "aa_rates": ["--runs", "200", "--power", "100"],
    "ab_rates": ["--runs", "200"],
    "tune_gain": [],
    "tune_rates": ["--runs", "200"],
    "decide_rates": ["--runs", "2000"],
    "race_rates": ["--runs", "500"],
}
"""Name and arguments; the longest last."""


def main() -> int:
    failed = []
    for name, args in SCRIPTS.items():
        print(f"\n== {name} {' '.join(args)}", flush=True)
        done = subprocess.run([sys.executable, str(HERE / f"{name}.py"), *args], check=False)
        if done.returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
