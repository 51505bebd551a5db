"""How far runs of the same thing lie apart on a host, as `selftest --aa` measured it: kept, and found again.

Kept are the round means of every run, not the estimate. One file in SHORTLIST_HOME; it holds the newest measurement for
each host, engine, model and number of streams.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shortlist.errors import NotEnoughSamples, StoreError
from shortlist.files import convert, read_json, write_whole
from shortlist.records import SCHEMA_VERSION, to_json
from shortlist.stats.between import between_spread
from shortlist.stats.paired import BetweenRuns

FILE_NAME = "between-runs.json"


@dataclass(frozen=True, slots=True)
class HostSpread:
    """Separate runs of one candidate on one host. `round_means`: figure → one tuple of round means per run.

    Figures as in `results.rounds`: latency.mean, ttft.mean, tokens_per_s, throughput, memory.peak …
    """

    fingerprint: str
    engine: str
    model: str
    streams: int
    at: str
    round_means: Mapping[str, tuple[tuple[float, ...], ...]]
    versions: Mapping[str, str]
    schema_version: int = SCHEMA_VERSION

    def between(self, figure: str) -> BetweenRuns | None:
        """The spread of one figure; None where it was not measured, or the runs are too few to tell."""
        try:
            return between_spread(self.round_means[figure])
        except (KeyError, NotEnoughSamples):
            return None

    @property
    def runs(self) -> int:
        """How many runs it was measured on."""
        return max(map(len, self.round_means.values()), default=0)


def load_spreads(home: Path) -> tuple[HostSpread, ...]:
    """Everything that was kept, newest first; none without a file. Raises InvalidFile for a damaged one."""
    path = home / FILE_NAME
    if not path.exists():
        return ()
    return tuple(sorted(convert(read_json(path), tuple[HostSpread, ...], path), key=lambda one: one.at, reverse=True))


def keep_spread(home: Path, spread: HostSpread) -> None:
    """Keep it in place of an older one of the same host, engine, model and streams. Raises InvalidFile, StoreError."""

    def key(one: HostSpread) -> tuple[str, str, str, int]:
        return one.fingerprint, one.engine, one.model, one.streams

    others = [one for one in load_spreads(home) if key(one) != key(spread)]
    try:
        home.mkdir(parents=True, exist_ok=True)
        write_whole(home / FILE_NAME, to_json([spread, *others]) + b"\n")
    except OSError as error:
        raise StoreError(f"{home / FILE_NAME} cannot be written: {error.strerror}") from error


def find_spread(
    home: Path, fingerprint: str, engine: str | None = None, model: str | None = None, streams: int | None = None
) -> HostSpread | None:
    """The newest measurement on this host with this engine: of the same model at as many streams, else of the model.

    Else that of another model, which stands in for it. An engine that was not measured here has none: another's spread
    says nothing of it. Raises InvalidFile.
    """
    here = [one for one in load_spreads(home) if one.fingerprint == fingerprint and engine in (None, one.engine)]
    return max(here, key=lambda one: (one.model == model, one.streams == streams), default=None)


def between_runs(
    home: Path, fingerprint: str, figure: str, engine: str | None = None, model: str | None = None
) -> BetweenRuns | None:
    """How far runs differ on this host in one figure (`latency.mean`, `throughput` …); None: nobody measured it.

    Raises InvalidFile where the file is damaged.
    """
    found = find_spread(home, fingerprint, engine, model)
    return None if found is None else found.between(figure)
