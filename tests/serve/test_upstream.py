"""A service before another service: an endpoint that others run gets every parameter, and its word is passed on."""

from collections.abc import Iterator

import pytest

from serve.asking import ask, chat
from serve.house import House, open_house

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, House]]:
    """Ours, and theirs behind it."""
    logs = tmp_path_factory.mktemp("logs")
    with (
        open_house("llamacpp", "notes-small", logs) as theirs,
        open_house("remote", f"notes-small at {theirs.url}/v1", logs) as ours,
    ):
        yield ours, theirs


def test_an_answer_comes_through_under_our_name(houses: tuple[House, House]) -> None:
    ours, theirs = houses
    for stream in (False, True):
        mine = chat(ours, temperature=0, max_tokens=9, stream=stream)
        there = chat(theirs, temperature=0, max_tokens=9, stream=stream)
        if stream:
            assert mine.text == there.text
            assert {event["model"] for event in mine.events[:-1]} == {"ours"}
            assert mine.events[-1] == "[DONE]"
        else:
            assert mine.json["choices"] == there.json["choices"]
            assert (mine.json["model"], mine.json["usage"]) == ("ours", there.json["usage"])


def test_parameters_are_passed_on_and_usage_where_it_is_asked_for(houses: tuple[House, House]) -> None:
    ours, _ = houses
    logged = chat(ours, max_tokens=2, logprobs=True, top_logprobs=2).json["choices"][0]["logprobs"]["content"]
    assert [len(one["top_logprobs"]) for one in logged] == [2, 2]
    asked = chat(ours, max_tokens=2, stream=True, stream_options={"include_usage": True})
    assert asked.events[-2]["usage"]["completion_tokens"] == 2
    chat(ours, max_tokens=2, stream=True)
    assert ours.models.counted[-1].completion_tokens is None
    embedded = ask(ours, "/v1/embeddings", {"model": "ours", "input": "x"})
    assert (embedded.status, embedded.error["code"]) == (400, "invalid_request")


def test_its_refusals_keep_their_status(houses: tuple[House, House]) -> None:
    ours, _ = houses
    long = chat(ours, "word " * 3000)
    assert (long.status, long.error["code"]) == (400, "context_length_exceeded")
    tools = chat(ours, tools=[{"type": "function", "function": {"name": "f"}}])
    assert (tools.status, tools.error["code"]) == (400, "invalid_request")
