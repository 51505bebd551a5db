"""The wire of our children, from real sockets."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engines.wires import KEY, endless, scripted
from shortlist.engines.child_http import MAX_REQUEST_BYTES
from shortlist.engines.wire_generation import Cancel, Piece
from shortlist.engines.wire_request import Asked, overflow

WAIT_S = 30


def say(*words: str, prompt_tokens: int = 3) -> Any:
    def pieces(asked: Asked, cancel: Cancel) -> Iterator[Piece]:
        yield Piece(prompt_tokens=prompt_tokens)
        for word in words:
            yield Piece(word, tokens=1)

    return pieces


def test_a_stream_is_what_openai_promises() -> None:
    with scripted(say("one ", "two")) as server:
        answer = server.ask()
        assert answer.status == 200
        assert answer.events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        assert answer.texts == ["one ", "two"]
        assert answer.finish == "stop"
        assert answer.usage == {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 0},
        }
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert {event["model"] for event in answer.events} == {"scripted"}
        assert len({event["id"] for event in answer.events}) == 1


def test_a_whole_reply_says_the_same() -> None:
    with scripted(say("one ", "two")) as server:
        reply = server.ask(stream=False).json
        assert reply["object"] == "chat.completion"
        message = {"role": "assistant", "content": "one two"}
        assert reply["choices"] == [{"index": 0, "message": message, "finish_reason": "stop"}]
        assert reply["usage"]["total_tokens"] == 5


def test_usage_comes_only_when_asked_for_and_unknown_counts_are_left_out() -> None:
    def uncounted(asked: Asked, cancel: Cancel) -> Iterator[Piece]:
        yield Piece("some text", tokens=None)

    with scripted(say("x")) as server:
        body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "stream": True}).encode()
        assert server.post(body).usage is None
    with scripted(uncounted) as server:
        answer = server.ask()
        assert (answer.texts, answer.usage) == (["some text"], None)
        assert "usage" not in server.ask(stream=False).json


def test_the_first_bytes_come_with_the_first_piece_and_not_with_the_last() -> None:
    goes_on = threading.Event()

    def slow(asked: Asked, cancel: Cancel) -> Iterator[Piece]:
        yield Piece("first ", tokens=1)
        assert goes_on.wait(WAIT_S)
        yield Piece("last", tokens=1)

    with scripted(slow) as server, socket.create_connection(("127.0.0.1", server.port), WAIT_S) as client:
        client.sendall(server.raw())
        got = b""
        while b"first " not in got:
            got += client.recv(1 << 16)
        assert b"last" not in got
        goes_on.set()
        while b"[DONE]" not in got:
            got += client.recv(1 << 16)
        assert b"last" in got


def test_max_tokens_ends_a_generator_that_would_not() -> None:
    with scripted(endless) as server:
        answer = server.ask(max_tokens=5)
        assert answer.texts == ["na "] * 5
        assert (answer.finish, answer.usage["completion_tokens"]) == ("length", 5)
        assert server.ask(max_completion_tokens=2, max_tokens=None).usage["completion_tokens"] == 2


def test_pieces_are_counted_where_tokens_cannot_be() -> None:
    def uncounted(asked: Asked, cancel: Cancel) -> Iterator[Piece]:
        while True:
            yield Piece("na ", tokens=None)

    with scripted(uncounted) as server:
        assert server.ask(max_tokens=4).texts == ["na "] * 4


@pytest.mark.parametrize(
    ("words", "stop", "shown"),
    [
        (("one ", "two ", "three"), "two", "one "),
        (("one t", "w", "o three"), ["two"], "one "),
        (("one t", "w", "ice three"), ["two", "four"], "one twice three"),
        (("ab", "ab", "abc"), "abc", "abab"),
        (("end with t", "w"), "two", "end with tw"),
        (("x", "🙂", "y"), "🙂y", "x"),
        (("a b c",), ["c", "b"], "a "),
    ],
)
def test_stop_strings_are_found_across_pieces_and_nothing_of_them_is_shown(
    words: tuple[str, ...], stop: str | list[str], shown: str
) -> None:
    with scripted(say(*words)) as server:
        answer = server.ask(stop=stop)
        assert "".join(answer.texts) == shown
        assert answer.finish == "stop"
        assert server.ask(stop=stop, stream=False).json["choices"][0]["message"]["content"] == shown


def test_a_stop_string_ends_the_generator_at_once() -> None:
    made: list[str] = []

    def counting(asked: Asked, cancel: Cancel) -> Iterator[Piece]:
        for number in range(1000):
            made.append(f"{number} ")
            yield Piece(made[-1], tokens=1)

    with scripted(counting) as server:
        answer = server.ask(stop="7 ")
        assert "".join(answer.texts) == "0 1 2 3 4 5 6 "
        assert (len(made), answer.usage["completion_tokens"]) == (8, 8)


def test_halves_of_a_character_are_put_together_and_a_lone_half_is_replaced() -> None:
    with scripted(say("a", "\ud83d", "\ude42", "\ude42", "z\ud83d")) as server:
        answer = server.ask()
        assert "".join(answer.texts) == "a🙂\ufffdz\ufffd"
        assert server.ask(stream=False).json["choices"][0]["message"]["content"] == "a🙂\ufffdz\ufffd"


def test_every_chunk_is_whole_utf8() -> None:
    """What one write holds decodes by itself, whatever the characters."""
    with scripted(say("Ωmega ", "東京", "🙂🙂", "é")) as server:
        with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as client:
            client.sendall(server.raw())
            raw = b""
            while not raw.endswith(b"\r\n0\r\n\r\n"):
                raw += client.recv(1 << 16)
        body, chunks = raw.partition(b"\r\n\r\n")[2], []
        while (size := int(body[: body.index(b"\r\n")], 16)) > 0:
            start = body.index(b"\r\n") + 2
            chunks.append(body[start : start + size].decode())
            body = body[start + size + 2 :]
        assert "東京" in "".join(chunks)
        assert all(chunk.startswith("data: ") and chunk.endswith("\n\n") for chunk in chunks)


def leave_after_the_first_piece(server: Any) -> None:
    with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as client:
        client.sendall(server.raw())
        got = b""
        while b"na " not in got:
            got += client.recv(1 << 12)


def test_a_client_that_leaves_ends_the_generator_within_four_tokens() -> None:
    told, closed, made, after = threading.Event(), threading.Event(), [], []

    def generate(asked: Asked, cancel: Cancel) -> Iterator[Piece]:
        cancel.call(told.set)
        try:
            while True:
                made.append(1)
                after.append(1) if told.is_set() else None
                yield Piece("na ", tokens=1)
                told.wait(0.002)  # a token takes a while
        finally:
            closed.set()

    with scripted(generate) as server:
        leave_after_the_first_piece(server)
        assert told.wait(WAIT_S)
        assert closed.wait(WAIT_S)
        assert len(after) <= 4


def test_a_client_that_leaves_during_a_silence_is_noticed_at_once() -> None:
    """The generator is told while it computes, and can break off there."""
    begun, told = threading.Event(), threading.Event()

    def generate(asked: Asked, cancel: Cancel) -> Iterator[Piece]:
        cancel.call(told.set)
        begun.set()
        assert told.wait(WAIT_S)
        assert cancel.is_set
        yield Piece("nobody reads this")

    with scripted(generate) as server:
        with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as client:
            client.sendall(server.raw())
            assert begun.wait(WAIT_S)
            assert not told.is_set()
        assert told.wait(WAIT_S)


def test_a_cancelled_async_generator_is_cancelled_where_it_waits() -> None:
    ended = threading.Event()

    async def generate(asked: Asked, cancel: Cancel) -> AsyncIterator[Piece]:
        try:
            yield Piece("na ", tokens=1)
            await asyncio.Event().wait()
        finally:
            ended.set()

    with scripted(generate) as server:
        leave_after_the_first_piece(server)
        assert ended.wait(WAIT_S)


def test_a_request_whose_client_left_while_it_waited_is_never_begun() -> None:
    begun, goes_on = [], threading.Event()

    def generate(asked: Asked, cancel: Cancel) -> Iterator[Piece]:
        begun.append(asked.messages[-1].content)
        yield Piece("na ", tokens=1)
        assert goes_on.wait(WAIT_S)

    with scripted(generate) as server, ThreadPoolExecutor() as pool:
        first = pool.submit(server.ask, "first")
        while not begun:
            goes_on.wait(0.001)
        with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as client:
            client.sendall(server.raw(prompt="leaves"))
        third = pool.submit(server.ask, "third")
        assert server.get("/v1/models").status == 200  # the server answers meanwhile
        goes_on.set()
        assert first.result(WAIT_S).finish == third.result(WAIT_S).finish == "stop"
        assert begun == ["first", "third"]


@pytest.mark.parametrize("is_async", [False, True])
def test_as_many_generations_run_at_once_as_the_generator_declares(is_async: bool) -> None:
    """Four meet at a barrier that only four can pass; with one at a time they never overlap."""
    together = threading.Barrier(4)

    def four(asked: Asked, cancel: Cancel) -> Iterator[Piece]:
        together.wait(WAIT_S)
        yield Piece("met", tokens=1)

    async def four_async(asked: Asked, cancel: Cancel) -> AsyncIterator[Piece]:
        await asyncio.to_thread(together.wait, WAIT_S)
        yield Piece("met", tokens=1)

    with scripted(four_async if is_async else four, parallel=4) as server, ThreadPoolExecutor(4) as pool:
        assert [answer.texts for answer in pool.map(server.ask, ["hi"] * 4)] == [["met"]] * 4

    inside = []

    def one(asked: Asked, cancel: Cancel) -> Iterator[Piece]:
        inside.append(1)
        yield Piece(str(len(inside)), tokens=1)
        inside.pop()

    with scripted(one) as server, ThreadPoolExecutor(4) as pool:
        assert [answer.texts for answer in pool.map(server.ask, ["hi"] * 4)] == [["1"]] * 4


def test_an_error_before_the_first_piece_is_a_status_and_later_an_event(capfd: pytest.CaptureFixture[str]) -> None:
    def late(asked: Asked, cancel: Cancel) -> Iterator[Piece]:
        yield Piece("so far ", tokens=1)
        raise ValueError("the weights are \ud800 gone")

    def early(asked: Asked, cancel: Cancel) -> Iterator[Piece]:
        raise SystemExit("out of memory")

    with scripted(late) as server:
        answer = server.ask()
        assert (answer.status, answer.texts) == (200, ["so far "])
        assert answer.events[-1]["error"] == {
            "message": "ValueError: the weights are ? gone",
            "type": "server_error",
            "param": None,
            "code": "generation_failed",
        }
        assert b"[DONE]" not in answer.body
        assert server.ask(stream=False).status == 500
        assert server.get("/health").status == 200
    with scripted(early) as server:
        for _ in range(3):  # the worker lives on
            answer = server.ask()
            assert (answer.status, answer.error["message"]) == (500, "SystemExit: out of memory")
    assert "ValueError" in capfd.readouterr().err


def test_a_context_overflow_names_both_numbers() -> None:
    def full(asked: Asked, cancel: Cancel) -> Iterator[Piece]:
        raise overflow(70, 64)

    with scripted(full) as server:
        answer = server.ask()
        assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")
        assert "70" in answer.error["message"]
        assert "64" in answer.error["message"]
        assert (answer.error["n_prompt_tokens"], answer.error["n_ctx"]) == (70, 64)


@pytest.mark.parametrize(
    "keys",
    [
        {"temperature": 0.5},
        {"seed": 3, "temperature": 0.7},
        {"top_p": 0.9},
        {"n": 2},
        {"logprobs": True},
        {"tools": [{"type": "function"}]},
        {"response_format": {"type": "json_object"}},
        {"ignore_eos": True},
        {"frobnicate": 1},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]},
    ],
)
def test_what_a_generator_cannot_do_is_refused_by_name(keys: dict[str, Any]) -> None:
    with scripted(say("x")) as server:
        answer = server.ask(**keys)
        assert (answer.status, answer.error["code"]) == (400, "unsupported_parameter")
        assert answer.error["param"].partition("[")[0] in keys


def test_what_asks_for_nothing_is_no_demand() -> None:
    neutral: dict[str, Any] = {
        "temperature": 0.0, "seed": 7, "top_p": 1, "n": 1, "logprobs": False, "tools": None, "logit_bias": {},
        "response_format": {"type": "text"}, "user": "me", "presence_penalty": 0, "stop": None,
    }  # fmt: skip
    with scripted(say("x")) as server:
        assert server.ask(**neutral).texts == ["x"]


def test_what_it_can_do_reaches_the_generator() -> None:
    seen: list[Asked] = []

    def keep(asked: Asked, cancel: Cancel) -> Iterator[Piece]:
        seen.append(asked)
        yield Piece("x", tokens=1)

    schema = {"type": "object", "required": ["a"]}
    with scripted(keep, accepts=frozenset({"temperature", "seed", "json_schema"})) as server:
        form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        messages = [{"role": "developer", "content": "be kind"}, {"role": "user", "content": parts}]
        assert server.ask(temperature=1, seed=5, response_format=form, stop="s", messages=messages).status == 200
    (asked,) = seen
    assert asked.options == {"temperature": 1.0, "seed": 5}
    assert (asked.json_schema, asked.stop) == (schema, ("s",))
    assert [(m.role, m.content) for m in asked.messages] == [("system", "be kind"), ("user", "ab")]


@pytest.mark.parametrize(
    ("keys", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"temperature": 9}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"stop": ""}, "stop"),
        ({"stop": ["x"] * 17}, "stop"),
    ],
)
def test_a_wrong_value_names_its_key(keys: dict[str, Any], param: str) -> None:
    with scripted(say("x"), accepts=frozenset({"temperature"})) as server:
        answer = server.ask(**keys)
        assert (answer.status, answer.error["param"]) == (400, param)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"messages": null}', b"[" * 100_000, b"\xff\xfe", b'"\\ud800"'])
def test_a_body_that_is_none_is_refused(body: bytes) -> None:
    with scripted(say("x")) as server:
        answer = server.post(body)
        assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")


def test_without_the_key_there_is_nothing_but_health() -> None:
    with scripted(say("x"), context=99, capabilities=("chat",)) as server:
        assert server.get("/health", key="").status == 200
        for key in ("", "another", f"{KEY}y"):
            answer = server.get("/v1/models", key=key)
            assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
        (model,) = server.get("/v1/models").json["data"]
        assert (model["id"], model["context_length"], model["capabilities"]) == ("scripted", 99, ["chat"])


def test_other_places_are_refused_clearly() -> None:
    with scripted(say("x")) as server:
        assert server.get("/v1/chat/completions").status == 405
        assert server.get("/nowhere").status == 404
        answer = server.post(b"{}", "/v1/embeddings")
        assert (answer.status, answer.error["code"]) == (501, "not_supported")


def test_a_request_without_end_is_not_read() -> None:
    with scripted(say("x")) as server:
        answer = server.post(b" " * (MAX_REQUEST_BYTES + 1))
        assert (answer.status, answer.error["code"]) == (413, "request_too_large")
        assert server.ask().texts == ["x"]


def test_replies_on_one_connection_keep_their_order() -> None:
    with scripted(lambda asked, cancel: say(asked.messages[-1].content)(asked, cancel)) as server:
        with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as client:
            client.sendall(b"".join(server.raw(prompt=f"<{number}>", stream=False) for number in range(5)))
            got = b""
            while got.count(b"chat.completion") < 5:
                got += client.recv(1 << 16)
        places = [got.index(b"<%d>" % number) for number in range(5)]
        assert places == sorted(places)


def test_bytes_that_are_no_http_end_the_connection_and_not_the_server() -> None:
    with scripted(say("x")) as server:
        with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as client:
            client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
            assert client.recv(100) == b""
        assert server.ask().texts == ["x"]


def test_sigterm_ends_a_child_that_generates() -> None:
    script = """
