"""What every engine must do: one function a case, its first line the promise that stands in the docs' table."""

import json
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

import jsonschema
import psutil
import pytest

from conformance.stand import Stand
from conformance.subjects import Counter, Open
from shortlist.clock import sleep_blocking_ns
from shortlist.errors import ContextOverflow, EngineCrashed
from shortlist.measure.reply import error_status

NOTES = (
    "We agreed to ship on Friday; Zoë owns it.",
    "The budget review moves to noon, and Łukasz brings the figures.",
    "Nobody may use the lab before Monday.",
    "Maya sends the report by 3pm.",
)
SCHEMA = {
    "type": "object",
    "properties": {"count": {"type": "integer"}, "kind": {"enum": ["note", "task"]}},
    "required": ["count", "kind"],
    "additionalProperties": False,
}
MOST_FURTHER = 4
"""Tokens that may still be decoded after the client went."""

_POLL_NS = 50 * 10**6
_DYING_NS = 60 * 10**9


@dataclass(frozen=True, slots=True)
class Case:
    """One promise. `refuse` is what must hold instead for an engine that says that it cannot keep it."""

    name: str
    check: Callable[[Stand], None]
    refuse: Callable[[Stand], None] | None = None
    is_slow: bool = False

    @property
    def title(self) -> str:
        return (self.check.__doc__ or "").splitlines()[0].rstrip(".")


# --- what is answered -----------------------------------------------------------------------------------------------


def greedy(stand: Stand) -> None:
    """Greedy answers repeat, whatever was asked in between."""
    open_ = stand.shared
    first = open_.client.chat(NOTES[0], **open_.long(24)).text
    assert first
    open_.client.chat(NOTES[1], **open_.long(24))
    assert [open_.client.chat(NOTES[0], **open_.long(24)).text for _ in range(2)] == [first, first]
    assert open_.client.stream(NOTES[0], **open_.long(24)).text == first


def stop(stand: Stand) -> None:
    """Stop strings end the answer, and no part of them is in it, streamed or not."""
    open_ = stand.shared
    whole = open_.client.chat(NOTES[0], **open_.long(24)).text
    middle = len(whole) // 2
    word = whole[middle : middle + 4]
    expected = whole[: whole.index(word)]
    keys = {**open_.long(24), "stop": [word, "never in it"]}
    plain, streamed = open_.client.chat(NOTES[0], **keys), open_.client.stream(NOTES[0], **keys)
    assert (plain.text, plain.finish) == (expected, "stop")
    assert (streamed.text, streamed.finish) == (expected, "stop")


def seed(stand: Stand) -> None:
    """A seed repeats a sampled answer, and other seeds give others."""
    open_ = stand.shared

    def sampled(number: int) -> str:
        return open_.client.chat(NOTES[0], **open_.long(24), temperature=1.5, seed=number).text

    assert sampled(7) == sampled(7)
    assert len({sampled(number) for number in range(6)}) > 1


def max_tokens(stand: Stand) -> None:
    """No answer has more tokens than `max_tokens`, and one that was cut says so."""
    open_ = stand.shared
    for count in (1, 5):
        keys = {**open_.long(24), "max_tokens": count}
        reply, streamed = open_.client.chat(NOTES[0], **keys), open_.client.stream(NOTES[0], **keys)
        assert (reply.json["usage"]["completion_tokens"], reply.finish) == (count, "length")
        assert streamed.finish == "length"
        assert streamed.text == reply.text


