"""What a tuning prints: the outcome in words, before and after, everything that was tried; at most 80 columns."""

import json
from dataclasses import replace

import msgspec
import pytest

from shortlist.profiles import Profile
from shortlist.records import EngineOptions, to_json
from shortlist.report.tuned import Tuned, tuned_data, tuned_lines
from shortlist.tune.grid import Setting
from tune.labs import DrawnLab
from tune.test_search import search

PROFILE = Profile("h", 2, "v", "e", "1", EngineOptions(threads=1), "m", "tokens_per_s", "2026-11-26T10:00:00.000Z", "r")


def tuned(lab: DrawnLab, budget_s: int = 600, **more: object) -> Tuned:
    found, took_s = search(lab, budget_s, **more)  # type: ignore[arg-type]
    return Tuned("m", "tokens_per_s", "2 prompts", found, round(took_s * 1e9), budget_s * 10**9)


def test_a_gain_stands_first_with_its_interval_and_how_to_undo_it() -> None:
    lines = tuned_lines(replace(tuned(DrawnLab({"threads=1": 1.3})), kept=PROFILE))
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert lines[0].startswith("m: threads=1 is faster than the default: output tokens/s +")
    assert "over 12 paired rounds" in " ".join(text.split())
    assert "shortlist tune m --undo" in " ".join(text.split())
    assert "behind, race" in text
    assert "kept as runs run-1, run-2, run-3" in text


def test_nothing_faster_and_not_told_apart_are_two_things() -> None:
    assert "nothing faster than the default was found" in tuned_lines(tuned(DrawnLab({}, own_sd=0.002)))[0]
    short = tuned_lines(tuned(DrawnLab({"threads=1": 1.3}), budget_s=40))
    assert "not told apart" in short[0]
    assert "the default stays" in " ".join(" ".join(short[:2]).split())
    assert any(line.strip().startswith("not tried, ") for line in short)


def test_what_may_change_the_text_and_looked_faster_is_told_loudly() -> None:
    lines = tuned_lines(tuned(DrawnLab({"threads=1": 1.4}, altering=frozenset({"threads=1"}))))
    text = " ".join(" ".join(lines).split())
    assert "changes the text: 1 of 1, from character 15" in text
    assert "looked faster, and may change what the model says: threads=1;" in text


@pytest.mark.parametrize("effect", [1.3, 0.8])
def test_an_older_profile_is_told_to_stay_or_to_be_dropped(effect: float) -> None:
    older = Setting("e", EngineOptions(threads=1, extra={"ubatch": "32"}), "profile")
    one = replace(tuned(DrawnLab({"ubatch=32": effect}), current=older), before=PROFILE)
    assert "The profile of 2026-11-26 stays" in "\n".join(tuned_lines(one))
    dropped = replace(one, kept=replace(PROFILE, options=EngineOptions()))
    assert "is no faster than the default now, and is dropped" in " ".join(" ".join(tuned_lines(dropped)).split())


def test_the_same_as_data() -> None:
    one = tuned(DrawnLab({"threads=1": 1.3}, broken=frozenset({"ubatch=64"})))
    data = json.loads(msgspec.json.encode(tuned_data(one)))
    assert (data["outcome"], data["pick"], data["default"]) == ("faster", "e threads=1", "e default")
    told = {row["setting"]: row for row in data["tried"]}
    assert told["e ubatch=64"]["fate"] == "it broke"
    assert told["e threads=1"]["answers"]["changed"] == 0
    assert data["compared"]["e threads=1"]["speedup"]["low"] > 1
    assert [run["phase"] for run in data["runs"]] == ["first round", "race", "comparison"]
    assert json.loads(to_json(data)) == data