import sys
from shortlist.engines.wire_child import serve
from engines.wires import KEY, Scripted, endless
serve(Scripted(endless), KEY, lambda url: print(url, flush=True))
print("served", flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline().rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), WAIT_S) as client:
            data = json.dumps({"messages": [{"role": "user", "content": "x"}], "stream": True}).encode()
            head = f"POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(data)}"
            client.sendall(head.encode() + b"\r\n\r\n" + data)
            assert client.recv(100).startswith(b"HTTP/1.1 200")
            child.send_signal(signal.SIGTERM)
            assert child.wait(WAIT_S) == 0
        assert child.stdout.read() == "served\n"


def test_tokens_are_counted_whoever_got_them_and_told_with_each_chunk_when_asked() -> None:
    with scripted(say("one ", "two ")) as server:
        options = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}
        body = json.loads(server.body()) | options
        answer = server.post(json.dumps(body).encode())
        counts = [e["usage"]["completion_tokens"] for e in answer.events if e.get("choices") and "usage" in e]
        assert counts == [1, 2]
        assert all("usage" not in event for event in server.ask().events if event.get("choices"))
        assert server.get("/metrics").body == b"shortlist:tokens_generated_total 4\n"
        assert server.get("/metrics", key="").status == 401
    with scripted(endless) as server:
        leave_after_the_first_piece(server)
        before, after = b"", server.get("/metrics").body
        while before != after:
            before, after = after, server.get("/metrics").body
        assert int(after.split()[-1]) >= 1
