"""What becomes of a reply when one of its two ends goes, stalls or breaks: real sockets, the fake engine behind."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from serve.asking import ask, chat, open_stream, pieces
from serve.house import House, open_house
from shortlist.clock import sleep_blocking_ns

TICK_NS = 10 * 10**6
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """20 ms between the chunks: time enough to see what is written after the client went."""
    with open_house("fake", "ttft=20ms,gap=20ms,chunks=400", tmp_path_factory.mktemp("logs")) as opened:
        yield opened


@pytest.fixture
def failing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with open_house("fake", f"ttft=5ms,gap=2ms,chunks=20,{request.param}", tmp_path) as opened:
        yield opened


def wait_until_idle(house: House) -> None:
    for _ in range(2000):
        if not house.state.active and not house.models.held:
            return
        sleep_blocking_ns(TICK_NS)
    raise AssertionError("the service still has a request under way")


def written(house: House, after: int = 0) -> list[dict[str, Any]]:
    """What the engine wrote: its log is there when no reply of it is under way."""
    log = Path(house.models.engine.write_log)  # type: ignore[attr-defined]
    for _ in range(2000):
        lines = [json.loads(line) for line in log.read_text().splitlines()][after:] if log.exists() else []
        if lines:
            return lines
        sleep_blocking_ns(TICK_NS)
    raise AssertionError("the engine goes on writing")


def test_the_engine_stops_as_soon_as_a_streaming_client_goes(slow: House) -> None:
    """At most 4 chunks are written after the client read its last."""
    sock = open_stream(slow)
    got = b""
    for piece in pieces(sock):
        got += piece
        if got.count(b'"content": "') >= 6:
            break
    sock.close()
    seen = got.count(b'"content": "') - 1  # the role's chunk has an empty content
    wait_until_idle(slow)
    texts = [entry for entry in written(slow) if entry["kind"] == "text"]
    assert seen <= len(texts) <= seen + 4
    assert slow.models.counted[-1].is_cancelled
    assert slow.finished[-1].is_cancelled


def test_the_engine_stops_when_a_client_goes_that_waits_for_a_whole_answer(slow: House) -> None:
    before = len(written(slow))
    sock = open_stream(slow, stream=False, max_tokens=20)
    while not slow.models.held:
        sleep_blocking_ns(TICK_NS)
    sock.close()
    wait_until_idle(slow)
    assert chat(slow, max_tokens=30).status == 200  # ends later than the dropped one would have, and so does the log
    assert [entry["kind"] for entry in written(slow, before)] == ["body"]


def test_a_client_that_goes_while_it_sends_leaves_nothing(slow: House) -> None:
    with socket.create_connection(("127.0.0.1", slow.port)) as sock:
        sock.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:%d\r\nContent-Length: 100\r\n\r\n{" % slow.port
        )
        while not slow.state.active:
            sleep_blocking_ns(TICK_NS)
    wait_until_idle(slow)
    assert slow.finished[-1].is_cancelled


@pytest.mark.parametrize("failing", ["fail=crash", "fail=close-early"], indirect=True)
def test_an_engine_that_ends_in_the_middle_is_told_as_an_event_and_no_done_follows(failing: House) -> None:
    broken = chat(failing, stream=True)
    assert broken.status == 200
    *before, last = broken.events
    assert last["error"]["code"] == "engine_crashed"
    assert last["error"]["type"] == "server_error"
    assert "".join(event["choices"][0]["delta"]["content"] for event in before)
    assert b"[DONE]" not in broken.body


@pytest.mark.parametrize("failing", ["fail=crash", "fail=close-early", "fail=not-http"], indirect=True)
def test_an_engine_that_ends_before_the_first_byte_is_a_502(failing: House) -> None:
    broken = chat(failing)
    assert broken.status == 502
    assert broken.error["code"] in ("engine_crashed", "engine_failed")


@pytest.mark.parametrize("failing", ["fail=error-event", "fail=broken-sse"], indirect=True)
def test_an_engines_own_error_in_a_stream_keeps_our_shape(failing: House) -> None:
    broken = chat(failing, stream=True)
    assert broken.status == 200
    assert set(broken.events[-1]["error"]) == {"message", "type", "param", "code"}
    assert b"[DONE]" not in broken.body


@pytest.mark.parametrize("failing", ["fail=error-body"], indirect=True)
def test_an_engines_error_status_is_a_502(failing: House) -> None:
    for stream in (False, True):
        broken = chat(failing, stream=stream)
        assert (broken.status, broken.error["code"]) == (502, "engine_failed")


@pytest.mark.parametrize("failing", ["split=7"], indirect=True)
def test_a_stream_that_comes_in_crumbs_goes_out_whole(failing: House) -> None:
    """Cuts fall inside characters, keys and line ends; the text is what a whole answer says."""
    stream = chat(failing, stream=True, temperature=0)
    assert stream.events[-1] == "[DONE]"
    assert stream.text == chat(failing, temperature=0).json["choices"][0]["message"]["content"]
    assert not any(event.get("usage") for event in stream.events[:-1])


def test_a_client_that_reads_slowly_holds_up_the_engine_and_fills_no_memory(tmp_path: Path) -> None:
    """Half a gigabyte is on its way to a client that reads nothing; what lies in between stays small."""
    text = "x" * 20_000
    with open_house("fake", f"ttft=1ms,gap=0ms,chunks=20000,text={text}", tmp_path) as house:
        me = psutil.Process()
        chat(house, max_tokens=5, stream=True)
        before = me.memory_info().rss
        sock = open_stream(house)
        while not house.state.active:
            sleep_blocking_ns(TICK_NS)
        for _ in range(50):
            sleep_blocking_ns(TICK_NS)
        grown = me.memory_info().rss - before
        sock.close()
        wait_until_idle(house)
    assert grown < 20_000_000


@pytest.mark.parametrize("failing", ["fail=hang"], indirect=True)
def test_an_engine_that_says_nothing_is_given_up_after_the_limit(failing: House) -> None:
    failing.state.upstreams.silence_limit_s = 0.05
    for stream in (False, True):
        silent = chat(failing, stream=stream)
        assert (silent.status, silent.error["code"]) == (504, "engine_timeout")


def test_a_client_that_takes_nothing_is_dropped_and_the_engine_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shortlist.serve.channel.STALL_LIMIT_S", 0.05)
    with open_house("fake", f"ttft=1ms,gap=0ms,chunks=2000,text={'x' * 20_000}", tmp_path) as house:
        sock = open_stream(house)
        while not house.finished:
            sleep_blocking_ns(TICK_NS)
        assert house.finished[0].is_cancelled
        assert not house.models.held
        sock.close()


def test_parameters_that_the_engine_behind_cannot_honour_are_refused(slow: House) -> None:
    for keys, param in (
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"top_k": 3}, "top_k"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}]},
            "messages",
        ),
    ):
        refused = chat(slow, **keys)
        assert (refused.status, refused.error["code"], refused.error["param"]) == (400, "unsupported_parameter", param)


def test_too_large_a_body_is_refused_and_not_read(slow: House) -> None:
    slow.state.max_body_bytes = 1000
    try:
        refused = ask(slow, "/v1/chat/completions", b" " * 2000)
    finally:
        slow.state.max_body_bytes = 1 << 25
    assert (refused.status, refused.error["code"]) == (413, "request_too_large")
