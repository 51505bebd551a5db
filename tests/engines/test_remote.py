"""The remote engine against loopback servers, good and bad."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from shortlist.engines import EngineContext, LoadSpec
from shortlist.engines.fake import Fake
from shortlist.engines.remote import Remote, base_url, read_key
from shortlist.errors import BadInput, BrokenStream, ConnectFailed, ErrorReply, InvalidFile
from shortlist.records import Endpoint, EngineOptions, Generation, Variant

OK = b"HTTP/1.1 200 OK\r\nServer: known/1.2\r\nContent-Length: 2\r\n\r\n[]"


def load_spec(logs: Path, options: EngineOptions | None = None, timeout_ns: int = 20 * 10**9) -> LoadSpec:
    return LoadSpec(
        "r", "their-model", Variant("endpoint"), options or EngineOptions(), None, logs, timeout_ns=timeout_ns
    )


def against(
    reply: bytes | None,
    use: Callable[[str], Awaitable[None]],
    seen: list[bytes] | None = None,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Run `use(base URL)` beside a server that answers everything with these bytes; None never answers."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            if seen is not None:
                seen.append(request)
            if reply is None:
                await reader.read()
            else:
                writer.write(reply)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def go() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
        async with server:
            await use(f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")

    asyncio.run(go())


async def opened(
    url: str, logs: Path, key: Path | None = None, headers: dict[str, str] | None = None
) -> tuple[Remote, Endpoint]:
    engine = Remote(EngineContext(url, key, headers or {}))
    return engine, await engine.open(load_spec(logs))


def test_an_endpoint_is_taken_for_what_it_says_of_itself(tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def use(url: str) -> None:
        engine, endpoint = await opened(url, tmp_path)
        does = ("chat", "passes_on", "stream")
        assert endpoint == Endpoint(url, "their-model", None, "remote", "known/1.2", None, does)
        assert (engine.pids(), engine.load_ns, await engine.crash()) == ((), None, None)
        assert engine.extra_body(Generation()) == {}
        assert engine.extra_body(Generation(fixed_tokens=9))["min_tokens"] == 9

    against(OK, use, seen)
    assert seen[0].startswith(b"GET /v1/models HTTP/1.1\r\n")


def test_it_opens_an_engine_of_ours(tmp_path: Path) -> None:
    async def go() -> None:
        fake = Fake(EngineContext())
        spec = LoadSpec("f", "fake", Variant("endpoint"), EngineOptions(), None, tmp_path)
        there = await fake.open(spec)
        try:
            assert (await opened(there.base_url, tmp_path))[1].base_url == there.base_url
        finally:
            await fake.close()

    asyncio.run(go())


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_a_list_of_models_is_taken(tmp_path: Path, status: int) -> None:
    async def use(url: str) -> None:
        assert (await opened(url, tmp_path))[1].engine_version is None

    against(f"HTTP/1.1 {status} No\r\n\r\n".encode(), use)


@pytest.mark.parametrize(
    ("reply", "kind", "told"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", ErrorReply, "refuses the key"),
        (b"HTTP/1.1 503 Loading\r\n\r\n", ErrorReply, "status 503"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: https://else.where/\r\n\r\n",
            ErrorReply,
            "redirects to https://else.where/",
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", BrokenStream, "not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nServer: x\r\n", BrokenStream, "no HTTP reply"),
        (b"", BrokenStream, "no HTTP reply"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", BrokenStream, "no HTTP reply"),
    ],
)
def test_a_server_that_cannot_serve_is_one_clear_error(
    tmp_path: Path, reply: bytes, kind: type[Exception], told: str
) -> None:
    async def use(url: str) -> None:
        with pytest.raises(kind, match=told):
            await opened(url, tmp_path)

    against(reply, use)


def test_a_refused_connection_names_the_url(tmp_path: Path) -> None:
    urls: list[str] = []

    async def use(url: str) -> None:
        urls.append(url)

    against(OK, use)  # and is closed again
    with pytest.raises(ConnectFailed, match=urls[0]) as caught:
        asyncio.run(opened(urls[0], tmp_path))
    assert "--endpoint" in (caught.value.hint or "")


def test_a_server_that_hangs_is_given_up(tmp_path: Path) -> None:
    async def use(url: str) -> None:
        engine = Remote(EngineContext(url))
        with pytest.raises(ConnectFailed, match=r"did not answer within 100 ms"):
            await engine.open(load_spec(tmp_path, timeout_ns=100 * 10**6))

    against(None, use)


def test_an_unknown_host_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConnectFailed):
        asyncio.run(opened("http://no-such-host.invalid/v1", tmp_path))


def test_the_key_and_the_headers_go_with_the_request_and_nowhere_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = tmp_path / "key"
    key.write_text("s3cret\n")
    key.chmod(0o600)
    seen: list[bytes] = []

    async def use(url: str) -> None:
        engine, endpoint = await opened(url, tmp_path, key, {"X-Team": "edge"})
        assert engine.request_headers() == {"X-Team": "edge", "Authorization": "Bearer s3cret"}
        assert "s3cret" not in repr((endpoint, engine.settings, engine._context))
        await engine.close()
        assert engine.request_headers() == {}

    with caplog.at_level(logging.DEBUG):
        against(OK, use, seen)
    assert b"Authorization: Bearer s3cret\r\n" in seen[0]
    assert b"X-Team: edge\r\n" in seen[0]
    assert caplog.records == [record for record in caplog.records if record.name == "asyncio"]


def test_a_key_that_others_can_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    key = tmp_path / "key"
    key.write_text("s3cret")
    key.chmod(0o644)
    assert read_key(key) == "s3cret"
    assert "chmod 600" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("content", [b"", b"\n", b"one\ntwo", b"a\rb", "schlüssel".encode(), b"x" * 20_000, b"a\x00b"])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    key = tmp_path / "key"
    key.write_bytes(content)
    with pytest.raises(InvalidFile, match="one line with one API key"):
        read_key(key)


def test_a_key_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="nowhere: the API key cannot be read: No such file"):
        read_key(tmp_path / "nowhere")


@pytest.mark.parametrize("header", [{"X": "a\r\nHost: b"}, {"X Y": "a"}, {"": "a"}, {"X": "é"}])
def test_a_header_that_cannot_be_sent_is_refused(tmp_path: Path, header: dict[str, str]) -> None:
    async def use(url: str) -> None:
        with pytest.raises(BadInput, match="cannot be sent"):
            await opened(url, tmp_path, headers=header)

    against(OK, use)


@pytest.mark.parametrize(
    "options",
    [EngineOptions(device="gpu"), EngineOptions(threads=4), EngineOptions(context=512), EngineOptions(kv_type="f16")],
)
def test_what_only_the_owner_can_choose_is_refused(tmp_path: Path, options: EngineOptions) -> None:
    with pytest.raises(BadInput, match="whoever runs the endpoint"):
        asyncio.run(Remote(EngineContext("http://127.0.0.1:1/v1")).open(load_spec(tmp_path, options)))


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://localhost:5273/v1", "http://localhost:5273/v1"),
        ("http://localhost:5273/v1/", "http://localhost:5273/v1"),
        ("http://localhost:5273", "http://localhost:5273/v1"),
        ("https://host/openai/v1/chat/completions", "https://host/openai/v1"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1"),
    ],
)
def test_urls_as_people_give_them(given: str, base: str) -> None:
    assert base_url(given) == base


@pytest.mark.parametrize(
    "given",
    [
        "",
        "localhost:5273",
        "ftp://host/v1",
        "http://",
        "http://h:99999/v1",
        "http://u:p@h/v1",
        "http://h/v1?key=1",
        "http://[x/v1",
    ],
)
def test_what_is_no_url_is_bad_input(given: str) -> None:
    with pytest.raises(BadInput):
        base_url(given)


def test_probe_needs_a_url() -> None:
    assert not Remote(EngineContext()).probe().available
    assert Remote(EngineContext("http://h/v1")).probe().available


def test_tls_is_spoken_and_an_untrusted_certificate_refused(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)

    async def use(url: str) -> None:
        with pytest.raises(ConnectFailed, match="certificate"):
            await opened(url, tmp_path)

    against(OK, use, tls=server)


def make_certificate(folder: Path) -> Path:
    import shutil
    import subprocess

    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    path = folder / "both.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*argv, "-keyout", str(path), "-out", str(folder / "cert.pem")], check=True, capture_output=True)
    path.write_text(path.read_text() + (folder / "cert.pem").read_text())
    return path
