"""Races on real engine processes: who is stopped, who waits, who goes on, and what is said of the rest."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.benches import prompts, quiet, resume, run, session, stored
from bench.races import NEVER_TOLD, asked, decided, model, race, raced, rounds_of, scored
from shortlist.bench.blocks import Notes
from shortlist.bench.plan import extend, make_plan
from shortlist.bench.race import plan_race
from shortlist.bench.session import resumed_session
from shortlist.choose.needs import parse_needs
from shortlist.choose.needsfile import Needs
from shortlist.choose.preferences import Weight
from shortlist.errors import BadInput
from shortlist.records import Json, Run, Suite, TakenLook
from shortlist.results.export import export_run, import_run
from shortlist.results.racing import LOOK, looks_of, race_line
from shortlist.results.store import Store
from shortlist.results.summary import summarise

Note = Callable[[Notes, str, Json], None]


def test_one_clearly_worse_is_stopped_and_the_run_says_what_was_not_measured(tmp_path: Path) -> None:
    whole = raced(race(model(12), model(2)), tmp_path)
    good, poor = summarise(whole).candidates
    assert rounds_of(whole) == [1, 1]
    assert poor.status == good.status == "partial"
    assert poor.reason is not None
    assert poor.reason.startswith(f"stopped at look 1: worse than {good.label} in quality by 0.")
    assert poor.reason.endswith("; 48 of 60 not measured")
    assert good.reason == "the race was over at look 1; 48 of 60 not measured"
    assert race_line(whole) == "race over at look 1 of 5, 24 of 120 requests"


def test_what_the_last_look_said_is_what_choose_says(tmp_path: Path) -> None:
    whole = raced(race(model(12), model(2), model(7), needs=("latency<2s",)), tmp_path)
    last, decision = looks_of(whole.events)[-1], decided(whole)
    made = decision.choice
    assert (made.verdict, made.pick) == (last.verdict, last.pick) == ("ship", whole.info.plan.candidates[0].id)
    assert "cannot be told" not in decision.sentence


def test_the_others_wait_while_the_leader_alone_is_measured_for_its_need(tmp_path: Path) -> None:
    whole = raced(race(model(12), model(2), needs=(NEVER_TOLD,)), tmp_path)
    assert rounds_of(whole) == [5, 1]
    leader, poor = summarise(whole).candidates
    assert leader.status == "ok"
    assert poor.reason is not None
    assert "waits since look 1: worse than" in poor.reason
    assert f"which may still fail {NEVER_TOLD}" in poor.reason
    made = decided(whole)
    assert made.choice.verdict == "not_enough_evidence"
    assert made.behind == (whole.info.plan.candidates[1].id,)
    assert f"{poor.label} cannot" not in made.sentence, "it stands behind and blocks nothing"


@pytest.mark.slow
def test_one_that_waits_is_taken_up_again_when_the_leader_fails(tmp_path: Path) -> None:
    """Its rounds that were passed over are made up for before the next look."""
    whole = raced(race(model(12, "400ms"), model(6), needs=("latency<300ms",), load=12), tmp_path)
    looks = looks_of(whole.events)
    slow, quick = (one.id for one in whole.info.plan.candidates)
    assert quick in looks[0].waiting
    failed_at = next(look for look in looks if slow in look.out)
    assert "300 ms allowed" in failed_at.out[slow]
    assert rounds_of(whole) == [failed_at.after, looks[-1].after]
    assert looks[-1].pick == quick == decided(whole).choice.pick


def test_two_that_no_round_can_tell_apart_end_the_race_at_once(tmp_path: Path) -> None:
    """Every round gets the same answers, so quality that is not told now is not told after five rounds either."""
    whole = raced(race(model(6), model(7)), tmp_path)
    assert rounds_of(whole) == [1, 1]
    assert looks_of(whole.events)[-1].verdict == decided(whole).choice.verdict == "not_enough_evidence"


def test_one_that_does_not_start_is_stopped_at_the_first_look(tmp_path: Path) -> None:
    whole = raced(race(model(12), "fail=start", needs=(NEVER_TOLD,)), tmp_path)
    assert rounds_of(whole) == [5, 1]
    assert "12 of 12 requests failed" in looks_of(whole.events)[0].out[whole.info.plan.candidates[1].id]


def test_a_race_has_the_blocks_and_cells_of_the_plan_without_one() -> None:
    some = race(model(12), model(2))
    plain = make_plan(some.info.plan.suite, some.info.plan.candidates, "2026-11-26T00:00:00Z")
    assert some.info.plan.blocks == plain.blocks


def test_a_race_that_is_over_has_nothing_left_and_an_extension_leaves_out_who_is_out(tmp_path: Path) -> None:
    some = race(model(12), model(2))
    with Store.open(tmp_path / "results.db") as store:
        run(some, store)
        assert resumed_session(store, "last", None, ()).blocks_left == ()
        assert resume(store, rounds=6) == "done"
        whole = stored(some, store)
    assert rounds_of(whole) == [2, 1]
    assert {block.round for block in whole.blocks} == {1, 6}
    assert len(looks_of(whole.events)) == 1


def test_new_blocks_leave_out_who_is_out() -> None:
    plan = race(model(12), model(2)).info.plan
    _, poor = plan.candidates
    grown = extend(plan, 6, prompts(2, first=20), "2026-11-26T00:00:00Z", frozenset({poor.id}))
    assert grown.blocks[: len(plan.blocks)] == plan.blocks
    assert poor.id not in {block.candidate for block in grown.blocks[len(plan.blocks) :]}
    assert grown.looks[-1].first_round == 6


def test_a_race_cut_before_its_look_takes_it_when_it_goes_on(tmp_path: Path) -> None:
    """Killed after the last block of a stage: the look is not lost, and nothing is measured twice."""
    some = race(model(12), model(2), needs=(NEVER_TOLD,))
    with Store.open(tmp_path / "results.db") as store:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Notes, "note", _cancel_at_look(Notes.note))
            with pytest.raises(asyncio.CancelledError):
                run(some, store, quiet)
        assert looks_of(stored(some, store).events) == ()
        assert resume(store) == "done"
        whole = scored(stored(some, store))
    assert [look.number for look in looks_of(whole.events)] == [1, 2, 3, 4, 5]
    assert rounds_of(whole) == [5, 1]
    assert max(block.attempt for block in whole.blocks) == 1


def _cancel_at_look(note: Note) -> Note:
    def cancelling(self: Notes, kind: str, data: Json) -> None:
        if kind == LOOK:
            raise asyncio.CancelledError
        note(self, kind, data)

    return cancelling


def test_a_race_survives_its_export(tmp_path: Path) -> None:
    whole = raced(race(model(12), model(2)), tmp_path)
    again: Run = import_run(export_run(whole))
    assert again.info.plan.race == whole.info.plan.race
    assert looks_of(again.events) == looks_of(whole.events)
    assert isinstance(looks_of(again.events)[0], TakenLook)


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        (Needs(prefer=("rating",)), "ratings: they are given when the run is over"),
        (Needs(parse_needs(["rating>=3"])), "ratings"),
        (Needs(prefer=("quality", "latency")), "no prompt has facets"),
        (Needs(weights=(Weight("facets", 1, 0, 1),)), "facets: no prompt has facets"),
        (Needs(parse_needs(["critical<=0.02"])), "critical"),
    ],
)
def test_what_is_known_only_later_or_never_is_refused_by_name(needs: Needs, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        plan_race(session().info.plan, needs)


def test_one_candidate_or_one_round_is_no_race() -> None:
    plan = session().info.plan
    with pytest.raises(BadInput, match="two candidates"):
        plan_race(replace(plan, candidates=plan.candidates[:1]), Needs())
    with pytest.raises(BadInput, match="two rounds"):
        plan_race(replace(plan, suite=Suite(asked(), rounds=1)), Needs())
