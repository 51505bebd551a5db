"""What a fake engine is told, and the frames that this comes to."""

import json
from dataclasses import fields
from itertools import pairwise
from typing import Any

import pytest

from shortlist.engines.fake_script import _PARSERS, FAILURES, FakeScript, Frame, frames, plan_answer, refusal
from shortlist.errors import BadInput, UnknownName

MS = 10**6
CHAT = {"messages": [{"role": "user", "content": "hi"}], "stream": True, "stream_options": {"include_usage": True}}


def kinds(script: str, request: dict[str, Any] = CHAT, number: int = 1) -> list[str]:
    return [frame.kind for frame in frames(FakeScript.parse(script), request, number)]


def of_kind(script: str, kind: str, request: dict[str, Any] = CHAT) -> list[Frame]:
    return [frame for frame in frames(FakeScript.parse(script), request, 1) if frame.kind == kind]


def text(script: str, request: dict[str, Any]) -> str:
    return "".join(plan_answer(FakeScript.parse(script), request, 1).pieces)


def test_every_field_can_be_written() -> None:
    assert {*_PARSERS, "text"} == {field.name for field in fields(FakeScript)}


def test_keys_are_read_with_their_units() -> None:
    script = FakeScript.parse("ttft=1s, gap=20ms,chunks=3,jitter=5%,fail=hang,every=4,split=7,usage=late,load=2ms")
    assert script == FakeScript(10**9, 20 * MS, 3, 0, 2 * MS, 0.05, 0, 4, 7, "hang", "late")


@pytest.mark.parametrize("word", ["fake", "", "model-a@q4"])
def test_a_word_without_keys_means_the_defaults(word: str) -> None:
    script = FakeScript.parse(word)
    assert (script.ttft, script.gap, script.chunks) == (50 * MS, 5 * MS, 64)


def test_a_text_runs_to_the_end_and_counts_its_words() -> None:
    script = FakeScript.parse("gap=1ms,text=by 3pm, Zoë = owner")
    assert (script.text, script.chunks) == ("by 3pm, Zoë = owner", 5)
    assert FakeScript.parse("text=a b").chunks == 2
    assert FakeScript.parse("chunks=9,text=a b").chunks == 9


@pytest.mark.parametrize("script", ["ttft=fast", "chunks=-1", "chunks=٣", "jitter=200%", "every=0", "chunks=2,gap"])
def test_a_wrong_value_is_bad_input(script: str) -> None:
    with pytest.raises(BadInput):
        FakeScript.parse(script)


def test_a_wrong_key_or_failure_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="chunk") as caught:
        FakeScript.parse("chunk=3")
    assert caught.value.near == ["chunks"]
    with pytest.raises(UnknownName) as caught:
        FakeScript.parse("fail=hanging")
    assert "hang" in caught.value.near


def test_the_schedule_is_absolute_from_arrival() -> None:
    offsets = [frame.offset_ns for frame in of_kind("ttft=50ms,gap=5ms,chunks=64", "text")]
    assert offsets == [50 * MS + i * 5 * MS for i in range(64)]
    assert [frame.offset_ns for frame in of_kind("", "role")] == [0]


def test_jitter_repeats_with_its_seed_and_keeps_its_bound() -> None:
    def gaps(script: str) -> list[int]:
        offsets = [frame.offset_ns for frame in of_kind(script, "text")]
        return [b - a for a, b in pairwise(offsets)]

    first = gaps("jitter=20%,seed=1")
    assert first == gaps("jitter=20%,seed=1") != gaps("jitter=20%,seed=2")
    assert all(4 * MS <= gap <= 6 * MS for gap in first)
    assert len(set(first)) > 50


def test_a_prompt_repeats_its_words_and_another_has_others() -> None:
    other = {**CHAT, "messages": [{"role": "user", "content": "ho"}]}
    assert text("", CHAT) == text("", CHAT) != text("", other)
    assert text("", {**CHAT, "seed": 1}) == text("", {**CHAT, "seed": 2})
    hot = {**CHAT, "temperature": 1.0}
    assert text("", {**hot, "seed": 1}) == text("", {**hot, "seed": 1}) != text("", {**hot, "seed": 2})


