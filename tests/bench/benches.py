"""Small benches on the fake engine, for tests: real child processes, a real store, no model."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from shortlist.bench.job import NO_WATCH
from shortlist.bench.progress import Progress
from shortlist.bench.roster import Opening, make_roster
from shortlist.bench.session import Connection, Session, new_session, resumed_session, run_session
from shortlist.quality.prompts import single_prompt
from shortlist.records import EngineOptions, LoadShape, Prompt, Run, RunState, Suite
from shortlist.results.store import Store

QUICK = "ttft=3ms,gap=1ms,chunks=4"
OTHER = "ttft=5ms,gap=1ms,chunks=4"


def prompts(count: int, first: int = 1) -> tuple[Prompt, ...]:
    return tuple(replace(single_prompt(f"Say {n}.")[0], id=f"p-{n:02d}") for n in range(first, first + count))


def session(
    models: Sequence[str] = (QUICK, OTHER),
    *,
    rounds: int = 2,
    count: int = 3,
    is_watched: bool = False,
    **suite: object,
) -> Session:
    """Unless it `is_watched`, a busy machine changes nothing in how often a cell is sent."""
    roster = make_roster(models, None, Opening("fake", EngineOptions()))
    shape = Suite(prompts(count), rounds=rounds, **suite)  # type: ignore[arg-type]
    return new_session(shape, roster, flags=() if is_watched else (NO_WATCH,))


def concurrent(n: int) -> LoadShape:
    return LoadShape(concurrency=n)


def quiet(_told: object) -> None:
    """A bench that nobody watches."""


def run(some: Session, store: Store, progress: Progress = quiet, **options: object) -> RunState:
    return asyncio.run(run_session(some, store, Connection(), progress, **options))  # type: ignore[arg-type]


def resume(store: Store, ref: str = "last", rounds: int | None = None, further: Sequence[Prompt] = ()) -> RunState:
    return run(resumed_session(store, ref, rounds, further), store)


def stored(some: Session, store: Store) -> Run:
    return store.load_run(some.info.id)


def accepted_per_cell(whole: Run) -> dict[str, int]:
    counts = dict.fromkeys((cell.id for cell in whole.info.plan.cells), 0)
    for sample in whole.samples:
        if sample.is_accepted and sample.cell is not None:
            counts[sample.cell] += 1
    return counts


def with_store(tmp_path: Path, work: Callable[[Store], None]) -> None:
    with Store.open(tmp_path / "results.db") as store:
        work(store)
