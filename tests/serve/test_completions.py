"""Completions, several choices, token counts: what is more than one chat answer, with llama.cpp behind it."""

from collections.abc import Iterator
from typing import Any

import pytest

from serve.asking import Answer, ask, chat
from serve.house import House, open_house

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house("llamacpp", "notes-small", tmp_path_factory.mktemp("logs")) as opened:
        yield opened


def complete(house: House, prompt: Any = "The budget", **keys: Any) -> Answer:
    plain = {"model": "also", "prompt": prompt, "temperature": 0, "max_tokens": 6}
    return ask(house, "/v1/completions", plain | keys)


def texts(answer: Answer) -> list[str]:
    """Each choice's text, of a stream too."""
    found: dict[int, str] = {}
    events = [answer.json] if answer.headers["content-type"] == "application/json" else answer.events
    for event in events:
        for choice in event["choices"] if event != "[DONE]" else ():
            said = choice["text"] if "text" in choice else choice.get("delta", choice.get("message")).get("content")
            found[choice["index"]] = found.get(choice["index"], "") + (said or "")
    return [found[index] for index in sorted(found)]


def test_several_prompts_times_n_are_as_many_choices_with_their_own_index_and_summed_usage(house: House) -> None:
    prompts = ["The budget", "We agreed to ship on Friday and"]
    alone = [complete(house, prompt).json for prompt in prompts]
    many = complete(house, prompts, n=2)
    assert many.status == 200, many.body
    assert [choice["index"] for choice in many.json["choices"]] == [0, 1, 2, 3]
    assert texts(many) == [texts_of for one in alone for texts_of in [one["choices"][0]["text"]] * 2]
    prompt = sum(one["usage"]["prompt_tokens"] for one in alone)
    completion = 2 * sum(one["usage"]["completion_tokens"] for one in alone)
    assert many.json["usage"] == {
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion
    }  # fmt: skip
    used = house.models.counted[-1]
    assert (used.prompt_tokens, used.completion_tokens) == (prompt, completion)


def test_a_stream_of_several_choices_says_the_same(house: House) -> None:
    whole = complete(house, ["The budget", "Zoë owns"], n=2)
    stream = complete(house, ["The budget", "Zoë owns"], n=2, stream=True, stream_options={"include_usage": True})
    assert texts(stream) == texts(whole)
    assert stream.events[-1] == "[DONE]"
    assert stream.events[-2]["usage"] == whole.json["usage"]
    assert stream.events[-2]["choices"] == []
    assert len({event["id"] for event in stream.events[:-1]}) == 1
    ends = [c for event in stream.events[:-1] for c in event["choices"] if c["finish_reason"]]
    assert sorted(choice["index"] for choice in ends) == [0, 1, 2, 3]
    unasked = complete(house, stream=True)
    assert not any("usage" in event for event in unasked.events[:-1])


def test_chats_have_several_choices_that_a_seed_repeats_and_does_not_make_alike(house: House) -> None:
    keys: dict[str, Any] = {"n": 3, "temperature": 2, "seed": 7, "max_tokens": 12}
    first = chat(house, **keys)
    assert texts(first) == texts(chat(house, **keys)) == texts(chat(house, **keys, stream=True))
    assert len(set(texts(first))) > 1
    assert texts(first)[0] == texts(chat(house, **(keys | {"n": 1})))[0]
    assert first.json["usage"]["completion_tokens"] > 12


def test_completions_have_their_own_shape_of_logprobs(house: House) -> None:
    for stream in (False, True):
        answer = complete(house, logprobs=2, stream=stream)
        events = [e for e in answer.events if e != "[DONE]"] if stream else [answer.json]
        told = [c["logprobs"] for event in events for c in event["choices"] if c["logprobs"]]
        tokens = [token for one in told for token in one["tokens"]]
        assert "".join(tokens) == texts(answer)[0]
        assert all(value <= 0 for one in told for value in one["token_logprobs"])
        assert {len(top) for one in told for top in one["top_logprobs"]} == {2}
        offsets = [offset for one in told for offset in one["text_offset"]]
        assert offsets == [sum(map(len, tokens[:n])) for n in range(len(tokens))]
    assert complete(house).json["choices"][0]["logprobs"] is None
    (bare,) = complete(house, logprobs=0).json["choices"]
    assert set(bare["logprobs"]["top_logprobs"]) == {None}


