"""How soon an engine stops when its client goes: tokens decoded after that, and the time until the count stands still.

    python benchmarks/cancellation.py [--engine NAME] [--times N]

Counted by the engines (llama.cpp's own counter of decoding steps, the fake engine's log of writes), as in the
conformance suite. The count is asked for again and again, and is answered between two tokens: the time is known to
about one token.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from conformance.cases import NOTES, settled
from conformance.stand import Loop, Stand
from conformance.subjects import SUBJECTS, Counter, Open
from shortlist.clock import monotonic_ns, sleep_blocking_ns

READ = 20
ASKED = 400
_POLL_NS = 10**6
_STILL = 50


def stop_once(counter: Counter, open_: Open, prompt: int) -> tuple[int, float]:
    """Tokens decoded after the client went, and milliseconds until the last of them."""
    before = settled(counter, open_)
    keys = {**open_.long(ASKED), **counter.keys}
    events = open_.client.leave(NOTES[0], lambda events: counter.seen(events) >= READ, **keys)
    gone_ns = last_ns = monotonic_ns()
    count = still = 0
    while still < _STILL:
        now = counter.decoded(open_)
        if now != count:
            count, still, last_ns = now, 0, monotonic_ns()
        still += 1
        sleep_blocking_ns(_POLL_NS)
    return count - before - prompt - counter.seen(events), (last_ns - gone_ns) / 1e6


def examine(name: str, times: int) -> str:
    """One line of figures."""
    subject = SUBJECTS[name]()
    counter = subject.counter
    if counter is None:
        return f"{name:<12} does not say how many tokens it decoded"
    with tempfile.TemporaryDirectory() as folder:
        stand = Stand(subject, Loop(), Path(folder) / "logs")
        try:
            with stand.opened(is_slow=True) as open_:
                before, began_ns = settled(counter, open_), monotonic_ns()
                open_.client.stream(NOTES[0], **open_.long(READ))
                token_ms = (monotonic_ns() - began_ns) / 1e6 / READ
                prompt = settled(counter, open_) - before - READ
                further, times_ms = zip(*(stop_once(counter, open_, prompt) for _ in range(times)), strict=True)
        finally:
            stand.close()
    return (
        f"{name:<12} {token_ms:5.1f} ms a token   further tokens: median {median(further):g}, most {max(further)}"
        f"   last after: median {median(times_ms):.1f} ms, most {max(times_ms):.1f} ms   ({times} times)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=sorted(SUBJECTS))
    parser.add_argument("--times", type=int, default=20)
    asked = parser.parse_args()
    for name in [asked.engine] if asked.engine else SUBJECTS:
        print(examine(name, asked.times), flush=True)


if __name__ == "__main__":
    main()
