"""A bench to be killed: prints `start` when it begins and each acknowledged sample's id at once.

argv: store, and `race` for a race or the run to go on with. With NOISY in the environment much of it is disturbed:
cells and whole blocks are measured again.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.benches import session
from bench.noisy import install
from bench.races import NEVER_TOLD, model, race
from shortlist.bench.session import Connection, Session, resumed_session, run_session
from shortlist.results.store import Store


def say(words: Sequence[str]) -> None:
    """Unbuffered: what was written stays written, whatever happens to this process."""
    os.write(1, "".join(f"{word}\n" for word in words).encode())


def restless(prompt: str, attempt: int, block: int) -> float:
    """One cell is disturbed once in every block, and every third block as a whole."""
    return 2.0 if (prompt == "p-02" and attempt == 1) or block % 3 == 2 else 0.0


def begun(store: Store, ref: str, *, is_watched: bool) -> Session:
    """What is asked for: a bench, a race, or a run to go on with."""
    if ref == "race":
        return race(model(12), model(2), model(6), needs=(NEVER_TOLD,))
    return resumed_session(store, ref, None, ()) if ref else session(rounds=3, count=6, warmup=1, is_watched=is_watched)


def main() -> None:
    """Run, or go on with, one small bench."""
    store = Store.open(Path(sys.argv[1]))
    is_noisy = "NOISY" in os.environ
    if is_noisy:
        install(pytest.MonkeyPatch(), restless)
    some = begun(store, sys.argv[2] if len(sys.argv) > 2 else "", is_watched=is_noisy)
    say(["start", some.info.id])
    asyncio.run(run_session(some, store, Connection(), lambda _told: None, on_ack=say))


if __name__ == "__main__":
    main()
