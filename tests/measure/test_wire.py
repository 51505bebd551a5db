from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measure.loopback import HEAD, SIMPLE, chunked, whole
from shortlist.errors import BadInput, BrokenStream, ConnectionClosed
from shortlist.measure.wire import (
    HttpRequest,
    Limits,
    ResponseReader,
    escaped,
    parse_target,
    plain_headers,
    write_request,
)

STREAM = HEAD + chunked(*SIMPLE)


def test_every_single_cut_of_a_chunked_reply_gives_the_same_body() -> None:
    for cut in range(1, len(STREAM)):
        reader = ResponseReader()
        assert reader.feed(STREAM[:cut]) + reader.feed(STREAM[cut:]) == b"".join(SIMPLE)
        assert reader.is_complete
        assert reader.is_reusable
        assert reader.status == 200


@given(st.lists(st.integers(0, len(STREAM))))
def test_any_cuts_of_a_chunked_reply_give_the_same_body(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    reader = ResponseReader()
    pieces = [STREAM[a:b] for a, b in pairwise(places) if b > a]
    assert b"".join(map(reader.feed, pieces)) == b"".join(SIMPLE)
    assert reader.is_complete


def test_interim_replies_are_passed_over() -> None:
    reader = ResponseReader()
    body = reader.feed(b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" + whole(b"hi"))
    assert (body, reader.status, reader.headers, reader.is_complete) == (b"hi", 200, {"content-length": "2"}, True)


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    reader = ResponseReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\n\r\nabc") == b"abc"
    reader.end()
    assert reader.is_complete
    assert not reader.is_reusable


@pytest.mark.parametrize("cut", [0, 20, len(HEAD) + 4, len(STREAM) - 3])
def test_a_close_before_the_end_is_told(cut: int) -> None:
    reader = ResponseReader()
    reader.feed(STREAM[:cut])
    with pytest.raises(ConnectionClosed, match=r"before its reply|in the middle"):
        reader.end()


def test_bytes_after_the_reply_forbid_reuse_and_do_not_spoil_it() -> None:
    for surplus in (b"JUNK", whole(b"unasked")):
        reader = ResponseReader()
        assert reader.feed(whole(b"hi") + surplus) == b"hi"
        assert reader.is_complete
        assert not reader.is_reusable


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x02\x00",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    ],
)
def test_what_is_not_plain_http_is_a_broken_stream(data: bytes) -> None:
    with pytest.raises(BrokenStream):
        ResponseReader().feed(data)


def test_headers_and_body_have_a_limit() -> None:
    limits = Limits(header_bytes=1000, body_bytes=1000)
    with pytest.raises(BrokenStream, match="headers are over"):
        ResponseReader(limits).feed(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000)
    with pytest.raises(BrokenStream, match="reply is over"):
        ResponseReader(limits).feed(whole(b"z" * 2000))


def test_a_foreign_beginning_is_printed_without_control_characters() -> None:
    assert escaped(b"\x1b[31mr\xffed\r\n") == "\\x1b[31mr\\xffed\\r\\n"
    assert escaped("é" * 200, 3) == "ééé…"


@pytest.mark.parametrize(
    ("url", "host_header", "path"),
    [
        ("http://127.0.0.1:5273/v1", "127.0.0.1:5273", "/v1/chat"),
        ("http://127.0.0.1:5273", "127.0.0.1:5273", "/v1/chat"),
        ("https://example.org/api/", "example.org", "/api/chat"),
        ("http://[::1]:80/v1?version=2", "[::1]", "/v1/chat?version=2"),
        ("http://bücher.example/v1", "xn--bcher-kva.example", "/v1/chat"),
    ],
)
def test_a_base_url_is_taken_apart(url: str, host_header: str, path: str) -> None:
    target = parse_target(url)
    assert (target.host_header, target.path("/chat")) == (host_header, path)


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:80", "ftp://h/", "http://", "http://h:99999/", "http://h/a b", "http://h/é"],
)
def test_what_is_no_endpoint_url_is_refused(url: str) -> None:
    with pytest.raises(BadInput):
        parse_target(url)


@pytest.mark.parametrize("url", ["http://u:secret@h/v1", "https://secret@h:99999", "http://u:secret@[/"])
def test_a_url_with_credentials_is_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_target(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"), [("", "x"), ("a b", "x"), ("X", "a\r\nY: b"), ("Host", "h"), ("content-length", "9"), ("X", "→")]
)
def test_a_header_that_would_break_the_request_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadInput):
        plain_headers({name: value})


def test_a_request_asks_for_an_uncompressed_reply() -> None:
    request = HttpRequest("POST", "/v1/x", (("Authorization", "Bearer k"),), b"{}")
    assert write_request(parse_target("http://h:1/v1"), request) == (
        b"POST /v1/x HTTP/1.1\r\nHost: h:1\r\nAccept-Encoding: identity\r\nAuthorization: Bearer k\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )
