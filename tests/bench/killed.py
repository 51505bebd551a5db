"""A bench to be killed: prints `start` when it begins and each acknowledged sample's id at once. argv: store, ref."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.benches import session
from shortlist.bench.session import Connection, resumed_session, run_session
from shortlist.results.store import Store


def say(words: Sequence[str]) -> None:
    """Unbuffered: what was written stays written, whatever happens to this process."""
    os.write(1, "".join(f"{word}\n" for word in words).encode())


def main() -> None:
    """Run, or go on with, one small bench."""
    store = Store.open(Path(sys.argv[1]))
    some = resumed_session(store, sys.argv[2], None, ()) if len(sys.argv) > 2 else session(rounds=3, count=6, warmup=1)
    say(["start", some.info.id])
    asyncio.run(run_session(some, store, Connection(), lambda _told: None, on_ack=say))


if __name__ == "__main__":
    main()
