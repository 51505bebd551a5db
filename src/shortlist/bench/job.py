"""What a bench is told: the run, where its models lie, and how an engine of a candidate is opened."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shortlist.bench.dimensions import Tariff
from shortlist.bench.hold import NO_HOLD, Hold
from shortlist.bench.known_truth import SelfTested
from shortlist.bench.race import Course
from shortlist.bench.roster import ENDPOINT, engine_options
from shortlist.clock import Clock, RunAxis
from shortlist.engines import Engine, LoadSpec
from shortlist.records import Candidate, Executor, RunInfo, Suite

START_LIMIT_NS = 600 * 10**9
"""How long an engine may take to load; a 70 GB file from a slow disk takes minutes."""

NO_WATCH = "no-watch"
"""The stamp of a run that looked for no disturbance."""

NONCE = "nonce"
"""The stamp of a run in which a random text goes before each prompt, of every candidate alike."""


@dataclass(slots=True)
class Patience:
    """What was in vain so far, so that it is not tried without end. The runs of a sweep share one.

    `dead`: blocks without an answer, by run and candidate. `disturbed`: blocks in a row that stayed too disturbed.
    """

    dead: Counter[tuple[str, str]] = field(default_factory=Counter)
    disturbed: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """A run to be carried out, or carried on: `over` are the blocks (candidate, round) that need nothing more."""

    info: RunInfo
    executor: Executor
    open_engine: Callable[[Candidate], Engine]
    paths: Mapping[str, Path]
    log_dir: Path
    axis: RunAxis
    clock: Clock
    over: frozenset[tuple[str, int]] = frozenset()
    attempts: Mapping[tuple[str, int], int] = field(default_factory=dict)
    deadline_ns: int | None = None
    home: Path | None = None
    tariff: Tariff = Tariff()
    course: Course | None = None
    selftest: SelfTested | None = None
    patience: Patience = field(default_factory=Patience)
    hold: Hold = NO_HOLD


def load_spec(candidate: Candidate, suite: Suite, path: Path | None, log_dir: Path) -> LoadSpec:
    """How a candidate is opened. Somebody else's endpoint is there at once or not at all: a request's limit holds."""
    is_remote = ENDPOINT in candidate.options.extra
    return LoadSpec(
        label=candidate.label,
        model=candidate.model,
        variant=candidate.variant,
        path=path,
        options=engine_options(candidate),
        parallel=suite.load.concurrency,
        log_dir=log_dir,
        timeout_ns=suite.timeout_ns if is_remote else START_LIMIT_NS,
    )
