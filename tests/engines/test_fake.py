"""The fake engine, seen from a bare socket."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from shortlist.clock import monotonic_ns
from shortlist.engines import EngineContext, LoadSpec
from shortlist.engines.fake import Fake
from shortlist.errors import BadInput, DeviceMismatch, EngineError, EngineNotReady
from shortlist.records import Endpoint, EngineOptions, Generation, Variant

MS = 10**6
QUICK = "ttft=5ms,gap=1ms,chunks=8"


def load_spec(model: str, logs: Path, options: EngineOptions | None = None) -> LoadSpec:
    return LoadSpec("fake", model, Variant("endpoint"), options or EngineOptions(), None, logs, timeout_ns=60 * 10**9)


def with_fake(model: str, logs: Path, use: Callable[[Fake, Endpoint], Awaitable[None]]) -> list[dict[str, Any]]:
    """The log of writes, read after the engine was closed."""

    async def go() -> list[dict[str, Any]]:
        engine = Fake(EngineContext())
        endpoint = await engine.open(load_spec(model, logs))
        try:
            async with asyncio.timeout(60):
                await use(engine, endpoint)
        finally:
            await engine.close()
        assert engine.write_log is not None
        return read_log(engine.write_log)

    return asyncio.run(go())


def read_log(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def port(endpoint: Endpoint) -> int:
    return int(endpoint.base_url.rpartition(":")[2].removesuffix("/v1"))


def request(name: str = "r", prompt: str = "hi", **keys: Any) -> bytes:
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}], "stream": True} | keys
    body |= {"stream_options": {"include_usage": True}} if body["stream"] else {}
    data = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Request-Id: {name}\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


async def read_until(endpoint: Endpoint, sent: bytes, end: bytes | None) -> list[tuple[int, bytes]]:
    """What came, read by read with its time, up to these bytes or (None) to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(endpoint))
    writer.write(sent)
    got: list[tuple[int, bytes]] = []
    try:
        while end is None or end not in b"".join(data for _, data in got)[-4096:]:
            data = await reader.read(1 << 16)
            if not data:
                break
            got.append((monotonic_ns(), data))
    finally:
        writer.transport.abort()
    return got


async def stream(endpoint: Endpoint, sent: bytes, end: bytes | None = b"\r\n0\r\n\r\n") -> bytes:
    return b"".join(data for _, data in await read_until(endpoint, sent, end))


def events(raw: bytes) -> list[Any]:
    """The JSON of each event, after undoing HTTP's chunks."""
    body = raw.partition(b"\r\n\r\n")[2]
    text, at = b"", 0
    while (size := int(body[at : body.index(b"\r\n", at)], 16)) > 0:
        start = body.index(b"\r\n", at) + 2
        text, at = text + body[start : start + size], start + size + 2
    return [json.loads(part[6:]) for part in text.decode().split("\n\n") if part and part != "data: [DONE]"]


def content(raw: bytes) -> list[str]:
    deltas = [event["choices"][0]["delta"] for event in events(raw) if event.get("choices")]
    return [delta["content"] for delta in deltas if delta.get("content")]


