"""Chat completions and models through the service, with llama.cpp behind it."""

from collections.abc import Iterator
from typing import Any

import pytest

from serve.asking import ask, chat
from serve.house import House, open_house

pytestmark = pytest.mark.engine

SCHEMA = {"type": "object", "properties": {"day": {"enum": ["Monday", "Friday"]}}, "required": ["day"]}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house("llamacpp", "notes-small", tmp_path_factory.mktemp("logs")) as opened:
        yield opened


def test_a_chat_is_answered_under_the_models_canonical_name(house: House) -> None:
    """Whatever name was asked for: in the body and in the header."""
    named = ask(house, "/v1/chat/completions", {"model": "also", "messages": [{"role": "user", "content": "Hi"}]})
    assert named.status == 200, named.body
    assert (named.json["model"], named.headers["x-shortlist-model"]) == ("notes-small", "notes-small")
    assert named.json["choices"][0]["message"]["role"] == "assistant"


def test_a_stream_says_what_the_whole_answer_says(house: House) -> None:
    whole = chat(house, temperature=0, max_tokens=12)
    stream = chat(house, temperature=0, max_tokens=12, stream=True)
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.events[-1] == "[DONE]"
    assert stream.text == whole.json["choices"][0]["message"]["content"]
    assert all(event["model"] == "notes-small" for event in stream.events[:-1])


def test_usage_stands_in_a_stream_only_where_it_was_asked_for_and_is_counted_always(house: House) -> None:
    def usages(**keys: Any) -> list[Any]:
        events = chat(house, max_tokens=5, stream=True, ignore_eos=True, **keys).events[:-1]
        return [event["usage"] for event in events if event.get("usage")]

    assert usages() == []
    (usage,) = usages(stream_options={"include_usage": True})
    assert usage["completion_tokens"] == 5
    used = house.models.counted[-1]
    assert (used.prompt_tokens, used.completion_tokens) == (usage["prompt_tokens"], 5)
    assert house.models.counted[-2].completion_tokens == 5


def test_what_shapes_the_answer_reaches_the_engine(house: House) -> None:
    cut = chat(house, temperature=0, max_tokens=40, stop=["review"]).json["choices"][0]
    assert "review" not in cut["message"]["content"]
    logged = chat(house, max_tokens=3, logprobs=True, top_logprobs=2).json["choices"][0]["logprobs"]["content"]
    assert [len(one["top_logprobs"]) for one in logged] == [2] * len(logged)
    seeded = [chat(house, temperature=2, seed=seed, max_tokens=12).json["choices"] for seed in (-5, -5, 2**62)]
    assert seeded[0] == seeded[1] != seeded[2]
    spec = {"type": "json_schema", "json_schema": {"name": "day", "schema": SCHEMA, "strict": True}}
    held = chat(house, max_tokens=60, response_format=spec).json["choices"][0]["message"]["content"]
    assert '"day"' in held


def test_parts_of_text_and_developers_are_understood(house: House) -> None:
    plain = {"model": "notes-small", "temperature": 0, "max_tokens": 8}
    apart = [
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ]
    together = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a\nb"}]
    answers = [ask(house, "/v1/chat/completions", {**plain, "messages": m}).json for m in (apart, together)]
    assert answers[0]["choices"] == answers[1]["choices"]
    assert answers[0]["usage"]["prompt_tokens"] == answers[1]["usage"]["prompt_tokens"]


def test_a_question_over_the_context_is_refused_with_both_numbers_before_any_byte(house: House) -> None:
    for stream in (False, True):
        refused = chat(house, "word " * 3000, stream=stream)
        assert refused.status == 400
        assert refused.error["code"] == "context_length_exceeded"
        assert "6013 tokens" in refused.error["message"]
        assert "1024" in refused.error["message"]
    long = chat(house, max_tokens=1025)
    assert (long.status, long.error["code"], long.error["param"]) == (400, "context_length_exceeded", "max_tokens")


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"temperature": 3}, "temperature", "invalid_value"),
    ({"top_p": -0.1}, "top_p", "invalid_value"),
    ({"max_tokens": 0}, "max_tokens", "invalid_value"),
    ({"max_tokens": "many"}, "max_tokens", "invalid_value"),
    ({"tempreature": 1}, "tempreature", "unknown_parameter"),
    ({"messages": []}, "messages", "invalid_value"),
    ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role", "invalid_value"),
    ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
    ({"messages": [{"role": "user", "content": "x", "mood": 1}]}, "messages[0].mood", "unknown_parameter"),
    ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
    ({"top_logprobs": 3}, "top_logprobs", "invalid_value"),
    ({"stop": ["a", ""]}, "stop[1]", "invalid_value"),
    ({"logit_bias": {"hello": 1}}, "logit_bias", "invalid_value"),
    ({"logit_bias": {"768": 1}}, "logit_bias", "invalid_value"),
    ({"logit_bias": {"9" * 30: 1}}, "logit_bias", "invalid_value"),
    ({"store": True}, "store", "unsupported_parameter"),
    ({"audio": {}}, "audio", "unsupported_parameter"),
    ({"modalities": ["text", "audio"]}, "modalities", "unsupported_parameter"),
    ({"service_tier": "priority"}, "service_tier", "unsupported_parameter"),
    ({"web_search_options": {}}, "web_search_options", "unsupported_parameter"),
    ({"functions": [{}]}, "functions", "unsupported_parameter"),
    ({"min_tokens": 4}, "min_tokens", "unsupported_parameter"),
]


