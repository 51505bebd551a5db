"""What must match is named with both values, and let pass by --allow alone."""

from dataclasses import replace
from typing import Any

import pytest

from results.two_runs import base_run, head_run
from shortlist.errors import NotComparable, UnknownName
from shortlist.records import LoadShape, Message, Run
from shortlist.results.comparable import GROUPS, candidate_facts, check_comparable, run_facts
from shortlist.results.pairing import pair_candidates

BASE, HEAD = base_run(), head_run()


def with_suite(run: Run, **changes: Any) -> Run:
    plan = run.info.plan
    return replace(run, info=replace(run.info, plan=replace(plan, suite=replace(plan.suite, **changes))))


def with_generation(**changes: Any) -> Run:
    return with_suite(HEAD, generation=replace(HEAD.info.plan.suite.generation, **changes))


def other_prompt() -> Run:
    first, *others = HEAD.info.plan.suite.prompts
    return with_suite(HEAD, prompts=(replace(first, messages=(Message("user", "Else?"),)), *others))


def other_facets() -> Run:
    first, *others = HEAD.info.plan.suite.prompts
    return with_suite(HEAD, prompts=(replace(first, facets=first.facets[1:]), *others))


def other_host() -> Run:
    executors = (replace(HEAD.executors[0], fingerprint="beef", host={"line": "Ryzen 9, 12 cores"}),)
    return replace(HEAD, executors=executors)


def cached() -> Run:
    plan = HEAD.info.plan
    with_cache = tuple(replace(one, options=replace(one.options, prefix_cache=True)) for one in plan.candidates)
    return replace(HEAD, info=replace(HEAD.info, plan=replace(plan, candidates=with_cache)))


def flagged(*flags: str) -> Run:
    return replace(HEAD, info=replace(HEAD.info, flags=flags))


CASES = {
    "prompts": (other_prompt(), "20 of which 1 only there in BASE, 20 of which 1 only there in HEAD"),
    "facets": (other_facets(), r"what 1 prompt is judged by \(n-001\)"),
    "parameters": (with_generation(max_tokens=20), "max_tokens: 150 in BASE, 20 in HEAD"),
    "load": (with_suite(HEAD, load=LoadShape(concurrency=4)), "1 at a time in BASE, 4 at a time in HEAD"),
    "warm-up": (with_suite(HEAD, warmup=0), "warm-up requests: 1 in BASE, 0 in HEAD"),
    "prefix-cache": (cached(), "prefix cache of tiny: off in BASE, on in HEAD"),
    "hardware": (other_host(), "host: f00d in BASE, Ryzen 9, 12 cores in HEAD"),
    "flags": (flagged("allow-shared", "resident"), "resident in BASE, allow-shared, resident in HEAD"),
    "tool": (flagged("resident", "imported:guidellm 0.8.1"), "measured by: shortlist in BASE, guidellm in HEAD"),
}


def test_every_group_has_a_case() -> None:
    assert CASES.keys() == GROUPS.keys()


@pytest.mark.parametrize("group", CASES)
def test_a_difference_is_refused_by_name_with_both_values_and_let_pass_by_allow(group: str) -> None:
    head, said = CASES[group]
    pairs = pair_candidates(BASE, head).pairs
    with pytest.raises(NotComparable, match=rf"\n  {group}: (?!{group}: ).*{said}") as caught:
        check_comparable(BASE, head, pairs)
    assert caught.value.exit_code == 2
    assert caught.value.hint == f"to compare them all the same: --allow {group}"
    assert {one.group for one in check_comparable(BASE, head, pairs, [group])} == {group}


def test_a_group_that_is_not_allowed_is_still_refused_and_the_hint_keeps_what_was_typed() -> None:
    head = with_suite(other_host(), warmup=3)
    with pytest.raises(NotComparable) as caught:
        check_comparable(BASE, head, pair_candidates(BASE, head).pairs, ["hardware"])
    assert "hardware:" not in caught.value.message
    assert caught.value.hint == "to compare them all the same: --allow warm-up,hardware"


def test_a_group_that_nobody_knows_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="hardwear") as caught:
        check_comparable(BASE, HEAD, (), ["hardwear"])
    assert "hardware" in (caught.value.hint or "")


def test_equal_runs_match_and_extended_ones_too() -> None:
    assert check_comparable(BASE, with_suite(HEAD, rounds=9), pair_candidates(BASE, HEAD).pairs) == ()


def test_what_one_compares_is_named_and_no_mismatch() -> None:
    plan = HEAD.info.plan
    options = replace(plan.candidates[0].options, threads=4)
    changed = (replace(plan.candidates[0], options=options), *plan.candidates[1:])
    blocks = tuple(
        replace(one, endpoint=one.endpoint and replace(one.endpoint, engine_version="b7100")) for one in HEAD.blocks
    )
    executors = (replace(HEAD.executors[0], versions={"shortlist": "0.2.0"}, host={"os": {"release": "6.19"}}),)
    head = replace(
        HEAD, info=replace(HEAD.info, plan=replace(plan, candidates=changed)), blocks=blocks, executors=executors
    )
    pair = pair_candidates(BASE, head).pairs[0]
    assert check_comparable(BASE, head, [pair]) == ()
    assert [(one.what, one.base, one.head) for one in candidate_facts(BASE, head, pair)] == [
        ("engine", "llamacpp b7000", "llamacpp b7100"),
        ("option threads", "2", "4"),
    ]
    assert [(one.what, one.base, one.head) for one in run_facts(BASE, head)] == [
        ("shortlist", "0.1.0", "0.2.0"),
        ("os release", "not known", "6.19"),
    ]


def test_stamps_of_what_is_not_known_are_named_and_no_mismatch() -> None:
    head = flagged("resident", "no-watch")
    assert check_comparable(BASE, head, pair_candidates(BASE, head).pairs) == ()
    assert [(one.what, one.base, one.head) for one in run_facts(BASE, head)] == [("flags", "none", "no-watch")]
