"""`--resident`: one process per candidate for the whole run, all of them loaded; else each block its own."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.benches import OTHER, QUICK, resume, run, session, stored
from bench.noisy import install
from shortlist import demo
from shortlist.bench.progress import BlockOver
from shortlist.bench.residents import check_room
from shortlist.bench.roster import Opening, make_roster
from shortlist.errors import DoesNotFit
from shortlist.quality.prompts import single_prompt
from shortlist.records import EngineOptions, Suite
from shortlist.results.store import Store
from shortlist.results.summary import summarise


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "results.db") as opened:
        yield opened


def test_each_candidate_keeps_one_process_and_all_are_there_in_every_block(store: Store) -> None:
    some = session(rounds=3, is_resident=True)
    counted: list[int] = []

    def look(told: object) -> None:
        if isinstance(told, BlockOver):
            counted.append(len(psutil.Process().children()))

    assert run(some, store, look) == "done"
    whole = stored(some, store)
    by_candidate: dict[str, set[int | None]] = {}
    for block in whole.blocks:
        by_candidate.setdefault(block.candidate, set()).add(block.endpoint.pid if block.endpoint else None)
    assert [len(pids) for pids in by_candidate.values()] == [1, 1]
    assert counted == [2] * 6
    assert psutil.Process().children() == []
    loads = sorted((b.candidate, b.round) for b in whole.blocks if b.load_ns is not None)
    assert loads == sorted((one.id, 1) for one in some.info.plan.candidates)
    assert any("share one process" in warning for warning in summarise(whole).warnings)


def test_a_block_that_is_run_again_whole_does_not_lose_what_the_load_took(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, lambda _prompt, _attempt, block: 2.0 if block == 1 else 0.0)
    some = session([QUICK], rounds=2, is_watched=True, is_resident=True)
    run(some, store)
    assert [(b.round, b.state, b.load_ns is None) for b in stored(some, store).blocks] == [
        (1, "cut", False),
        (1, "done", False),
        (2, "done", True),
    ]


def test_without_it_every_block_has_a_process_of_its_own(store: Store) -> None:
    some = session(rounds=2)
    run(some, store)
    assert len({block.endpoint.pid for block in stored(some, store).blocks if block.endpoint}) == 4


def test_one_that_dies_is_opened_again_and_the_others_stay(store: Store) -> None:
    some = session([QUICK, f"{OTHER},fail=crash,every=5"], rounds=2, count=3, warmup=0, is_resident=True)
    run(some, store)
    whole = stored(some, store)
    healthy, dying = (
        {b.endpoint.pid for b in whole.blocks if b.candidate == one.id and b.endpoint}
        for one in some.info.plan.candidates
    )
    assert len(healthy) == 1
    assert len(dying) >= 1
    assert psutil.Process().children() == []


def test_a_resumed_run_loads_all_again(store: Store) -> None:
    some = session(rounds=1, is_resident=True)
    run(some, store)
    assert resume(store, rounds=2) == "done"
    assert len({block.endpoint.pid for block in stored(some, store).blocks if block.endpoint}) == 4


def test_more_than_the_memory_holds_is_refused_with_each_ones_share() -> None:
    roster = make_roster(["notes-small", "notes-large"], None, Opening("llamacpp", EngineOptions(context=512)))
    suite = Suite(single_prompt("x"))
    check_room(roster.candidates, roster.paths, suite, 10**9)
    with pytest.raises(DoesNotFit, match=r"they need 1\d\d MB \(notes-small \d\d\.\d MB, notes-large .*100 MB is free"):
        check_room(roster.candidates, roster.paths, suite, 100 * 10**6)
    assert demo.demo_model_path("notes-large").stat().st_size < 10**7  # the engines themselves are most of it
