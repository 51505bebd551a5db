"""What a deterministic run pins: the same digest for the same, another for anything that moves answers."""

from dataclasses import replace

import pytest

from bench.benches import prompts
from shortlist.bench.pins import ALL, check_pins, pins
from shortlist.bench.plan import make_plan
from shortlist.errors import RunMismatch
from shortlist.records import EngineOptions, Generation, ModelFile, Plan, Suite, Variant, make_candidate


def plan(sha: str = "00", threads: int = 2, rounds: int = 2, **suite: object) -> Plan:
    variant = Variant("gguf", files=(ModelFile("m", 1, sha),))
    one = make_candidate("m", "m", "fake", variant, EngineOptions(threads=threads))
    return make_plan(Suite(prompts(3), rounds=rounds, **suite), [one], "2026-01-01T00:00:00Z")  # type: ignore[arg-type]


def test_the_same_plan_has_the_same_digest_and_more_rounds_change_nothing() -> None:
    assert pins(plan()) == pins(plan()) == pins(plan(rounds=9))


@pytest.mark.parametrize(
    ("other", "moved"),
    [
        (plan(sha="11"), "candidates"),
        (plan(threads=1), "candidates"),
        (plan(generation=Generation(seed=1)), "generation"),
        (plan(generation=Generation(max_tokens=9)), "generation"),
        (plan(order_seed=1), "load"),
        (replace(plan(), suite=replace(plan().suite, prompts=prompts(4))), "prompts"),
    ],
)
def test_what_moves_answers_moves_its_pin_and_the_digest_over_all(other: Plan, moved: str) -> None:
    ours, theirs = pins(plan()), pins(other)
    assert {name for name in ours if ours[name] != theirs[name]} == {moved, ALL}
    with pytest.raises(RunMismatch, match=f"pinned its {moved}, which changed"):
        check_pins(ours, other)


def test_a_run_that_pinned_nothing_may_go_on() -> None:
    check_pins({}, plan())