@pytest.mark.parametrize(("keys", "param", "code"), WRONG, ids=[f"{param}-{code}" for _, param, code in WRONG])
def test_a_wrong_parameter_is_named_in_openais_shape(house: House, keys: dict[str, Any], param: str, code: str) -> None:
    refused = chat(house, **keys)
    assert refused.status == 400, refused.body
    assert (refused.error["param"], refused.error["code"]) == (param, code)
    assert refused.error["type"] == "invalid_request_error"


def test_what_is_no_request_at_all_is_refused(house: House) -> None:
    for body in (b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000):
        refused = ask(house, "/v1/chat/completions", body, method="POST")
        assert refused.status == 400, refused.body
        assert refused.error["message"]


def test_labels_and_nulls_change_nothing(house: House) -> None:
    plain = chat(house, temperature=0, max_tokens=8).json["choices"]
    names = ("stop", "tools", "tool_choice", "seed", "logit_bias", "response_format", "stream_options", "n")
    nulls: dict[str, Any] = dict.fromkeys(names)
    labels = {"user": "u-1", "metadata": {"team": "edge"}, "store": False}
    only = {"service_tier": "auto", "modalities": ["text"]}
    assert chat(house, **{"temperature": 0, "max_tokens": 8, **nulls, **labels, **only}).json["choices"] == plain


def test_models_are_listed_and_shown_by_any_name(house: House) -> None:
    (listed,) = ask(house, "/v1/models").json["data"]
    assert (listed["id"], listed["object"]) == ("notes-small", "model")
    assert ask(house, "/v1/models/also").json == listed
    missing = ask(house, "/v1/models/gpt-4o")
    assert (missing.status, missing.error["code"], missing.error["param"]) == (404, "model_not_found", "model")
    asked = ask(house, "/v1/chat/completions", {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]})
    assert (asked.status, asked.error["code"]) == (404, "model_not_found")


def test_request_ids_are_echoed_as_far_as_they_are_safe_and_else_made(house: House) -> None:
    def told(**headers: str) -> str:
        return ask(house, "/v1/models", headers=headers).headers["x-request-id"]

    assert told(**{"X-Request-Id": "team-7:42"}) == "team-7:42"
    assert told(**{"X-Request-Id": "a b<script>\t;"}) == "abscript"
    assert told(**{"X-Request-Id": "x" * 500}) == "x" * 128
    made = {told(), told(), told(**{"X-Request-Id": "<>"})}
    assert len(made) == 3
    assert all(one.startswith("req-") for one in made)


def test_unknown_paths_and_methods_are_errors_in_the_same_shape(house: House) -> None:
    assert (ask(house, "/v1/nothing").status, ask(house, "/v1/nothing").error["code"]) == (404, "not_found")
    wrong = ask(house, "/v1/chat/completions")
    assert (wrong.status, wrong.error["code"], wrong.headers["allow"]) == (405, "method_not_allowed", "POST")


def test_each_request_is_told_to_the_observers(house: House) -> None:
    house.finished.clear()
    answer = chat(house, max_tokens=3)
    (done,) = house.finished
    assert done.request_id == answer.headers["x-request-id"]
    assert (done.route, done.status, done.code, done.client) == ("/v1/chat/completions", 200, None, "127.0.0.1")
    assert done.used is not None
    assert done.lease is not None
    assert (done.lease.model, done.used.completion_tokens) == ("notes-small", 3)
