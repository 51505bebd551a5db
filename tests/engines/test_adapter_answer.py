"""What becomes of a class's answer on its way to the wire."""

import asyncio
import inspect
from collections.abc import AsyncIterable
from typing import Any

import pytest

from adapters import shapes
from shortlist.engines.adapter_answer import Answers, render
from shortlist.engines.wire_generation import Cancel, Generation, Piece
from shortlist.engines.wire_request import Asked, Refusal, read_request
from shortlist.records import Message, to_json

HELLO = (Message("user", "hello"),)


def answers(kind: type[Any], **facts: Any) -> Answers:
    adapter = kind()
    for name, value in facts.items():
        setattr(adapter, name, value)
    return Answers(adapter, "it", 4)


def drive(made: Answers, asked: Asked) -> tuple[str, Generation]:
    """As a worker of the wire does it."""
    generation = Generation(asked, lambda: None)
    source = made.pieces(asked, Cancel())

    async def later(some: AsyncIterable[Piece]) -> None:
        async for piece in some:
            if not generation.take(piece):
                break

    if isinstance(source, AsyncIterable):
        asyncio.run(later(source))
    else:
        for piece in source:
            if not generation.take(piece):
                break
    generation.end()
    return "".join(said.text for said in generation.drain()), generation


@pytest.mark.parametrize(
    "kind", [shapes.Text, shapes.Listed, shapes.Generated, shapes.LaterText, shapes.LaterGenerated]
)
def test_text_lists_generators_and_their_async_kin_give_the_same_answer(kind: type[Any]) -> None:
    made = answers(kind)
    assert drive(made, Asked(HELLO))[0] == "one two  three hello"
    # Words are what is counted and cut where the class counts nothing, in whatever pieces it gave them.
    assert drive(made, Asked(HELLO, max_tokens=2))[0].rstrip() == "one two"
    assert drive(made, Asked(HELLO, stop=("thr",)))[0] == "one two  "
    assert drive(made, Asked(HELLO))[1].usage.completion_tokens is None


def test_tokens_are_counted_by_the_class_where_it_can() -> None:
    made = answers(shapes.Text, count_tokens=len)
    text, generation = drive(made, Asked(HELLO, max_tokens=7))
    assert text == "one two"
    assert (generation.usage.prompt_tokens, generation.usage.completion_tokens) == (5, 7)
    with pytest.raises(TypeError, match="count_tokens returned None"):
        drive(answers(shapes.Text, count_tokens=lambda _: None), Asked(HELLO))


def test_a_context_holds_question_and_answer() -> None:
    made = answers(shapes.Text, count_tokens=len, context=12)
    text, generation = drive(made, Asked(HELLO))
    assert (text, generation.usage.completion_tokens) == ("one two", 7)
    with pytest.raises(Refusal) as refusal:
        drive(made, Asked((Message("user", "a" * 12),)))
    assert refusal.value.code == "context_length_exceeded"
    with pytest.raises(TypeError, match="context = 'much'"):
        answers(shapes.Text, context="much")


def test_messages_become_one_prompt_or_go_in_as_they_are() -> None:
    system, question = Message("system", "Be brief."), Message("user", "Why?")
    talk = (system, question, Message("assistant", "So."), Message("user", "And?"))
    assert render((question,)) == "Why?"
    assert render((system, question)) == "Be brief.\n\nWhy?"
    assert render(talk) == "Be brief.\n\nUser: Why?\n\nAssistant: So.\n\nUser: And?\n\nAssistant:"
    assert drive(answers(shapes.Conversed), Asked(talk))[0] == "system=Be brief. user=Why? assistant=So. user=And?"
    assert drive(answers(shapes.Both), Asked((question,)))[0] == "Why? 1"


def asked(made: Answers, **keys: Any) -> Asked:
    body = {"messages": [{"role": "user", "content": "x"}], **keys}
    return read_request(to_json(body), made.wire.accepts)


def test_a_parameter_that_generate_does_not_take_is_refused_and_one_that_it_takes_goes_in() -> None:
    named = answers(shapes.Conversed)
    assert asked(named, temperature=0.7, max_tokens=9).options == {"temperature": 0.7}
    assert asked(named, temperature=0, top_p=1, seed=None).options == {"temperature": 0}  # what asks for nothing
    for key, value in (("top_p", 0.5), ("top_k", 4), ("seed", 3), ("ignore_eos", True)):
        with pytest.raises(Refusal, match=key):
            asked(named, **{key: value})
    told = answers(shapes.Told)
    request = asked(told, temperature=0.5, seed=4, max_tokens=9, stop=["z"])
    expected = "[('max_tokens', 9), ('seed', 4), ('stop', ['z']), ('temperature', 0.5)]"
    source = told.pieces(request, Cancel())
    assert not isinstance(source, AsyncIterable)
    assert "".join(piece.text for piece in source) == expected
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}
    with pytest.raises(Refusal, match="response_format"):  # **params promises no form
        asked(told, response_format=form)


def test_what_is_no_text_is_told_by_its_kind() -> None:
    for kind, told in ((shapes.Nothing, "generate returned NoneType"), (shapes.Numbers, "generate gave int")):
        with pytest.raises(TypeError, match=told):
            drive(answers(kind), Asked(HELLO))


def test_a_generator_that_is_left_is_closed() -> None:
    closed = []

    class Endless(shapes._Loaded):
        def generate(self, prompt: str) -> Any:
            try:
                while True:
                    yield "on "
            finally:
                closed.append(prompt)

    source = answers(Endless).pieces(Asked(HELLO), Cancel())
    assert inspect.isgenerator(source)
    next(source)
    source.close()
    assert closed == ["hello"]


def test_one_answer_at_a_time_unless_the_class_says_more() -> None:
    assert answers(shapes.Text).wire.parallel == 1
    assert answers(shapes.Text, parallel=3).wire.parallel == 3
    assert answers(shapes.Text, parallel=30).wire.parallel == 4  # no more than were asked for