def usage(stand: Stand) -> None:
    """Tokens of prompt and answer are counted, alike in a stream and without."""
    open_ = stand.shared
    reply, streamed = open_.client.chat(NOTES[0], **open_.long(10)), open_.client.stream(NOTES[0], **open_.long(10))
    counts = {name: reply.json["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    assert counts["completion_tokens"] == 10
    assert counts["prompt_tokens"] + counts["completion_tokens"] == counts["total_tokens"]
    assert streamed.usage is not None
    assert {name: streamed.usage[name] for name in counts} == counts
    assert len(streamed.pieces) <= counts["completion_tokens"]
    longer = open_.client.chat(" ".join(NOTES), **open_.long(10)).json["usage"]
    assert longer["prompt_tokens"] > counts["prompt_tokens"]


def utf8(stand: Stand) -> None:
    """Characters of several bytes come whole, in whatever pieces the engine makes them."""
    open_ = stand.shared
    keys = {**open_.long(24), **stand.subject.utf8}
    keys = {name: value for name, value in keys.items() if name != "ignore_eos" or not stand.subject.utf8}
    plain, streamed = open_.client.chat(NOTES[0], **keys), open_.client.stream(NOTES[0], **keys)
    assert any(ord(character) > 127 for character in plain.text), plain.text
    assert "\N{REPLACEMENT CHARACTER}" not in streamed.text
    assert streamed.text == plain.text
    assert len(streamed.pieces) > 1


def json_schema(stand: Stand) -> None:
    """An answer is held to a JSON Schema."""
    client = stand.shared.client
    form = {"type": "json_schema", "json_schema": {"name": "it", "strict": True, "schema": SCHEMA}}
    for number in range(3):
        reply = client.chat(NOTES[number], response_format=form, max_tokens=100, temperature=1, seed=number)
        jsonschema.validate(json.loads(reply.text), SCHEMA)


def _refuses_schema(stand: Stand) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "it", "strict": True, "schema": SCHEMA}}
    assert "response_format" in stand.shared.client.chat(NOTES[0], response_format=form, max_tokens=20).error


def embeddings(stand: Stand) -> None:
    """Embeddings are made."""
    if stand.subject.embeds:
        _refuses_embeddings(stand)  # opened for chat, it says so
        with stand.opened(extra=stand.subject.embeds) as open_:
            _embeds(open_)
    else:
        _embeds(stand.shared)


def _embeds(open_: Open) -> None:
    body = {"model": open_.client.model, "input": [NOTES[0], NOTES[1], NOTES[0]]}
    reply = open_.client.post("/embeddings", body)
    vectors = [entry["embedding"] for entry in reply.json["data"]]
    assert vectors[0] == vectors[2] != vectors[1]
    assert len(vectors[0]) == len(vectors[1]) > 1


def _refuses_embeddings(stand: Stand) -> None:
    client = stand.shared.client
    assert "embedding" in client.post("/embeddings", {"model": client.model, "input": "x"}).error.lower()


def overflow(stand: Stand) -> None:
    """A prompt beyond the context is an error that names both numbers; nothing is cut in silence."""
    client = stand.shared.client
    reply = client.chat("notes " * 4000, max_tokens=4)
    error = error_status(reply.status, {}, reply.body)
    assert isinstance(error, ContextOverflow), error
    numbers = [int(word) for word in error.message.replace(",", " ").split() if word.isdigit()]
    context = stand.shared.engine.settings["context"]
    assert context in numbers, error.message
    assert max(numbers) >= 4000
    assert client.chat(NOTES[0], max_tokens=4).status == 200


def four(stand: Stand) -> None:
    """Four requests at once get the answers that each gets alone."""
    open_ = stand.shared
    keys = open_.long(24)
    alone = [open_.client.stream(note, **keys) for note in NOTES]
    together: dict[int, Any] = {}

    def ask(number: int) -> None:
        together[number] = open_.client.stream(NOTES[number], **keys)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(NOTES))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[number].text for number in range(len(NOTES))] == [one.text for one in alone]
    assert [together[number].usage for number in range(len(NOTES))] == [one.usage for one in alone]


# --- what is stopped, ended and broken ------------------------------------------------------------------------------


def cancel(stand: Stand) -> None:
    """A client that goes stops the engine: at most 4 further tokens are decoded."""
    counter = stand.subject.counter
    if counter is None:
        pytest.skip("the engine does not say how many tokens it decoded")
    with stand.opened(is_slow=True) as open_:
        before = settled(counter, open_)
        open_.client.stream(NOTES[0], **open_.long(20))
        prompt = settled(counter, open_) - before - 20
        for _ in range(3):
            before = settled(counter, open_)
            keys = {**open_.long(400), **counter.keys}
            seen = counter.seen(open_.client.leave(NOTES[0], lambda events: counter.seen(events) >= 20, **keys))
            further = settled(counter, open_) - before - prompt - seen
            assert 0 <= further <= MOST_FURTHER, f"{seen} tokens were read, and {further} more were decoded"


