"""What past runs on this host measured, for the router: quality and speed of a model's file, by the prompts' tags.

Reading runs takes numpy and the store, which a service does without: a short-lived process reads them and prints what
matters. It is asked again when the store has changed.
"""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from shortlist.environment import child_environment
from shortlist.process import module_argv
from shortlist.records import Interval
from shortlist.serve.choosing import Measured

log = logging.getLogger(__name__)

MODULE = "shortlist.serve.measured"
STORE_NAME = "results.db"
_RUNS = 30
_LIMIT_S = 20
_MOST_BYTES = 16 * 10**6


class Fact(msgspec.Struct, frozen=True):
    """One candidate of one run."""

    model: str
    sha256: str | None
    run: str
    tags: list[str]
    quality: Interval | None = None
    tokens_per_s: float | None = None


class Facts:
    """What is measured here, as of the store's last change. Never raises: without measurements a route still works."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._store = home / STORE_NAME
        self._stamp: tuple[int, int] | None = None
        self._facts: tuple[Fact, ...] = ()
        self._reading: asyncio.Task[None] | None = None

    async def all(self) -> tuple[Fact, ...]:
        """Every fact, the newest run first."""
        stamp = self._now()
        if stamp != self._stamp:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read(stamp))
            await asyncio.shield(self._reading)
        return self._facts

    def _now(self) -> tuple[int, int] | None:
        stamps = []
        for path in (self._store, self._store.with_name(f"{STORE_NAME}-wal")):
            with contextlib.suppress(OSError):
                status = path.stat()
                stamps += [status.st_mtime_ns, status.st_size]
        return (max(stamps[::2]), sum(stamps[1::2])) if stamps else None

    async def _read(self, stamp: tuple[int, int] | None) -> None:
        self._stamp = stamp
        if stamp is None:
            self._facts = ()
            return
        process = await asyncio.create_subprocess_exec(
            *module_argv(MODULE), str(self._home), env=child_environment(),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(_LIMIT_S):
                out, errors = await process.communicate()
            self._facts = msgspec.json.decode(out, type=tuple[Fact, ...])
        except (TimeoutError, msgspec.DecodeError, msgspec.ValidationError) as error:
            told = "it took too long" if isinstance(error, TimeoutError) else errors.decode(errors="replace")[-300:]
            log.warning("what past runs measured cannot be read, and routes do without: %s", told)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def best_fact(facts: tuple[Fact, ...], model: str, sha256: str | None, tags: tuple[str, ...]) -> Measured | None:
    """The newest that was measured of this file (by digest, else by name) with prompts of these tags."""
    for fact in facts:
        is_same = fact.sha256 == sha256 if sha256 and fact.sha256 else fact.model == model
        if is_same and all(tag in fact.tags for tag in tags):
            return Measured(fact.run, tuple(fact.tags), fact.quality, fact.tokens_per_s)
    return None


def _facts(home: Path) -> Iterator[Fact]:
    from shortlist.machine import fingerprint, host_facts
    from shortlist.results.comparable import imported_from
    from shortlist.results.store import Store
    from shortlist.results.summary import summarise

    host = fingerprint(host_facts())
    with Store.open(home / STORE_NAME) as store:
        for listing in store.list_runs()[:_RUNS]:
            run = store.load_run(listing.id)
            tags = sorted({tag for prompt in run.info.plan.suite.prompts for tag in prompt.tags})
            planned = {candidate.id: candidate for candidate in run.info.plan.candidates}
            is_ours = imported_from(run) is None and any(one.fingerprint == host for one in run.executors)
            for one in summarise(run).candidates:
                candidate = planned.get(one.candidate)
                if candidate is None or one.status != "ok":
                    continue
                files = candidate.variant.files
                quality = one.figures.get("facets") or one.figures.get("rating")
                speed = one.figures.get("tokens_per_s") if is_ours else None
                yield Fact(
                    candidate.model, files[0].sha256 if files else None, run.info.short_id, tags, quality,
                    speed.point if speed else None,
                )  # fmt: skip


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(list(_facts(Path(sys.argv[1])))))
