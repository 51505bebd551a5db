import asyncio
import gc
import hashlib
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from measure.loopback import (
    DONE,
    HEAD,
    ROLE,
    SIMPLE,
    STOP,
    USAGE,
    Exchange,
    Loopback,
    ask,
    chunked,
    endpoint,
    event,
    loopback,
    planned,
    replay,
    run,
    spec,
    sse,
    whole,
)
from shortlist.clock import SYSTEM, LoopClock, RunAxis
from shortlist.errors import BadInput, ConnectFailed, ConnectionClosed, StoreError
from shortlist.measure.drive import drive
from shortlist.measure.link import StampBasis
from shortlist.measure.recording import PlannedRequest, Recording
from shortlist.measure.transport import HttpTransport, Recorder
from shortlist.measure.wire import HttpRequest, Limits, parse_target
from shortlist.records import LoadShape, Sample, SampleError, Usage
from virtual_time import run_virtual

TEXT = "Déjà vu 🙂"
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}


def stream(*events: bytes) -> bytes:
    return HEAD + chunked(*events)


def kinds(sample: Sample) -> list[str]:
    return [chunk.kind for chunk in sample.chunks]


def error_of(sample: Sample) -> SampleError:
    assert sample.error is not None
    return sample.error


# --- whole replies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", LOOPS)
def test_a_streamed_reply_becomes_a_complete_sample(loop: str) -> None:
    axis = RunAxis(SYSTEM.now_ns())
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        sample = runner.run(ask(replay(stream(*SIMPLE)), spec(axis=axis, first_seq=4)))
    assert (sample.status, sample.text, sample.finish_reason, sample.error) == ("ok", TEXT, "stop", None)
    assert sample.text_sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    assert kinds(sample) == ["role", "text", "text", "text", "other", "usage", "other"]
    assert (sample.usage, sample.token_basis, sample.cached_tokens) == (Usage(7, 3), "usage", None)
    assert (sample.cell, sample.block, sample.executor, sample.phase) == ("cell-0", "block", "executor", "measure")
    assert (sample.seq, sample.prompt, sample.disturbance, sample.is_accepted) == (4, "p", (), False)
    assert sample.sent_ns is not None
    assert sample.headers_ns is not None
    assert sample.end_ns is not None
    stamps = [sample.due_ns, sample.sent_ns, sample.headers_ns, *(c.ns for c in sample.chunks), sample.end_ns]
    assert stamps == sorted(stamps)
    assert stamps[0] >= 0


ODD = (b"\xef\xbb\xbf: hello\n\n", *SIMPLE[:2], b": ping\r\n\r\nid: 4\n", *SIMPLE[2:])
TRAILERS = b"0\r\nContent-Encoding: gzip\r\nX-Took: 3\r\n\r\n"


@pytest.mark.parametrize("loop", LOOPS)
def test_every_single_cut_on_the_wire_gives_the_same_text(loop: str) -> None:
    wire = HEAD + split_chunks(*(e.replace(b"\n", b"\r\n") for e in ODD)) + TRAILERS

    async def script(exchange: Exchange) -> None:
        await exchange.play([wire[: exchange.number + 1], wire[exchange.number + 1 :]])

    async def every_cut() -> list[Sample]:
        async with loopback(script) as server:
            return await run(server.base_url, planned(len(wire) - 1))

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        samples = runner.run(every_cut())
    assert len(samples) == len(wire) - 1
    assert {(s.status, s.text, len(s.chunks)) for s in samples} == {("ok", TEXT, 7)}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 900), max_size=20))
def test_any_cuts_on_the_wire_give_the_same_text(cuts: list[int]) -> None:
    wire = stream(*SIMPLE)
    places = [0, *sorted(min(c, len(wire)) for c in cuts), len(wire)]

    async def script(exchange: Exchange) -> None:
        await exchange.play([wire[a:b] for a, b in pairwise(places)])

    sample = asyncio.run(ask(script))
    assert (sample.status, sample.text, len(sample.chunks)) == ("ok", TEXT, 7)


def test_a_reply_that_is_not_streamed_has_text_and_no_chunks() -> None:
    body = (
        b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "42", "reasoning_content": "hm"},'
        b' "finish_reason": "length"}], "usage": {"prompt_tokens": 3, "completion_tokens": 2,'
        b' "prompt_tokens_details": {"cached_tokens": 1}}}'
    )
    sample = asyncio.run(ask(replay(whole(body)), is_streamed=False))
    assert (sample.status, sample.text, sample.reasoning, sample.chunks) == ("ok", "42", "hm", ())
    assert (sample.usage, sample.cached_tokens, sample.finish_reason) == (Usage(3, 2), 1, "length")