def test_logprobs_of_a_chat_hold_no_alternatives_unless_asked_for(house: House) -> None:
    for stream in (False, True):
        answer = chat(house, logprobs=True, max_tokens=4, stream=stream)
        events = [e for e in answer.events if e != "[DONE]"] if stream else [answer.json]
        told = [one for e in events for c in e["choices"] if c.get("logprobs") for one in c["logprobs"]["content"]]
        assert len(told) == 4
        assert all(one["top_logprobs"] == [] and one["logprob"] <= 0 for one in told)


def test_tokens_are_a_prompt_too(house: House) -> None:
    assert complete(house, [5, 6, 7]).json["usage"]["prompt_tokens"] == 3
    assert len(complete(house, [[5, 6], [7]]).json["choices"]) == 2


def test_one_wrong_prompt_of_several_is_an_error_and_nothing_else(house: House) -> None:
    for stream in (False, True):
        refused = complete(house, ["short", "word " * 3000], stream=stream)
        assert (refused.status, refused.error["code"]) == (400, "context_length_exceeded")


@pytest.mark.parametrize(
    ("keys", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": [-1]}, "prompt[0]"),
        ({"prompt": ["a"] * 40, "n": 2}, "n"),
        ({"n": 0}, "n"),
        ({"n": 17}, "n"),
        ({"echo": True}, "echo"),
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 3}, "best_of"),
        ({"logprobs": 21}, "logprobs"),
        ({"messages": []}, "messages"),
    ],
)
def test_wrong_completions_are_refused_by_name(house: House, keys: dict[str, Any], param: str) -> None:
    refused = complete(house, **keys)
    assert (refused.status, refused.error["param"]) == (400, param), refused.body


def test_a_count_is_what_the_engine_then_uses(house: House) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Zoë owns the budget."}]
    counted = ask(house, "/v1/tokens/count", {"model": "also", "messages": messages})
    asked = ask(house, "/v1/chat/completions", {"model": "also", "messages": messages, "max_tokens": 1})
    used = asked.json["usage"]["prompt_tokens"]
    assert (counted.json["tokens"], counted.json["context_length"]) == (used, 1024)
    path = "/v1/chat/completions/tokenizer/encode/count"
    foundry = ask(house, path, {"model": "also", "messages": messages, "max_tokens": 4, "stream": True})
    assert foundry.json == {"tokenCount": used}
    text = ask(house, "/v1/tokens/count", {"model": "also", "text": "The budget"})
    assert text.json["tokens"] == complete(house).json["usage"]["prompt_tokens"]
    neither = ask(house, "/v1/tokens/count", {"model": "also"})
    assert (neither.status, neither.error["param"]) == (400, "messages")


@pytest.mark.parametrize("path", ["/v1/tokens/count", "/v1/chat/completions/tokenizer/encode/count"])
@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {}},
        {"type": "file", "file": {}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ],
)
def test_what_the_model_could_not_read_is_not_counted(house: House, path: str, part: dict[str, Any]) -> None:
    refused = ask(house, path, {"model": "also", "messages": [{"role": "user", "content": [part]}]})
    assert (refused.status, refused.error["code"]) == (400, "unsupported_parameter"), refused.body


def test_a_chat_model_gives_no_embeddings(house: House) -> None:
    refused = ask(house, "/v1/embeddings", {"model": "also", "input": "Zoë"})
    assert (refused.status, refused.error["code"], refused.error["param"]) == (400, "unsupported_parameter", "model")
