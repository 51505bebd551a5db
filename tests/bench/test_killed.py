"""`kill -9` at any place: no engine left, nothing acknowledged lost, at most the cut block runs again."""

import os
import random
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bench.benches import accepted_per_cell
from bench.races import rounds_of
from shortlist.clock import monotonic_ns
from shortlist.records import Run
from shortlist.results.racing import LOOK
from shortlist.results.store import Store

HERE = Path(__file__).parent
LIMIT_NS = 30 * 10**9


def start(store: Path, *ref: str, **env: str) -> "subprocess.Popen[bytes]":
    path = os.pathsep.join([str(HERE), str(HERE.parent), str(HERE.parents[1] / "src")])
    return subprocess.Popen(
        [sys.executable, str(HERE / "killed.py"), str(store), *ref],
        env={**os.environ, "PYTHONPATH": path, **env},
        stdout=subprocess.PIPE,
    )


def read_for(process: "subprocess.Popen[bytes]", wanted_ns: int) -> bytes:
    """What it prints until so long after `start`, or until its end."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    said, began = b"", None
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        while began is None or monotonic_ns() - began < wanted_ns:
            if waiting.select(0.005):
                piece = process.stdout.read()
                if piece == b"":
                    break
                said += piece or b""
            if began is None and b"start" in said:
                began = monotonic_ns()
    return said


def kill_at(store: Path, moment_ns: int, *what: str, **env: str) -> tuple[str, set[str]]:
    """Kill a bench so long after its start; its run and the samples that it said were on disk."""
    process = start(store, *what, **env)
    said = read_for(process, moment_ns)
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGKILL)
    rest = process.communicate()[0] or b""
    _, still_alive = psutil.wait_procs(family, timeout=10)
    assert still_alive == [], "an engine process outlived its bench"
    words = (said + rest).decode().split()
    return words[1], set(words[2:])


def check_bench(after: Run) -> None:
    assert after.info.state == "done"
    assert set(accepted_per_cell(after).values()) == {1}


def check_race(after: Run) -> None:
    """The leader to the end, the others one round each; every look taken once."""
    assert after.info.state == "done"
    assert rounds_of(after) == [5, 1, 1]
    assert sorted(accepted_per_cell(after).values()) == [0] * 96 + [1] * 84
    looks = [event.data["number"] for event in after.events if event.kind == LOOK]
    assert looks == [1, 2, 3, 4, 5]


def check_place(folder: Path, moment_ns: int, check_whole: Callable[[Run], None] = check_bench, *what: str) -> int:
    """One kill, one resume; how many samples were acknowledged before the kill."""
    path = folder / "results.db"
    run_id, acknowledged = kill_at(path, moment_ns, *what)
    with Store.open(path) as store:
        before = store.load_run(run_id)
    kept = {sample.id for sample in before.samples}
    assert acknowledged <= kept, "an acknowledged sample is lost"
    over = {(b.candidate, b.round) for b in before.blocks if b.state == "done"}
    process = start(path, run_id)
    process.communicate(timeout=60)
    with Store.open(path) as store:
        after = store.load_run(run_id)
    assert process.returncode == 0
    check_whole(after)
    assert kept <= {sample.id for sample in after.samples}
    again = {(b.candidate, b.round) for b in after.blocks if b.attempt > 1}
    assert len(again) <= 1, "more than the cut block was run again"
    assert not again & over
    return len(acknowledged)


def check_noisy_place(folder: Path, moment_ns: int) -> int:
    """One kill of a bench that measures much again, one resume; the samples acknowledged before."""
    path = folder / "results.db"
    run_id, acknowledged = kill_at(path, moment_ns, NOISY="1")
    with Store.open(path) as store:
        kept = {sample.id for sample in store.load_run(run_id).samples}
    assert acknowledged <= kept, "an acknowledged sample is lost"
    process = start(path, run_id, NOISY="1")
    process.communicate(timeout=60)
    with Store.open(path) as store:
        after = store.load_run(run_id)
    assert process.returncode == 0
    assert after.info.state == "done"
    assert set(accepted_per_cell(after).values()) == {1}
    assert kept <= {sample.id for sample in after.samples}
    assert any(s.causes and not s.is_accepted for s in after.samples), "nothing was measured again"
    return len(acknowledged)


def places(count: int, seed: int) -> list[int]:
    """Moments from the very start to about the end of the bench, spread and then jittered."""
    chance = random.Random(seed)
    return [round((n + chance.random()) / count * 2.4e9) for n in range(count)]


def check_all(folder: Path, moments: list[int], check: Callable[[Path, int], int] = check_place) -> None:
    counts = []
    for number, moment in enumerate(moments):
        place = folder / str(number)
        place.mkdir()
        counts.append(check(place, moment))
    # Not vacuous: some were killed with samples on disk and some before the last of the 36 + 6.
    assert max(counts) > 0
    assert min(counts) < 42


@pytest.mark.slow
def test_killed_while_cells_and_blocks_are_measured_again_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    check_all(tmp_path, places(2, seed=13), check_noisy_place)


@pytest.mark.slow
def test_killed_at_6_places_of_measuring_again_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    check_all(tmp_path, places(6, seed=14), check_noisy_place)


@pytest.mark.slow
def test_a_race_killed_and_taken_up_again_is_the_same_race(tmp_path: Path) -> None:
    assert check_place(tmp_path, round(1.3e9), check_race, "race") < 84, "it was killed on its way"


@pytest.mark.slow
def test_a_race_killed_at_6_places_is_the_same_race(tmp_path: Path) -> None:
    for number, moment in enumerate(places(6, seed=13)):
        place = tmp_path / str(number)
        place.mkdir()
        check_place(place, moment, check_race, "race")


@pytest.mark.slow
def test_killed_at_20_random_places_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    check_all(tmp_path, places(20, seed=12))
