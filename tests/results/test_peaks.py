"""The most memory that a file took here: by digest, for one way of opening it, on this host alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from results.made_run import make_run
from shortlist.records import Run
from shortlist.results.peaks import Opened
from shortlist.results.store import Store

AS_RUN = Opened(4096, "f16", 1)


@pytest.fixture
def run() -> Run:
    return make_run()


@pytest.fixture
def store(tmp_path: Path, run: Run) -> Iterator[Store]:
    with Store.open(tmp_path / "results.db") as found:
        found.add_run(run)
        yield found


def test_the_highest_peak_of_finished_blocks_is_found_by_the_files_digest(store: Store, run: Run) -> None:
    found = store.memory_peaks(AS_RUN, run.executors[0].fingerprint)
    assert found
    done = {block.id: block.candidate for block in run.blocks if block.state == "done"}
    for candidate in run.info.plan.candidates:
        peaks = [p.total_bytes for p in run.memory_points if p.phase == "peak" and done.get(p.block) == candidate.id]
        if peaks and len(candidate.variant.files) == 1:
            assert found[candidate.variant.files[0].sha256 or ""] == max(peaks)


@pytest.mark.parametrize("opened", [Opened(512, "f16", 1), Opened(4096, "q8_0", 1), Opened(4096, "f16", 4)])
def test_another_way_of_opening_was_not_measured(store: Store, run: Run, opened: Opened) -> None:
    assert store.memory_peaks(opened, run.executors[0].fingerprint) == {}


def test_what_another_host_measured_says_nothing_of_this_one(store: Store) -> None:
    assert store.memory_peaks(AS_RUN, "another host") == {}