def test_a_body_that_ends_with_the_connection_is_complete() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    assert asyncio.run(ask(replay(head + b"".join(SIMPLE), closes=True))).status == "ok"


def test_a_server_that_says_done_and_never_ends_the_body_has_replied() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.write(HEAD + chunked(*SIMPLE)[: -len(b"0\r\n\r\n")])
        if exchange.number:
            exchange.close()
        else:
            await asyncio.Event().wait()

    sample = asyncio.run(ask(script))
    assert (sample.status, sample.text, sample.end_ns) == ("ok", TEXT, sample.chunks[-1].ns)


def test_a_connection_that_breaks_after_done_does_not_undo_the_reply() -> None:
    wire = HEAD + chunked(*SIMPLE)[: -len(b"0\r\n\r\n")]
    assert asyncio.run(ask(replay(wire, closes=True))).status == "ok"


# --- the numbers' definitions ---------------------------------------------------------------------------------------


def gated(first: bytes, second: bytes) -> tuple[Callable[[Exchange], object], list[int]]:
    """Plays two parts with a stamp between them: what belongs to the first part was read before it."""
    between: list[int] = []

    async def script(exchange: Exchange) -> None:
        await exchange.write(first)
        await SYSTEM.sleep_ns(30_000_000)
        between.append(SYSTEM.now_ns())
        await exchange.write(second)

    return script, between


def split_chunks(*events: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(e), e) for e in events)


def test_a_late_usage_chunk_comes_after_the_last_content_and_does_not_move_it() -> None:
    script, between = gated(
        HEAD + split_chunks(ROLE, event({"content": "a"}), event({"content": "b"}), STOP),
        split_chunks(USAGE, DONE) + b"0\r\n\r\n",
    )
    sample = asyncio.run(ask(script))  # type: ignore[arg-type]  # a script is any awaitable's maker
    content = [c.ns for c in sample.chunks if c.is_content]
    assert max(content) < between[0] <= next(c.ns for c in sample.chunks if c.kind == "usage")
    assert sample.usage == Usage(7, 3)


def test_a_role_only_chunk_is_not_the_first_content() -> None:
    script, between = gated(
        HEAD + split_chunks(ROLE, event({"role": "assistant", "content": ""})),
        split_chunks(event({"content": "a"}), STOP, DONE) + b"0\r\n\r\n",
    )
    sample = asyncio.run(ask(script))  # type: ignore[arg-type]  # a script is any awaitable's maker
    assert kinds(sample)[:3] == ["role", "role", "text"]
    assert next(c.ns for c in sample.chunks if c.is_content) >= between[0]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_content_and_is_kept_apart_from_the_text(name: str) -> None:
    sample = asyncio.run(ask(replay(stream(ROLE, event({name: "hm "}), event({"content": "4"}), STOP, DONE))))
    assert kinds(sample) == ["role", "reasoning", "text", "other", "other"]
    assert (sample.text, sample.reasoning, sample.chunks[1].is_content) == ("4", "hm ", True)


def test_a_tool_call_is_content() -> None:
    sample = asyncio.run(ask(replay(stream(event({"tool_calls": [{"index": 0}]}), event({}, "tool_calls"), DONE))))
    assert (sample.status, kinds(sample)[0], sample.text) == ("ok", "tool", "")


def test_several_tokens_in_one_chunk_count_by_usage_and_without_usage_the_basis_is_chunks() -> None:
    many = event({"content": "one two three"})
    with_usage = asyncio.run(ask(replay(stream(many, STOP, USAGE, DONE))))
    without = asyncio.run(ask(replay(stream(many, STOP, DONE))))
    assert (with_usage.token_basis, with_usage.usage) == ("usage", Usage(7, 3))
    assert (without.token_basis, without.usage) == ("chunks", None)


def test_cached_tokens_come_from_usage_or_from_the_engines_timings() -> None:
    details = {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 8}}
    text = event({"content": "x"})
    by_usage = asyncio.run(ask(replay(stream(text, sse({"choices": [], "usage": details}), STOP, DONE))))
    by_timings = asyncio.run(ask(replay(stream(text, event({}, "stop", timings={"cache_n": 0}), DONE))))
    assert (by_usage.cached_tokens, by_timings.cached_tokens) == (8, 0)


