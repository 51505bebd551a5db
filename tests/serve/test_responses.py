"""The Responses API's stateless part for text, with llama.cpp and with the fake engine behind it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serve.asking import Answer, ask, chat
from serve.house import House, open_house

pytestmark = pytest.mark.engine

SCHEMA = {"type": "object", "properties": {"day": {"enum": ["Friday"]}}, "required": ["day"]}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house("llamacpp", "notes-small", tmp_path_factory.mktemp("logs")) as opened:
        yield opened


def respond(house: House, given: Any = "Summarise: the budget review is on Friday.", **keys: Any) -> Answer:
    return ask(house, "/v1/responses", {"model": house.models.name, "input": given, "temperature": 0, **keys})


def events(answer: Answer) -> list[dict[str, Any]]:
    """Each event, its name the same as its type, numbered without a gap."""
    frames = answer.body.decode().split("\n\n")
    assert frames.pop() == ""
    found = []
    for number, frame in enumerate(frames):
        name, data = frame.split("\n")
        told: dict[str, Any] = json.loads(data.removeprefix("data: "))
        assert (name, told["sequence_number"]) == (f"event: {told['type']}", number)
        found.append(told)
    return found


def test_a_response_says_what_a_chat_says(house: House) -> None:
    said = chat(house, temperature=0, max_tokens=120).json
    told = respond(house, max_output_tokens=120).json
    (item,) = told["output"]
    assert (item["type"], item["role"], item["status"]) == ("message", "assistant", "completed")
    assert item["content"][0]["text"] == said["choices"][0]["message"]["content"]
    assert (told["object"], told["status"], told["model"], told["store"]) == (
        "response", "completed", "notes-small", False
    )  # fmt: skip
    assert told["usage"]["input_tokens"] == said["usage"]["prompt_tokens"]
    assert told["usage"]["output_tokens"] == said["usage"]["completion_tokens"]
    assert house.models.counted[-1].completion_tokens == said["usage"]["completion_tokens"]


def test_messages_and_instructions_become_the_chats(house: House) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a\nb"}]
    body = {"model": "also", "messages": messages, "temperature": 0, "max_tokens": 8}
    said = ask(house, "/v1/chat/completions", body).json
    parts = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
    told = respond(
        house, [{"type": "message", "role": "user", "content": parts}], instructions="Be brief.", max_output_tokens=8
    ).json
    assert told["output"][0]["content"][0]["text"] == said["choices"][0]["message"]["content"]
    again = respond(house, [*told["output"], {"role": "user", "content": "And?"}], max_output_tokens=8)
    assert again.status == 200, again.body


def test_a_stream_is_the_response_in_numbered_events(house: House) -> None:
    whole = respond(house, max_output_tokens=12).json
    told = events(respond(house, max_output_tokens=12, stream=True))
    kinds = [event["type"] for event in told]
    assert kinds[:4] == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"
    ]  # fmt: skip
    assert set(kinds[4:-4]) == {"response.output_text.delta"}
    assert kinds[-4:-1] == [
        "response.output_text.done", "response.content_part.done", "response.output_item.done"
    ]  # fmt: skip
    text = whole["output"][0]["content"][0]["text"]
    assert "".join(event["delta"] for event in told[4:-4]) == told[-4]["text"] == text
    assert told[-1]["response"]["output"][0]["content"] == whole["output"][0]["content"]
    assert told[-1]["response"]["usage"] == whole["usage"]
    assert {event["response"]["id"] for event in (told[0], told[1], told[-1])} == {told[0]["response"]["id"]}


def test_a_cut_answer_is_incomplete(house: House) -> None:
    cut = respond(house, max_output_tokens=3)
    assert (cut.json["status"], cut.json["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert cut.json["output"][0]["status"] == "incomplete"
    assert events(respond(house, max_output_tokens=3, stream=True))[-1]["type"] == "response.incomplete"


def test_the_text_can_be_held_to_a_schema(house: House) -> None:
    form = {"format": {"type": "json_schema", "name": "day", "schema": SCHEMA, "strict": True}}
    told = respond(house, text=form, max_output_tokens=60).json
    assert '"day"' in told["output"][0]["content"][0]["text"]
    assert told["text"]["format"]["name"] == "day"


@pytest.mark.parametrize(
    ("keys", "param"),
    [
        ({"store": True}, "store"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "c"}, "conversation"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"truncation": "auto"}, "truncation"),
        ({"include": ["message.output_text.logprobs"]}, "include"),
        ({"reasoning": {"summary": "auto"}}, "reasoning.summary"),
        ({"reasoning": {"effort": "high"}}, "reasoning_effort"),
        ({"text": {"verbosity": "low"}}, "verbosity"),
        ({"input": []}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].type"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"temperature": 5}, "temperature"),
    ],
)
def test_what_is_not_of_the_stateless_part_is_refused(house: House, keys: dict[str, Any], param: str) -> None:
    refused = ask(house, "/v1/responses", {"model": "also", "input": "x"} | keys)
    assert (refused.status, refused.error["param"]) == (400, param), refused.body


def test_store_false_and_an_overflow(house: House) -> None:
    assert respond(house, store=False, max_output_tokens=2).status == 200
    for stream in (False, True):
        refused = respond(house, "word " * 3000, stream=stream)
        assert (refused.status, refused.error["code"]) == (400, "context_length_exceeded")


def test_thoughts_are_an_item_of_their_own_and_a_crash_is_the_last_event(tmp_path: Path) -> None:
    with open_house("fake", "ttft=1ms,gap=1ms,chunks=6,reasoning=4", tmp_path) as thinking:
        told = respond(thinking).json
        assert [item["type"] for item in told["output"]] == ["reasoning", "message"]
        assert len(told["output"][0]["content"][0]["text"].split()) == 4
        kinds = [e["type"] for e in events(respond(thinking, stream=True))]
        assert kinds.count("response.reasoning_text.delta") == 4
        assert kinds.count("response.output_item.done") == 2
    with open_house("fake", "ttft=1ms,gap=1ms,chunks=6,fail=crash", tmp_path / "b") as failing:
        last = events(respond(failing, stream=True))[-1]
        assert (last["type"], last["code"]) == ("error", "engine_crashed")
        assert failing.finished[-1].code == "engine_crashed"
