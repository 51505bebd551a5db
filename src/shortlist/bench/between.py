"""The same thing benched several times as separate runs: how far this host's runs lie apart (`selftest --aa`).

Every round of every run is a fresh engine process. The runs follow one another at once and share one client process, so
what changes over days, or with another start of the client, is not in the spread: it is a lower bound of that.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from shortlist.bench.progress import Progress
from shortlist.bench.session import Connection, Session, run_session
from shortlist.clock import iso, wall_ns
from shortlist.errors import NotEnoughSamples
from shortlist.machine import fingerprint, host_facts, versions
from shortlist.records import Run
from shortlist.results.between_runs import HostSpread
from shortlist.results.rounds import round_means, round_values
from shortlist.results.store import Store
from shortlist.results.summary import summarise


async def bench_again_and_again(
    make_session: Callable[[], Session], runs: int, connection: Connection, progress: Progress
) -> HostSpread:
    """So many runs of one candidate, and the spread of their rounds; the runs themselves are not kept.

    Raises NotEnoughSamples where a run did not measure all of its requests; HostBusy.
    """
    done: list[Run] = []
    with (
        tempfile.TemporaryDirectory(prefix="shortlist-aa-") as folder,
        Store.open(Path(folder) / "results.db") as store,
    ):
        for _ in range(runs):
            session = make_session()
            await run_session(session, store, connection, progress)
            done.append(_checked(store.load_run(session.info.id), len(done) + 1))
    return spread_of(done)


def spread_of(runs: Sequence[Run]) -> HostSpread:
    """What these runs of one candidate gave, figure by figure; a figure that a run lacks is left out."""
    suite, candidate = runs[0].info.plan.suite, runs[0].info.plan.candidates[0]
    found = [round_values(run)[candidate.id] for run in runs]
    figures = [name for name in found[0] if all(name in one for one in found)]
    return HostSpread(
        fingerprint=fingerprint(host_facts()),
        engine=candidate.engine,
        model=candidate.label,
        streams=suite.load.concurrency,
        at=iso(wall_ns()),
        round_means={name: tuple(round_means(one[name]) for one in found) for name in figures},
        versions=versions(),
    )


def _checked(run: Run, number: int) -> Run:
    one = summarise(run).candidates[0]
    if one.status != "ok":
        raise NotEnoughSamples(
            f"run {number} of the same thing is {one.status}: {one.reason}", hint="the spread of runs needs whole runs"
        )
    return run