def settled(counter: Counter, open_: Open) -> int:
    """The count, once it stands still."""
    last = -1
    while (now := counter.decoded(open_)) != last:
        last = now
        sleep_blocking_ns(_POLL_NS)
    return now


def crash(stand: Stand) -> None:
    """An engine that is killed in the middle of an answer is reported as crashed, with its log."""
    with stand.opened(is_slow=True) as open_:
        assert stand.loop.run(open_.engine.crash()) is None
        pid = open_.endpoint.pid
        assert pid is not None
        events = open_.client.events(NOTES[0], **open_.long(400))
        seen = [next(events) for _ in range(4)]
        os.kill(pid, signal.SIGKILL)
        with suppress(OSError, HTTPException):
            seen += events
        assert "done" not in seen[-1]
        error = stand.loop.run(open_.engine.crash(_DYING_NS))
        assert isinstance(error, EngineCrashed)
        assert "SIGKILL" in error.message
        assert str(stand.logs) in error.message
        assert open_.engine.pids() == ()


def unload(stand: Stand) -> None:
    """Unloading ends every process and closes the port; a fresh load gives the same answer."""
    texts = []
    for _ in range(2):
        with stand.opened() as open_:
            texts.append(open_.client.chat(NOTES[0], **open_.long(24)).text)
            pids = open_.engine.pids()
            assert pids
        assert not [pid for pid in pids if psutil.pid_exists(pid)]
        assert open_.engine.pids() == ()
        assert not _answers(open_)
    assert texts[0] == texts[1]


def _answers(open_: Open) -> bool:
    """Whether anybody listens where the engine did."""
    port = int(open_.endpoint.base_url.removesuffix("/v1").rpartition(":")[2])
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


CYCLES = 20
_SETTLED = 5
_MOST_GROWTH_BYTES = 2 * 10**6


def cycles(stand: Stand) -> None:
    """After 20 loads and unloads our memory is flat, and no process, port, descriptor or file is left."""
    me = psutil.Process()
    with stand.opened():
        pass  # the subject writes its model's files, and what the first load imports is there
    before = _left(stand, me)
    sizes = []
    for _ in range(CYCLES):
        with stand.opened() as open_:
            open_.client.chat(NOTES[0], **open_.long(8))
        assert not _answers(open_)
        sizes.append(me.memory_info().rss)
    assert _left(stand, me) == before
    growth = sizes[-1] - sizes[_SETTLED - 1]
    assert growth < _MOST_GROWTH_BYTES, f"our memory grew by {growth} bytes over {CYCLES - _SETTLED} loads"


def _left(stand: Stand, me: psutil.Process) -> dict[str, Any]:
    """What must not become more: children, listening ports, open descriptors, files (TMPDIR is here) beside logs."""
    temporary = stand.logs.parent
    return {
        "children": sorted(child.pid for child in me.children(recursive=True)),
        "ports": sorted(c.laddr.port for c in me.net_connections("inet") if c.status == psutil.CONN_LISTEN),
        "descriptors": me.num_fds(),
        "files": sorted(str(path) for path in temporary.rglob("*") if stand.logs not in (path, *path.parents)),
    }


CASES: tuple[Case, ...] = (
    Case("greedy", greedy),
    Case("stop", stop),
    Case("seed", seed),
    Case("max_tokens", max_tokens),
    Case("usage", usage),
    Case("utf8", utf8),
    Case("overflow", overflow),
    Case("json_schema", json_schema, _refuses_schema),
    Case("embeddings", embeddings, _refuses_embeddings),
    Case("four", four),
    Case("cancel", cancel),
    Case("crash", crash),
    Case("unload", unload),
    Case("cycles", cycles, is_slow=True),
)
