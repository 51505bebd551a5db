"""Tools: with a model whose template has them, on random weights; a forced call is held to the function's schema."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import make_random_gguf
from serve.asking import Answer, ask
from serve.house import House, open_house
from shortlist.gguf import read_header

pytestmark = pytest.mark.engine

TEMPLATE = """{%- if tools %}<|im_start|>system
# Tools
<tools>{%- for tool in tools %}
{{ tool | tojson }}{%- endfor %}
</tools>
A call is a JSON object with a name and parameters, and nothing else.<|im_end|>
{% endif %}
{%- for message in messages %}
{%- if message.role == "assistant" %}<|im_start|>assistant
{%- if message.content %}
{{ message.content }}{%- endif %}
{%- for call in message.tool_calls or [] %}
{%- if call.function %}{%- set call = call.function %}{%- endif %}
{"name": "{{ call.name }}", "parameters": {{ call.arguments | tojson }}}{%- endfor %}<|im_end|>
{% elif message.role == "tool" %}<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{% else %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
ARGUMENTS = {
    "type": "object",
    "properties": {"day": {"enum": ["Monday", "Friday"]}},
    "required": ["day"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "book", "description": "Book a day", "parameters": ARGUMENTS}}


OTHER = {"type": "function", "function": {"name": "cancel", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("tools")
    path: Path = folder / "tools.gguf"
    plain = make_random_gguf._tokenizer
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make_random_gguf, "_tokenizer", lambda *a: {**plain(*a), "tokenizer.chat_template": TEMPLATE})
        make_random_gguf.write_random_gguf(path, make_random_gguf.SHAPES["tiny"], "q8_0")
    with open_house("llamacpp", str(path), folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def bias(house: House) -> dict[str, int]:
    """Random weights would talk on for ever: they begin their call at once, and put no white space into it."""
    tokens = read_header(house.logs / "tools.gguf").metadata["tokenizer.ggml.tokens"]
    assert isinstance(tokens, tuple)
    given = {str(index): -100 for index, token in enumerate(tokens) if token in ("Ċ", "Ġ", "ĉ", "č")}
    return given | {str(tokens.index("{")): 100}


def call(house: House, **keys: Any) -> Answer:
    messages = [{"role": "user", "content": "Book Friday"}]
    body = {"model": "also", "messages": messages, "tools": [OTHER, TOOL], "max_tokens": 100, "temperature": 0}
    return ask(house, "/v1/chat/completions", body | {"parallel_tool_calls": False} | keys)


def test_a_function_that_is_named_is_called_with_valid_arguments(house: House, bias: dict[str, int]) -> None:
    answer = call(house, tool_choice={"type": "function", "function": {"name": "book"}}, logit_bias=bias)
    assert answer.status == 200, answer.body
    (choice,) = answer.json["choices"]
    (made,) = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert (made["type"], made["function"]["name"]) == ("function", "book")
    assert json.loads(made["function"]["arguments"])["day"] in ("Monday", "Friday")


def test_a_call_is_streamed_and_taken_back_with_its_result(house: House, bias: dict[str, int]) -> None:
    stream = call(house, tool_choice="required", tools=[TOOL], logit_bias=bias, stream=True)
    deltas = [e["choices"][0]["delta"] for e in stream.events if e != "[DONE]" and e["choices"]]
    parts = [part["function"] for delta in deltas for part in delta.get("tool_calls") or ()]
    assert parts[0]["name"] == "book"
    arguments = "".join(part.get("arguments") or "" for part in parts)
    assert json.loads(arguments)["day"] in ("Monday", "Friday")
    told = {"id": "call-1", "type": "function", "function": {"name": "book", "arguments": arguments}}
    messages = [
        {"role": "user", "content": "Book Friday"},
        {"role": "assistant", "content": None, "tool_calls": [told]},
        {"role": "tool", "tool_call_id": "call-1", "content": "booked"},
    ]
    after = call(house, messages=messages, tool_choice="none")
    assert after.status == 200, after.body
    assert not after.json["choices"][0]["message"].get("tool_calls")


def test_what_is_no_tool_choice_is_refused(house: House) -> None:
    fly = {"type": "function", "function": {"name": "fly"}}
    for keys in ({"tool_choice": fly}, {"tool_choice": "required", "tools": None, "parallel_tool_calls": None}):
        refused = call(house, **keys)
        assert (refused.status, refused.error["param"]) == (400, "tool_choice")


def test_without_tools_in_its_template_a_model_is_not_asked_for_any(tmp_path: Path) -> None:
    with open_house("llamacpp", "notes-small", tmp_path) as plain:
        refused = call(plain)
        assert (refused.status, refused.error["code"], refused.error["param"]) == (
            400,
            "unsupported_parameter",
            "tools",
        )