def test_max_tokens_cuts_and_ignore_eos_fills() -> None:
    cut = plan_answer(FakeScript(), {**CHAT, "max_tokens": 10}, 1)
    assert (len(cut.pieces), cut.finish_reason) == (10, "length")
    whole = plan_answer(FakeScript(), {**CHAT, "max_tokens": 64}, 1)
    assert (len(whole.pieces), whole.finish_reason) == (64, "stop")
    filled = plan_answer(FakeScript(), {**CHAT, "max_tokens": 100, "ignore_eos": True}, 1)
    assert (len(filled.pieces), filled.finish_reason) == (100, "length")


def test_reasoning_comes_first_and_counts_as_tokens() -> None:
    assert kinds("reasoning=2,chunks=1")[:5] == ["headers", "role", "reasoning", "reasoning", "text"]
    assert plan_answer(FakeScript(reasoning=2, chunks=3), CHAT, 1).usage["completion_tokens"] == 5


def test_usage_is_sent_when_asked_for_and_may_be_late_or_missing() -> None:
    assert kinds("chunks=1")[-2:] == ["usage", "done"]
    assert "usage" not in kinds("chunks=1", {"messages": [], "stream": True})
    assert "usage" not in kinds("chunks=1,usage=off")
    late, finish = of_kind("usage=late", "usage")[0], of_kind("usage=late", "finish")[0]
    assert late.offset_ns - finish.offset_ns == 250 * MS


def test_only_each_nth_request_fails() -> None:
    assert [kinds("chunks=2,fail=empty,every=3", number=n).count("text") for n in range(1, 7)] == [2, 2, 0, 2, 2, 0]


def test_every_failure_has_its_frames() -> None:
    ends = {fail: kinds(f"chunks=4,fail={fail}")[-1:] for fail in FAILURES if fail not in ("start", "refuse")}
    assert ends == {
        "hang": [],
        "close-early": ["close"],
        "broken-sse": ["broken"],
        "not-http": ["close"],
        "error-body": ["error"],
        "error-event": ["error"],
        "empty": ["done"],
        "slow": ["done"],
        "crash": ["crash"],
    }


def test_a_whole_reply_holds_the_text_of_the_stream() -> None:
    (frame,) = of_kind("chunks=5,reasoning=1", "body", {**CHAT, "stream": False})
    reply = json.loads(frame.data.partition(b"\r\n\r\n")[2])
    message = reply["choices"][0]["message"]
    assert message["reasoning_content"] + message["content"] == text("chunks=5,reasoning=1", CHAT)
    assert reply["usage"]["completion_tokens"] == 6
    assert frame.offset_ns == 50 * MS + 6 * 5 * MS


def test_a_stop_string_ends_the_text_where_it_begins() -> None:
    script = FakeScript.parse("gap=1ms,text=ship on Friday and tell Zoë")
    answer = plan_answer(script, CHAT | {"stop": ["no such", "day an"]}, 1)
    assert ("".join(answer.pieces), answer.finish_reason) == ("ship on Fri", "stop")
    assert (len(answer.offsets_ns), answer.end_ns) == (3, script.ttft + 3 * MS)


def test_a_context_cuts_the_answer_and_refuses_a_prompt_that_fills_it() -> None:
    long = CHAT | {"messages": [{"role": "user", "content": "w " * 20}]}
    tokens = plan_answer(FakeScript.parse("gap=1ms"), long, 1).prompt_tokens
    script = FakeScript.parse(f"gap=1ms,context={tokens + 5}")
    answer = plan_answer(script, long, 1)
    assert (len(answer.pieces), answer.finish_reason) == (5, "length")
    assert refusal(script, long) is None
    refused = refusal(FakeScript.parse(f"gap=1ms,context={tokens}"), long)
    assert refused is not None
    assert b"exceed_context_size_error" in refused.data
