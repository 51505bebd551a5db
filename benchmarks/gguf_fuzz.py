"""Feed the GGUF reader damaged files for a while: `PYTHONPATH=src:tests python benchmarks/gguf_fuzz.py --seconds 60`.

Prints how many files were accepted and refused, the slowest read and the most memory that one took. Ends with status 1
and keeps the file when anything but InvalidModel comes out, or a read takes over 8 MB.
"""

import argparse
import random
import struct
import sys
import tempfile
import tracemalloc
from collections import Counter
from pathlib import Path

from gguf_files import BROKEN, LLAMA, TENSORS, gguf_bytes, llama_bytes
from shortlist.clock import monotonic_ns
from shortlist.errors import InvalidModel
from shortlist.gguf import read_header
from shortlist.units import duration, size

MOST_BYTES = 8_000_000
AWKWARD = [0, 1, 7, 255, 65536, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]


def seeds() -> list[bytes]:
    """Where mutation starts: valid files, one with a long vocabulary, and every known breakage."""
    long = gguf_bytes({**LLAMA, "tokenizer.ggml.tokens": [f"t{n}" for n in range(3000)]}, TENSORS)
    return [llama_bytes(), long, *(make() for make, _ in BROKEN.values())]


def mutate(data: bytes, pick: random.Random) -> bytes:
    """One to five random injuries."""
    changed = bytearray(data)
    for _ in range(pick.randint(1, 5)):
        place = pick.randrange(len(changed) + 1)
        match pick.randrange(6):
            case 0 if place < len(changed):
                changed[place] ^= pick.randint(1, 255)
            case 1:
                changed[place : place + 8] = struct.pack("<Q", pick.choice(AWKWARD))
            case 2:
                changed[place : place + 4] = struct.pack("<I", pick.choice(AWKWARD) & 0xFFFFFFFF)
            case 3:
                del changed[place:]
            case 4:
                changed[place:place] = changed[place : place + pick.randint(1, 64)]
            case _:
                changed[place : place + 16] = pick.randbytes(pick.randint(0, 16))
    return bytes(changed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    pick, corpus, outcomes = random.Random(options.seed), seeds(), Counter[str]()
    slowest_ns = most_bytes = 0
    end_ns = monotonic_ns() + round(options.seconds * 1e9)
    tracemalloc.start()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzz.gguf"
        while monotonic_ns() < end_ns:
            path.write_bytes(mutate(pick.choice(corpus[:2] if pick.random() < 0.7 else corpus), pick))
            tracemalloc.reset_peak()
            before, began_ns = tracemalloc.get_traced_memory()[0], monotonic_ns()
            try:
                read_header(path)
                outcomes["accepted"] += 1
            except InvalidModel:
                outcomes["refused"] += 1
            except Exception as error:  # noqa: BLE001 — any other exception is the finding
                outcomes[f"{type(error).__name__}: {error}"] += 1
                Path(tempfile.gettempdir(), f"gguf_fuzz_{options.seed}.gguf").write_bytes(path.read_bytes())
            slowest_ns = max(slowest_ns, monotonic_ns() - began_ns)
            most_bytes = max(most_bytes, tracemalloc.get_traced_memory()[1] - before)
    for outcome, count in outcomes.most_common():
        print(f"{count:8} {outcome}")
    print(f"slowest read {duration(slowest_ns)}, most memory {size(most_bytes)}, seed {options.seed}")
    return int(bool(set(outcomes) - {"accepted", "refused"}) or most_bytes > MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main())