def test_the_text_is_the_first_choices_and_content_of_any_choice_is_content() -> None:
    other = sse({"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}]})
    both = sse(
        {"choices": [{"index": 1, "delta": {"content": "no"}}, {"index": 0, "delta": {"reasoning_content": "hm"}}]}
    )
    sample = asyncio.run(ask(replay(stream(other, event({"content": "yes"}), both, STOP, DONE))))
    assert (sample.text, sample.reasoning, sample.finish_reason) == ("yes", "hm", "stop")
    assert kinds(sample) == ["text", "text", "text", "other", "other"]


def test_a_reply_whose_other_choice_alone_finished_is_not_complete() -> None:
    other = sse({"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}]})
    sample = asyncio.run(ask(replay(stream(other))))
    assert (sample.status, error_of(sample).type) == ("partial", "ConnectionClosed")


def test_a_tool_call_over_several_deltas_is_content_throughout() -> None:
    def call(**function: str) -> bytes:
        return event({"tool_calls": [{"index": 0, "function": function}]})

    wire = stream(ROLE, call(name="add", arguments=""), call(arguments='{"a": '), call(arguments="1}"), STOP, DONE)
    sample = asyncio.run(ask(replay(wire)))
    assert (sample.status, kinds(sample)) == ("ok", ["role", "tool", "tool", "tool", "other", "other"])


def test_what_follows_done_does_not_hide_it() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.write(HEAD + split_chunks(b"".join(SIMPLE) + b": bye\n\n" + USAGE))
        await asyncio.Event().wait()

    sample = asyncio.run(ask(script, spec(timeout_ns=10 * 10**9)))
    assert (sample.status, sample.text, sample.usage) == ("ok", TEXT, Usage(7, 3))


def test_a_finished_reply_without_content_is_empty_and_not_failed() -> None:
    sample = asyncio.run(ask(replay(stream(ROLE, STOP, USAGE, DONE))))
    assert (sample.status, sample.text, sample.error) == ("empty", "", None)
    assert sample.text_sha256 == hashlib.sha256(b"").hexdigest()
    assert not any(c.is_content for c in sample.chunks)


# --- what goes wrong ------------------------------------------------------------------------------------------------

TEXT_AND_MORE = split_chunks(ROLE, event({"content": "half"}))


@pytest.mark.parametrize(
    ("wire", "status", "error", "says"),
    [
        (b"", "failed", "ConnectionClosed", "before its reply"),
        (HEAD[:30], "failed", "ConnectionClosed", "before its reply"),
        (HEAD + split_chunks(ROLE), "failed", "ConnectionClosed", "in the middle"),
        (HEAD + TEXT_AND_MORE, "partial", "ConnectionClosed", "in the middle"),
        (stream(ROLE, event({"content": "half"})), "partial", "ConnectionClosed", "without finish_reason"),
        (stream(b'data: {"choices": [\n\n'), "failed", "BrokenStream", "event 1 of the stream is not JSON"),
        (stream(event({"content": "a"}), b"data: [1]\n\n"), "failed", "BrokenStream", "not a JSON object: '[1]'"),
        (stream(b"data: \xff\xfe\n\n"), "failed", "BrokenStream", "not JSON"),
        (stream(b"data: " + b"[" * 5000 + b"\n\n"), "failed", "BrokenStream", "not JSON"),
        (stream(event({"content": ["x"]})), "failed", "BrokenStream", "content is list"),
        (stream(sse({"error": {"message": "out of\x1b memory", "code": 507}})), "failed", "ErrorReply", "507: out of"),
        (stream(event({"content": "a"}), b"event: error\ndata: {}\n\n"), "failed", "ErrorReply", "reports an error"),
        (whole(b'{"error": {"message": "no such model"}}'), "failed", "ErrorReply", "no such model"),
        (whole(b'{"error": "busy"}', "503 No"), "failed", "ErrorReply", "status 503: busy"),
        (whole(b'{"detail": "bad field"}', "422 No"), "failed", "ErrorReply", "status 422: bad field"),
        (whole(b"<h1>\x07Bad</h1>", "502 Bad"), "failed", "ErrorReply", "502: <h1>\\x07Bad"),
        (whole(b"", "500 Oh"), "failed", "ErrorReply", "500: no body"),
        (whole(b"", "307 To", "Location: /x"), "failed", "ErrorReply", "redirects are not followed (/x)"),
        (whole(b""), "failed", "BrokenStream", "the reply is empty"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "failed", "BrokenStream", "status 204 and no content"),
        (whole(b"<html>\nhello"), "failed", "BrokenStream", "reads '<html>\\\\nhello'"),
        (whole(b'{"choices": []}'), "failed", "BrokenStream", "a stream of events was asked for"),
        (whole(b"x", "200 OK", "Content-Encoding: gzip"), "failed", "BrokenStream", "compressed"),
        (whole(b"x", "200 OK", "content-encoding:  BR"), "failed", "BrokenStream", "compressed (br"),
        (
            whole(b"x", "200 OK", "Content-Encoding: zstd", "Content-Encoding: identity"),
            "failed",
            "BrokenStream",
            "zstd",
        ),
        (HEAD.replace(b"chunked", b"gzip, chunked"), "failed", "BrokenStream", "compressed (identity, gzip, chunked"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "failed", "BrokenStream", "reads 'SSH-2.0"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "failed", "BrokenStream", "headers are over"),
    ],
)
def test_a_reply_that_goes_wrong_becomes_one_clear_error(wire: bytes, status: str, error: str, says: str) -> None:
    sample = asyncio.run(ask(replay(wire, closes=True)))
    assert (sample.status, error_of(sample).type) == (status, error)
    assert says in error_of(sample).message
    assert error_of(sample).message.isprintable()
    assert sample.end_ns is not None
    assert sample.text == {"partial": "half"}.get(status, sample.text)


def test_a_reset_connection_is_told_with_the_systems_words() -> None:
    async def script(exchange: Exchange) -> None:
        sock = exchange.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        exchange.writer.transport.abort()
        exchange.close()

    sample = asyncio.run(ask(script))
    assert (sample.status, error_of(sample).type) == ("failed", "ConnectionClosed")
    assert "reset" in error_of(sample).message


def test_a_body_that_is_not_a_whole_json_reply_fails() -> None:
    for body in (b"", b"{}", b'{"choices": [{"message": 3}]}', b"\x00"):
        sample = asyncio.run(ask(replay(whole(body)), is_streamed=False))
        assert (sample.status, error_of(sample).type) == ("failed", "BrokenStream")


def test_a_refused_connection_fails_every_request_and_stops_nothing() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        samples = asyncio.run(run(url, planned(3)))
    assert [(s.status, error_of(s).type, s.sent_ns) for s in samples] == [("failed", "ConnectFailed", None)] * 3
    assert "refused" in error_of(samples[0]).message


def test_a_host_that_nobody_knows_fails() -> None:
    sample = asyncio.run(run("http://nowhere.invalid:1/v1", planned()))[0]
    assert error_of(sample).type == ConnectFailed.__name__
    assert "nowhere.invalid" in error_of(sample).message


def test_a_server_that_hangs_times_out_and_what_it_said_before_is_kept() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.write(HEAD + TEXT_AND_MORE)
        await asyncio.Event().wait()

    sample = asyncio.run(ask(script, spec(timeout_ns=150_000_000)))
    assert (sample.status, sample.text, error_of(sample).type) == ("timeout", "half", "RequestTimeout")
    assert "150 ms" in error_of(sample).message
    assert kinds(sample) == ["role", "text"]


def test_an_endless_reply_is_cut_off() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.write(HEAD)
        while True:
            await exchange.write(split_chunks(b": " + b"x" * 50_000 + b"\n"))

    async def limited() -> Sample:
        async with loopback(script) as server:
            transport = HttpTransport(parse_target(server.base_url), SYSTEM.now_ns, limits=Limits(body_bytes=500_000))
            return (await run(server.base_url, planned(), spec(transport=transport)))[0]

    assert "over 500000 bytes" in error_of(asyncio.run(limited())).message


# --- connections ----------------------------------------------------------------------------------------------------


class Told(Recording):
    """What a transport tells, and which connections were used again."""

    def __init__(self) -> None:
        super().__init__(planned(is_streamed=False)[0], 0, 0)
        self.reused: list[bool] = []

    def connected(self, *, is_reused: bool, is_resent: bool) -> None:
        self.reused.append(is_reused)


def serve(script: Callable[[Exchange], object], requests: int, concurrency: int = 1) -> tuple[Loopback, list[Sample]]:
    async def go() -> tuple[Loopback, list[Sample]]:
        async with loopback(script) as server:  # type: ignore[arg-type]  # a script is any awaitable's maker
            return server, await run(server.base_url, planned(requests), spec(concurrency))

    return asyncio.run(go())


async def after_a_while(exchange: Exchange) -> None:
    await SYSTEM.sleep_ns(30_000_000)
    await exchange.write(stream(*SIMPLE))


def test_a_connection_that_is_seen_to_stay_open_carries_the_other_requests_of_a_block() -> None:
    server, samples = serve(after_a_while, 8)
    assert ([s.status for s in samples], server.connections) == (["ok"] * 8, 2)


def test_a_peer_that_closes_after_each_reply_unannounced_never_loses_a_request() -> None:
    async def script(exchange: Exchange) -> None:
        await after_a_while(exchange)
        exchange.close()

    server, samples = serve(script, 8)
    assert [(s.status, s.disturbance) for s in samples] == [("ok", ())] * 8
    assert (server.connections, len(server.requests)) == (8, 8)


def test_a_connection_is_used_again_after_trailers() -> None:
    async def script(exchange: Exchange) -> None:
        await SYSTEM.sleep_ns(30_000_000)
        await exchange.write(HEAD + split_chunks(*SIMPLE) + TRAILERS)

    server, samples = serve(script, 6)
    assert ([s.status for s in samples], server.connections) == (["ok"] * 6, 2)


def test_a_connection_that_the_peer_wants_closed_is_not_used_again() -> None:
    head = HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    server, samples = serve(replay(head + chunked(*SIMPLE), closes=True), 3)
    assert ([s.status for s in samples], server.connections) == (["ok"] * 3, 3)


def test_a_kept_connection_that_turns_out_closed_is_replaced_once_and_the_sample_says_so() -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.number == 2:  # the first request on a kept connection is answered by a close
            exchange.close()
        else:
            await after_a_while(exchange)

    server, samples = serve(script, 5)
    assert [(s.status, s.disturbance) for s in samples] == [("ok", ("resent",) * (n == 2)) for n in range(5)]
    assert samples[2].due_ns == samples[1].end_ns
    # After that no connection is trusted any more.
    assert (server.connections, len(server.requests)) == (5, 6)


def test_a_connection_closed_while_idle_is_noticed_before_anything_is_sent() -> None:
    async def go() -> tuple[Loopback, Told]:
        async with loopback(replay(whole(b"hi"), closes=True)) as server:
            transport, told = HttpTransport(parse_target(server.base_url), SYSTEM.now_ns), Told()
            for _ in range(2):
                await transport.request(HttpRequest("GET", "/v1/x"), told)
                await SYSTEM.sleep_ns(20_000_000)
            transport.close()
            return server, told

    server, told = asyncio.run(go())
    assert told.reused == [False, False]
    assert len(server.requests) == 2


def test_a_fresh_connection_that_closes_is_not_tried_again() -> None:
    async def script(exchange: Exchange) -> None:
        exchange.close()

    server, samples = serve(script, 2)
    assert [error_of(s).type for s in samples] == ["ConnectionClosed"] * 2
    assert len(server.requests) == 2


def test_a_request_that_may_not_be_sent_twice_is_not() -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.number:
            exchange.close()
        else:
            await exchange.write(whole(b"hi"))

    async def go() -> tuple[int, list[str]]:
        async with loopback(script) as server:
            transport = HttpTransport(parse_target(server.base_url), SYSTEM.now_ns)
            outcomes = []
            for _ in range(2):
                try:
                    await transport.request(HttpRequest("POST", "/x"), Told())
                    outcomes.append("ended")
                except ConnectionClosed as error:
                    outcomes.append(type(error).__name__)
                await SYSTEM.sleep_ns(30_000_000)
            transport.close()
            return len(server.requests), outcomes

    assert asyncio.run(go()) == (2, ["ended", "ConnectionClosed"])


@pytest.mark.parametrize("loop", LOOPS)
def test_a_body_larger_than_the_systems_buffers_arrives_whole(loop: str) -> None:
    async def go() -> tuple[Loopback, Sample]:
        async with loopback(replay(stream(*SIMPLE)), limit=1000) as server:
            return server, (await run(server.base_url, [PlannedRequest("c", "p", b"x" * 5_000_000)]))[0]

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        server, sample = runner.run(go())
    assert (sample.status, len(server.requests[0].body)) == ("ok", 5_000_000)


@pytest.mark.parametrize("loop", LOOPS)
def test_sixty_four_at_once_are_sixty_four_connections_and_none_waits_for_another(loop: str) -> None:
    all_here = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        if exchange.number == 63:
            all_here.set()
        await all_here.wait()
        await exchange.play([HEAD, *(split_chunks(e) for e in SIMPLE), b"0\r\n\r\n"])

    async def go() -> tuple[Loopback, list[Sample]]:
        async with loopback(script) as server:
            return server, await run(server.base_url, planned(192), spec(64))

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        server, samples = runner.run(go())
    assert {(s.status, s.text) for s in samples} == {("ok", TEXT)}
    assert len(samples) == 192
    assert {r.connection for r in server.requests[:64]} == set(range(64))
    assert sorted(s.seq for s in samples) == list(range(192))
    assert len({s.id for s in samples}) == 192


def test_tls_is_checked_and_its_stamps_are_labelled(tmp_path: Path) -> None:
    import ssl

    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"),
            *("-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("openssl is needed to make a certificate")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    async def go() -> tuple[list[Sample], str, int]:
        async with loopback(replay(stream(*SIMPLE)), ssl=serving) as server:
            url = server.base_url.replace("http:", "https:")
            trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
            transport = HttpTransport(parse_target(url), SYSTEM.now_ns, tls=trusting)
            good = await run(url, planned(2), spec(transport=transport))
            transport.close()
            return good + await run(url, planned()), transport.stamp_basis, server.connections

    samples, basis, _ = asyncio.run(go())
    assert [(s.status, s.text) for s in samples] == [("ok", TEXT), ("ok", TEXT), ("failed", "")]
    assert error_of(samples[2]).type == "ConnectFailed"
    assert "ertificate" in error_of(samples[2]).message
    assert basis == "stream read (TLS)"


# --- the loop -------------------------------------------------------------------------------------------------------


class PlayedTransport:
    """Virtual time: request k takes the k-th duration; what it tells is stamped by the loop's own clock."""

    stamp_basis: StampBasis = "socket read"
    is_reading = False

    def __init__(self, durations_ms: list[int]) -> None:
        self.durations_ms = list(durations_ms)
        self.in_flight = self.most_in_flight = 0

    async def request(self, request: HttpRequest, recorder: Recorder) -> None:
        clock = LoopClock()
        wait_ns = self.durations_ms.pop(0) * 10**6
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        recorder.connected(is_reused=False, is_resent=False)
        recorder.sent(clock.now_ns())
        recorder.headed(clock.now_ns(), 200, {})
        await clock.sleep_ns(wait_ns)
        recorder.arrived(event({"content": "x"}) + STOP + DONE, clock.now_ns(), None)
        self.in_flight -= 1
        recorder.ended(clock.now_ns())

    async def prepare(self, connections: int) -> None:
        pass

    def close(self) -> None:
        pass


def drive_virtually(
    durations_ms: list[int], concurrency: int, **changes: object
) -> tuple[PlayedTransport, list[Sample]]:
    transport = PlayedTransport(durations_ms)
    how = spec(concurrency, transport=transport, clock=LoopClock(), **changes)
    requests = planned(2, phase="warmup")[:1] + planned(len(durations_ms) - 1)
    return transport, run_virtual(run("http://played", requests, how))


def test_in_a_closed_loop_a_request_is_due_the_moment_its_slot_became_free() -> None:
    transport, samples = drive_virtually([5, 20, 30, 10, 10, 40], 2)
    assert transport.most_in_flight == 2
    assert [(s.phase, s.seq, s.due_ns // 10**6, (s.end_ns or 0) // 10**6) for s in samples] == [
        ("warmup", 0, 0, 5),
        ("measure", 1, 5, 25),
        ("measure", 2, 5, 35),
        ("measure", 3, 25, 35),
        ("measure", 4, 35, 45),
        ("measure", 5, 35, 75),
    ]
    assert all(s.sent_ns == s.due_ns for s in samples)


def test_connections_are_opened_before_the_first_request_is_due() -> None:
    class SlowToConnect(PlayedTransport):
        async def prepare(self, connections: int) -> None:
            assert connections == 2
            await LoopClock().sleep_ns(7 * 10**6)

    how = spec(2, transport=SlowToConnect([5, 6, 9]), clock=LoopClock())
    samples = run_virtual(run("http://played", planned(3), how))
    assert [s.due_ns // 10**6 for s in samples] == [7, 7, 12]


def test_prepared_connections_carry_the_requests() -> None:
    async def go() -> tuple[int, list[bool], int]:
        async with loopback(replay(whole(b"hi"))) as server:
            transport = HttpTransport(parse_target(server.base_url), SYSTEM.now_ns)
            await transport.prepare(3)
            await SYSTEM.sleep_ns(10_000_000)
            opened = server.connections
            told = Told()
            await transport.request(HttpRequest("GET", "/"), told)
            transport.close()
            return opened, told.reused, server.connections

    assert asyncio.run(go()) == (3, [False], 3)


def test_a_timeout_is_exact_and_frees_the_slot() -> None:
    _, samples = drive_virtually([5, 900, 10], 1, timeout_ns=100_000_000)
    assert [(s.status, s.due_ns // 10**6, (s.end_ns or 0) // 10**6) for s in samples] == [
        ("ok", 0, 5),
        ("timeout", 5, 105),
        ("ok", 105, 115),
    ]


def test_a_stop_lets_what_is_in_flight_finish_and_sends_no_more() -> None:
    async def go() -> list[Sample]:
        stop, samples = asyncio.Event(), list[Sample]()

        def on_sample(sample: Sample) -> None:
            samples.append(sample)
            stop.set()

        how = spec(2, transport=PlayedTransport([10, 20, 10, 10, 10]), clock=LoopClock(), stop=stop)
        await drive(endpoint("http://played"), {}, planned(5), how, on_sample)
        return samples

    assert sorted(s.seq for s in run_virtual(go())) in ([0, 1], [0, 1, 2])


def test_a_cancellation_drops_what_is_in_flight_and_keeps_what_is_finished() -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.number < 3:
            await exchange.write(stream(*SIMPLE))
        else:
            reached.set()
            await exchange.write(HEAD + TEXT_AND_MORE)
            await asyncio.Event().wait()

    async def go() -> tuple[list[Sample], Loopback]:
        samples: list[Sample] = []
        async with loopback(script) as server:
            driving = asyncio.create_task(drive(endpoint(server.base_url), {}, planned(9), spec(), samples.append))
            await reached.wait()
            driving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await driving
            return samples, server

    reached = asyncio.Event()
    samples, server = asyncio.run(go())
    assert [(s.seq, s.status) for s in samples] == [(0, "ok"), (1, "ok"), (2, "ok")]
    assert len(server.requests) == 4


def test_a_reply_that_is_over_but_not_yet_read_survives_a_cancellation() -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.number == 0:
            await exchange.write(stream(*[event({"content": "x"})] * 4000, STOP, DONE))
        else:
            reached.set()
            await asyncio.Event().wait()

    async def go() -> tuple[int, list[Sample]]:
        samples: list[Sample] = []
        async with loopback(script) as server:
            driving = asyncio.create_task(drive(endpoint(server.base_url), {}, planned(2), spec(), samples.append))
            await reached.wait()
            before = len(samples)
            driving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await driving
            return before, samples

    reached = asyncio.Event()
    before, samples = asyncio.run(go())
    assert before == 0, "4000 events were read before the next request reached the server"
    assert [(s.seq, s.status, len(s.text)) for s in samples] == [(0, "ok", 4000)]


def test_an_error_of_the_sink_comes_out_as_it_is_and_nothing_more_is_sent() -> None:
    async def go() -> int:
        def full(_: Sample) -> None:
            raise StoreError("the disk is full")

        async with loopback(replay(stream(*SIMPLE))) as server:
            with pytest.raises(StoreError, match="full"):
                await drive(endpoint(server.base_url), {}, planned(200), spec(2), full)
            return len(server.requests)

    assert asyncio.run(go()) < 20


def test_a_defect_in_one_request_becomes_its_error() -> None:
    class Defective(PlayedTransport):
        async def request(self, request: HttpRequest, recorder: Recorder) -> None:
            recorder.sent(0)
            raise ZeroDivisionError

    samples = asyncio.run(run("http://played", planned(2), spec(transport=Defective([]))))
    assert [(s.status, error_of(s).type) for s in samples] == [("failed", "ZeroDivisionError")] * 2


def test_the_garbage_collector_is_as_it_was_after_a_block() -> None:
    before = gc.get_threshold()
    asyncio.run(ask(replay(stream(*SIMPLE))))
    assert gc.isenabled()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_headers_of_the_user_are_sent_and_the_body_is_the_planned_one() -> None:
    async def go() -> Exchange:
        async with loopback(replay(stream(*SIMPLE))) as server:
            await drive(endpoint(server.base_url), {"Authorization": "Bearer k"}, planned(), spec(), lambda _: None)
            return server.requests[0]

    seen = asyncio.run(go())
    assert seen.head.startswith("POST /v1/chat/completions HTTP/1.1\r\n")
    assert "Authorization: Bearer k\r\n" in seen.head
    assert seen.body == b'{"n": 0}'


# --- the open loop --------------------------------------------------------------------------------------------------


def due_at(*offsets_ms: int) -> list[PlannedRequest]:
    return [
        replace(request, due_offset_ns=ms * 10**6)
        for request, ms in zip(planned(len(offsets_ms)), offsets_ms, strict=True)
    ]


def drive_openly(durations_ms: list[int], requests: list[PlannedRequest], **changes: object) -> list[Sample]:
    """Open loop on virtual time; the samples by sequence number."""
    fields = {"transport": PlayedTransport(durations_ms), "clock": LoopClock(), "load": LoadShape("open")} | changes
    return sorted(run_virtual(run("http://played", requests, spec(1, **fields))), key=lambda s: s.seq)


def times_ms(samples: list[Sample]) -> list[tuple[str, int, int | None, int]]:
    return [
        (s.status, s.due_ns // 10**6, None if s.sent_ns is None else s.sent_ns // 10**6, (s.end_ns or 0) // 10**6)
        for s in samples
    ]


def test_in_an_open_loop_every_request_goes_out_when_it_is_due_whatever_became_of_the_others() -> None:
    samples = drive_openly([50, 50, 5], due_at(0, 10, 20))
    assert times_ms(samples) == [("ok", 0, 0, 50), ("ok", 10, 10, 60), ("ok", 20, 20, 25)]


def test_due_times_of_an_open_loop_count_from_the_start_of_their_phase_and_warm_ups_stay_closed() -> None:
    requests = planned(3, phase="warmup") + due_at(0, 4)
    samples = drive_openly([10, 10, 10, 50, 50], requests, load=LoadShape("open", 2))
    assert [s.phase for s in samples] == ["warmup"] * 3 + ["measure"] * 2
    assert [s.due_ns // 10**6 for s in samples] == [0, 0, 10, 20, 24]


def test_an_open_loop_sends_by_due_time_whatever_the_order_of_the_plan() -> None:
    samples = drive_openly([5, 5, 5], due_at(30, 10, 20))
    assert [(s.seq, s.due_ns // 10**6, (s.sent_ns or 0) // 10**6) for s in samples] == [
        (0, 30, 30),
        (1, 10, 10),
        (2, 20, 20),
    ]


def test_a_request_that_an_open_loop_cannot_hold_fails_unsent_and_says_so() -> None:
    samples = drive_openly([50, 50, 5], due_at(0, 10, 20, 55), most_in_flight=2)
    assert times_ms(samples) == [("ok", 0, 0, 50), ("ok", 10, 10, 60), ("failed", 20, None, 20), ("ok", 55, 55, 60)]
    assert error_of(samples[2]) == SampleError(
        "TooManyInFlight", "2 requests were in flight, the most that this client can hold: this one was not sent"
    )


def test_a_timeout_in_an_open_loop_ends_its_own_request_alone() -> None:
    samples = drive_openly([900, 30], due_at(0, 10), timeout_ns=100_000_000)
    assert times_ms(samples) == [("timeout", 0, 0, 100), ("ok", 10, 10, 40)]


def test_a_stop_ends_the_wait_for_a_distant_request() -> None:
    async def go() -> tuple[list[Sample], float]:
        stop, samples = asyncio.Event(), list[Sample]()

        def on_sample(sample: Sample) -> None:
            samples.append(sample)
            stop.set()

        how = spec(load=LoadShape("open"), transport=PlayedTransport([10]), clock=LoopClock(), stop=stop)
        await drive(endpoint("http://played"), {}, due_at(0, 3_600_000), how, on_sample)
        return samples, asyncio.get_running_loop().time()

    samples, ended_s = run_virtual(go())
    assert [s.seq for s in samples] == [0]
    assert ended_s <= 0.2


def test_an_open_loop_without_due_times_is_bad_input() -> None:
    with pytest.raises(BadInput, match="due time"):
        asyncio.run(run("http://127.0.0.1:1", planned(), spec(load=LoadShape("open", 1, 3.0))))


def count_open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


def test_file_descriptors_bound_an_open_loop_before_they_run_out() -> None:
    resource = pytest.importorskip("resource")
    all_here = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await all_here.wait()
        await exchange.write(stream(*SIMPLE))

    async def go() -> tuple[int, list[Sample]]:
        async with loopback(script) as server:
            old = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (count_open_files() + 84, old[1]))
            try:
                asyncio.get_running_loop().call_later(0.2, all_here.set)
                samples = await run(server.base_url, due_at(*range(40)), spec(load=LoadShape("open")))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, old)
            return len(server.requests), samples

    seen, samples = asyncio.run(go())
    unsent = [s for s in samples if s.status == "failed"]
    assert {error_of(s).type for s in unsent} == {"TooManyInFlight"}
    assert {s.status for s in samples if s not in unsent} == {"ok"}
    assert 10 <= seen <= 20, "20 descriptors are left beside those that are spared"
    assert seen + len(unsent) == 40


@pytest.mark.parametrize("loop", LOOPS)
def test_on_the_machines_clock_nothing_is_sent_before_it_is_due(loop: str) -> None:
    async def go() -> list[Sample]:
        async with loopback(replay(stream(*SIMPLE))) as server:
            requests = [replace(r, due_offset_ns=n * 1_370_000) for n, r in enumerate(planned(40))]
            return await run(server.base_url, requests, spec(load=LoadShape("open")))

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        samples = sorted(runner.run(go()), key=lambda s: s.seq)
    assert [b.due_ns - a.due_ns for a, b in pairwise(samples)] == [1_370_000] * 39
    assert all(s.sent_ns is not None and s.sent_ns >= s.due_ns for s in samples)


def test_chunk_sizes_are_those_of_the_events() -> None:
    sample = asyncio.run(ask(replay(stream(*SIMPLE))))
    assert [c.bytes for c in sample.chunks] == [len(e) - len(b"data: \n\n") for e in SIMPLE]
