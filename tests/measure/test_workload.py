import json
from typing import Any

import pytest

from shortlist.errors import BadInput
from shortlist.measure.workload import request_body
from shortlist.records import Generation, Message, Prompt

PROMPT = Prompt("n-1", (Message("system", "Be brief."), Message("user", "Décide: 🙂")))


def body(generation: Generation | None = None, extra: dict[str, Any] | None = None, nonce: str | None = None) -> Any:
    return json.loads(request_body("m", PROMPT, generation or Generation(), extra or {}, nonce=nonce))


def test_a_streamed_request_asks_for_usage() -> None:
    assert body() == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Décide: 🙂"}],
        "max_tokens": 150,
        "temperature": 0.0,
        "seed": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_request_that_is_not_streamed_has_no_stream_options() -> None:
    made = body(Generation(stream=False))
    assert made["stream"] is False
    assert "stream_options" not in made


def test_fixed_tokens_replace_the_limit_and_the_engine_says_how_the_end_is_ignored() -> None:
    made = body(Generation(max_tokens=9, fixed_tokens=64), {"ignore_eos": True})
    assert (made["max_tokens"], made["ignore_eos"]) == (64, True)


def test_a_nonce_stands_before_the_first_message_and_nowhere_else() -> None:
    first, second = body(nonce="7f3a")["messages"]
    assert first["content"] == "[7f3a]\nBe brief."
    assert second["content"] == "Décide: 🙂"


def test_the_same_request_has_the_same_bytes() -> None:
    extra = {"cache_prompt": False, "a": 1}
    again = dict(reversed(extra.items()))
    assert request_body("m", PROMPT, Generation(), extra) == request_body("m", PROMPT, Generation(), again)


def test_an_extra_field_may_repeat_a_planned_one_and_not_change_it() -> None:
    assert body(extra={"seed": 0}) == body()
    with pytest.raises(BadInput, match="seed"):
        body(extra={"seed": 3})


def test_a_prompt_without_messages_is_refused() -> None:
    with pytest.raises(BadInput, match="n-2"):
        request_body("m", Prompt("n-2", ()), Generation(), {})