def test_a_stream_is_what_openai_promises(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        raw = await stream(endpoint, request())
        assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
        assert len(content(raw)) == 8
        assert (
            content(raw)
            == content(await stream(endpoint, request()))
            != content(await stream(endpoint, request(prompt="ho")))
        )
        told = events(raw)
        assert told[0]["choices"][0]["delta"]["role"] == "assistant"
        assert told[-2]["choices"][0]["finish_reason"] == "stop"
        assert told[-1]["usage"] == {
            "prompt_tokens": 4,
            "completion_tokens": 8,
            "total_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 0},
        }

    with_fake(QUICK, tmp_path, use)


def test_the_log_holds_every_write_under_the_requests_name(tmp_path: Path) -> None:
    """Scheduled from the arrival, written never before, and never read by a client before it was written."""
    sent_ns, got = [], []

    async def use(engine: Fake, endpoint: Endpoint) -> None:
        sent_ns.append(monotonic_ns())
        got.extend(await read_until(endpoint, request("mine"), b"\r\n0\r\n\r\n"))

    log = with_fake(QUICK, tmp_path, use)
    assert [entry["kind"] for entry in log] == ["headers", "role", *["text"] * 8, "finish", "usage", "done"]
    assert [entry["index"] for entry in log] == list(range(13))
    assert {entry["request"] for entry in log} == {"mine"}
    arrived = log[0]["scheduled_ns"]
    assert sent_ns[0] < arrived
    texts = [entry["scheduled_ns"] - arrived for entry in log if entry["kind"] == "text"]
    assert texts == [5 * MS + i * MS for i in range(8)]
    assert all(entry["written_ns"] >= entry["scheduled_ns"] for entry in log)
    assert sum(entry["bytes"] for entry in log) == sum(len(data) for _, data in got)
    assert all(a["written_ns"] <= b["written_ns"] for a, b in pairwise(log))
    assert got[-1][0] > log[-1]["written_ns"]


def test_64_streams_at_once_keep_an_absolute_schedule(tmp_path: Path) -> None:
    """A late write does not push the next: what is scheduled is exact for every stream, whatever the load."""

    async def use(engine: Fake, endpoint: Endpoint) -> None:
        raws = await asyncio.gather(*(stream(endpoint, request(f"r{i}", f"prompt {i}")) for i in range(64)))
        assert all(len(content(raw)) == 16 for raw in raws)

    log = with_fake("ttft=50ms,gap=5ms,chunks=16", tmp_path, use)
    assert len({entry["request"] for entry in log}) == 64
    for i in range(64):
        texts = [entry for entry in log if entry["request"] == f"r{i}" and entry["kind"] == "text"]
        assert [b["scheduled_ns"] - a["scheduled_ns"] for a, b in pairwise(texts)] == [5 * MS] * 15
        assert all(a["written_ns"] <= b["written_ns"] for a, b in pairwise(texts))


def test_writes_cut_anywhere_carry_the_same_answer(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        raw = await stream(endpoint, request(prompt="words"))
        assert any(not word.isascii() for word in content(raw))

    log = with_fake("ttft=5ms,gap=1ms,chunks=32,split=3", tmp_path, use)
    assert all(entry["bytes"] <= 3 for entry in log)
    assert sum(entry["is_last_piece"] for entry in log) == 1 + 1 + 32 + 3


def test_two_requests_share_a_connection(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(endpoint))
        for name in ("one", "two"):
            writer.write(request(name))
            await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.close()

    log = with_fake(QUICK, tmp_path, use)
    assert list(dict.fromkeys(entry["request"] for entry in log)) == ["one", "two"]


def test_a_client_that_leaves_does_not_stop_the_others(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port(endpoint))
        writer.write(request("leaves"))
        await writer.drain()
        writer.transport.abort()
        assert len(content(await stream(endpoint, request("stays")))) == 8

    log = with_fake(QUICK, tmp_path, use)
    assert sum(entry["request"] == "stays" for entry in log) == 13


def test_models_are_listed_and_other_paths_refused(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        get = "GET {} HTTP/1.1\r\nHost: x\r\n\r\n"
        assert b'"object": "list"' in await stream(endpoint, get.format("/v1/models").encode(), b"]}")
        assert b" 404 " in await stream(endpoint, get.format("/admin").encode(), b"}}")
        bad = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]"
        assert b" 400 " in await stream(endpoint, bad, b"}}")
        assert await stream(endpoint, b"hello\r\n\r\n", None) == b""

    assert with_fake(QUICK, tmp_path, use) == []


def test_a_reply_in_one_piece_ends_the_connection_when_asked(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        sent = request(stream=False).replace(b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n")
        reply = json.loads((await stream(endpoint, sent, None)).partition(b"\r\n\r\n")[2])
        assert reply["usage"]["completion_tokens"] == 8

    with_fake(QUICK, tmp_path, use)


# --- as it fails ----------------------------------------------------------------------------------------------------


def test_a_script_that_cannot_be_read_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        asyncio.run(Fake(EngineContext()).open(load_spec("ttft=never", tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_fails_is_quoted(tmp_path: Path) -> None:
    engine = Fake(EngineContext())
    with pytest.raises(EngineNotReady, match="does not start, as told"):
        asyncio.run(engine.open(load_spec("fail=start", tmp_path)))
    assert engine.pids() == ()


def test_a_refused_connection(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        with pytest.raises(ConnectionRefusedError):
            await stream(endpoint, request())

    with_fake("fail=refuse", tmp_path, use)


def test_a_hang_says_nothing(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await stream(endpoint, request())

    with_fake("fail=hang", tmp_path, use)


def test_a_connection_closed_early_has_no_last_chunk(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        raw = await stream(endpoint, request(), None)
        assert raw.count(b'"content": ') == 1 + 4
        assert b"\r\n0\r\n\r\n" not in raw
        whole = await stream(endpoint, request(stream=False), None)
        head, _, body = whole.partition(b"\r\n\r\n")
        promised = re.search(rb"Content-Length: (\d+)", head)
        assert promised is not None
        assert 0 < len(body) < int(promised[1])

    with_fake(QUICK + ",fail=close-early", tmp_path, use)


def test_broken_sse_is_not_json(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        with pytest.raises(ValueError, match="Expecting value"):
            events(await stream(endpoint, request()))

    with_fake(QUICK + ",fail=broken-sse", tmp_path, use)


def test_not_http(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        assert await stream(endpoint, request(), None) == b"SSH-2.0-OpenSSH_9.6\r\n"

    with_fake("fail=not-http", tmp_path, use)


def test_an_error_body_and_only_each_second_time(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        assert len(content(await stream(endpoint, request()))) == 8
        raw = await stream(endpoint, request(), b"}}")
        assert raw.startswith(b"HTTP/1.1 500 ")
        assert json.loads(raw.partition(b"\r\n\r\n")[2])["error"]["type"] == "server_error"
        assert len(content(await stream(endpoint, request()))) == 8

    with_fake(QUICK + ",fail=error-body,every=2", tmp_path, use)


def test_an_error_event_comes_inside_the_stream(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        raw = await stream(endpoint, request())
        assert raw.startswith(b"HTTP/1.1 200 ")
        assert len(content(raw)) == 4
        assert events(raw)[-1]["error"]["code"] == 500
        assert b"[DONE]" not in raw

    with_fake(QUICK + ",fail=error-event", tmp_path, use)


def test_an_empty_answer_has_no_content_chunk(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        raw = await stream(endpoint, request())
        assert content(raw) == []
        assert events(raw)[-1]["usage"]["completion_tokens"] == 0
        assert b"[DONE]" in raw

    with_fake(QUICK + ",fail=empty", tmp_path, use)


def test_a_slow_stream_starts_and_crawls(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await stream(endpoint, request())

    log = with_fake("ttft=5ms,gap=100ms,chunks=8,fail=slow", tmp_path, use)
    assert [entry["kind"] for entry in log] == ["headers", "role", "text"]


def test_a_crash_takes_the_process_and_leaves_its_log(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        raw = await stream(endpoint, request(), None)
        assert raw.count(b'"content": ') == 1 + 4
        error = await engine.crash(10 * 10**9)
        assert error is not None
        assert "SIGKILL" in error.message
        assert "kills itself as told" in error.message
        assert engine.pids() == ()

    log = with_fake(QUICK + ",fail=crash", tmp_path, use)
    assert sum(entry["kind"] == "text" for entry in log) == 4


def test_the_device_is_checked(tmp_path: Path) -> None:
    async def go() -> None:
        engine = Fake(EngineContext())
        with pytest.raises(DeviceMismatch, match="gpu and reports cpu"):
            await engine.open(load_spec(QUICK, tmp_path, EngineOptions(device="gpu")))
        assert engine.pids() == ()
        endpoint = await engine.open(load_spec(QUICK + ",device=gpu", tmp_path, EngineOptions(device="gpu")))
        assert endpoint.device == "gpu"
        await engine.close()

    asyncio.run(go())


def test_one_engine_opens_one_model_at_a_time(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        with pytest.raises(EngineError, match="close it first"):
            await engine.open(load_spec(QUICK, tmp_path))
        assert engine.pids() == (endpoint.pid,)

    with_fake(QUICK, tmp_path, use)


def test_load_time_is_the_models_alone(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        assert engine.load_ns is not None
        assert engine.load_ns >= 30 * MS

    with_fake(QUICK + ",load=30ms", tmp_path, use)


def test_a_fixed_length_ignores_the_end(tmp_path: Path) -> None:
    async def use(engine: Fake, endpoint: Endpoint) -> None:
        keys = {**engine.extra_body(Generation(fixed_tokens=20)), "max_tokens": 20}
        assert len(content(await stream(endpoint, request(**keys)))) == 20
        assert engine.extra_body(Generation()) == {}

    with_fake(QUICK, tmp_path, use)


@pytest.mark.slow
def test_ten_opens_and_closes_leave_nothing_behind(tmp_path: Path) -> None:
    """Descriptors, child processes, listening ports and tasks are what they were after the first."""

    before = len(psutil.Process().children(recursive=True))  # of other tests: commands are forked from one that stays

    async def once() -> tuple[int, int, int]:
        engine = Fake(EngineContext())
        endpoint = await engine.open(load_spec(QUICK, tmp_path))
        await stream(endpoint, request())
        await engine.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port(endpoint))
        me = psutil.Process()
        return me.num_fds(), len(me.children(recursive=True)), len(asyncio.all_tasks())

    async def go() -> list[tuple[int, int, int]]:
        return [await once() for _ in range(10)]

    counts = asyncio.run(go())
    assert set(counts[1:]) == {counts[1]}
    assert counts[1][1] == before
