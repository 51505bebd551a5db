"""A conversation with an engine: what is kept, what is taken back, what goes wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

import make_random_gguf
from shortlist.chat.conversation import Asking, Conversation
from shortlist.clock import SYSTEM
from shortlist.engines import EngineContext, LoadSpec, find_engine
from shortlist.errors import BadInput, ContextOverflow, EngineCrashed, RequestTimeout
from shortlist.models.refs import resolve
from shortlist.records import EngineOptions, Generation, Variant


@asynccontextmanager
async def talking(
    engine: str, model: str, folder: Path, asking: Asking, context: int | None = None
) -> AsyncIterator[Conversation]:
    found = find_engine(engine)(EngineContext())
    here = resolve(model) if engine == "llamacpp" else None
    spec = LoadSpec(
        "talk", here.label if here else model, here.variant if here else Variant("endpoint"),
        EngineOptions(threads=1, context=context) if here else EngineOptions(), here.path if here else None, folder,
    )  # fmt: skip
    endpoint = await found.open(spec)
    try:
        yield Conversation(found, endpoint, asking)
    finally:
        await found.close()


SHORT = Asking(Generation(max_tokens=40))


def test_an_answer_comes_piece_by_piece_and_the_conversation_holds_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with talking("fake", "ttft=1ms,gap=50ms,text=one two three", tmp_path, SHORT) as talk:
            talk.set_system("be brief")
            pieces: list[str] = []
            answer = await talk.ask("why?", lambda piece: pieces.append(piece[0]))
            assert len(pieces) > 1
            assert "".join(pieces) == answer.text == "one two three "
            assert [one.role for one in talk.messages] == ["system", "user", "assistant"]
            talk.clear()
            assert [one.role for one in talk.messages] == ["system"]
            assert answer.completion_tokens == 3
            with pytest.raises(BadInput, match="empty"):
                await talk.ask("  ", lambda _: None)

    asyncio.run(main())


async def stopped_after(talk: Conversation, count: int) -> asyncio.Task[object]:
    """Ask, and cancel when so many pieces came; the task, ended."""
    came = asyncio.Event()
    pieces = iter(range(1, count + 1))

    def on_piece(_: object) -> None:
        if next(pieces, count) == count:
            came.set()

    task: asyncio.Task[object] = asyncio.create_task(talk.ask("go on", on_piece))
    waiting = asyncio.create_task(came.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    assert not task.done(), "it was still answering"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    waiting.cancel()
    return task


def test_what_came_of_a_stopped_answer_stays_and_the_next_question_is_answered(tmp_path: Path) -> None:
    async def main() -> None:
        async with talking("fake", "ttft=1ms,gap=20ms,chunks=5000", tmp_path, SHORT) as talk:
            await stopped_after(talk, 3)
            (answer,) = talk.answers
            assert answer.is_stopped
            assert answer.text
            assert [one.role for one in talk.messages] == ["user", "assistant"]
            await stopped_after(talk, 2)
            assert len(talk.messages) == 4

    asyncio.run(main())


def test_an_engine_that_dies_in_the_middle_is_said_to_have_died(tmp_path: Path) -> None:
    async def main() -> None:
        async with talking("fake", "ttft=1ms,gap=1ms,chunks=20,fail=crash", tmp_path, SHORT) as talk:
            with pytest.raises(EngineCrashed):
                await talk.ask("why?", lambda _: None)
            assert talk.messages == []

    asyncio.run(main())


@pytest.mark.slow
def test_only_silence_is_too_long_never_an_answer(tmp_path: Path) -> None:
    patient = Asking(Generation(max_tokens=40), silence_ns=400 * 10**6)

    async def main() -> None:
        async with talking("fake", "ttft=10ms,gap=50ms,chunks=12", tmp_path, patient) as talk:
            answer = await talk.ask("why?", lambda _: None)
            assert answer.completion_tokens == 12, "longer than the limit, and never silent for so long"
        async with talking("fake", "ttft=60s", tmp_path, patient) as talk:
            with pytest.raises(RequestTimeout, match="nothing came"):
                await talk.ask("why?", lambda _: None)

    asyncio.run(main())


@pytest.mark.engine
def test_what_does_not_fit_the_context_is_an_error_with_both_numbers(tmp_path: Path) -> None:
    """A real engine with 256 tokens of context: a question too long, then a conversation that grows, then an answer."""

    async def main() -> None:
        async with talking("llamacpp", "notes-small", tmp_path, Asking(Generation(max_tokens=8)), context=256) as talk:
            with pytest.raises(ContextOverflow, match=r"context length is 256 tokens, and the question has 6\d\d"):
                await talk.ask("word " * 300, lambda _: None)
            assert talk.messages == [], "the question is taken back"
            with pytest.raises(ContextOverflow):
                await _fill(talk)
            assert len(talk.messages) >= 4, "earlier turns fitted, and all are still there: none was dropped for room"
            talk.clear()
            assert (await talk.ask("Tom owns it", lambda _: None)).text
            talk.clear()
            talk.asking = Asking(Generation(max_tokens=5000, fixed_tokens=5000))  # the end token is ignored
            with pytest.raises(ContextOverflow, match="the answer is cut"):
                await talk.ask("Tom owns it", lambda _: None)

    asyncio.run(main())


async def _fill(talk: Conversation) -> None:
    for number in range(100):
        await talk.ask(f"Tom owns it and will be done by Friday {number}", lambda _: None)


async def _settles(read: Callable[[], float]) -> bool:
    """Whether a figure stops growing, for a second."""
    for _ in range(20):
        before = read()
        await SYSTEM.sleep_ns(10**9)
        if read() - before < 0.05:
            return True
    return False


@pytest.mark.slow
@pytest.mark.engine
def test_the_engine_stops_decoding_when_the_answer_is_stopped(tmp_path: Path) -> None:
    """A model with random weights, which would go on for thousands of tokens."""
    path = tmp_path / "random.gguf"
    make_random_gguf.write_random_gguf(path, make_random_gguf.SHAPES["smollm2-135m"], "q8_0")

    async def main() -> None:
        asking = Asking(Generation(max_tokens=4000))
        async with talking("llamacpp", str(path), tmp_path, asking, context=4096) as talk:
            await stopped_after(talk, 5)
            process = psutil.Process(talk.endpoint.pid)
            assert await _settles(lambda: sum(process.cpu_times()[:2])), "its processor time stands still"

    asyncio.run(main())
