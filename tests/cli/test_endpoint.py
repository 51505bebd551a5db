"""`bench --endpoint`: a server that is not ours, with a key that is never stored."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from cli.commands import Done, shortlist
from shortlist.engines import EngineContext, LoadSpec
from shortlist.engines.fake import Fake
from shortlist.records import EngineOptions, Variant

SECRET = "sk-not-for-anyones-eyes"


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str, seen: list[bytes]) -> None:
    """A relay that keeps what it is sent, so that the test sees the request as a server does."""
    host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
    onward_reader, onward = await asyncio.open_connection(host, int(port))

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, kept: list[bytes] | None) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await source.read(65536):
                if kept is not None:
                    kept.append(piece)
                target.write(piece)
                await target.drain()
        target.close()

    await asyncio.gather(copy(reader, onward, seen), copy(onward_reader, writer, None))


@contextlib.asynccontextmanager
async def endpoint(folder: Path, script: str, seen: list[bytes]) -> AsyncIterator[str]:
    engine = Fake(EngineContext())
    opened = await engine.open(LoadSpec("fake", script, Variant("endpoint"), EngineOptions(), None, folder / "log"))

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handle(reader, writer, opened.base_url, seen)

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        await engine.close()


def against(folder: Path, script: str, command: Callable[[str], Done]) -> tuple[Done, bytes]:
    """Run a command against a served script; how it ended, and every byte that the server was sent."""
    seen: list[bytes] = []

    async def work() -> Done:
        async with endpoint(folder, script, seen) as url:
            return await asyncio.to_thread(command, url)

    return asyncio.run(work()), b"".join(seen)


def test_the_key_and_headers_reach_the_endpoint_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{SECRET}\n")
    (tmp_path / "key").chmod(0o600)
    home = tmp_path / "home"
    args = ("--api-key-file", "key", "--header", "X-Team: edge-77", "--rounds", 2, "--name", "remote")

    def bench(url: str) -> Done:
        return shortlist("bench", "m", "--endpoint", url, *args, cwd=tmp_path, SHORTLIST_HOME=str(home))

    done, sent = against(tmp_path, "ttft=3ms,gap=1ms,chunks=4", bench)
    assert done.code == 0, done.err
    assert sent.count(f"Authorization: Bearer {SECRET}".encode()) >= 8
    assert b"X-Team: edge-77" in sent
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "key")
    assert SECRET.encode() not in kept
    assert b"edge-77" not in kept
    assert SECRET not in done.out + done.err


def test_each_prompt_carries_a_nonce_and_the_run_says_so(tmp_path: Path) -> None:
    def bench(url: str) -> Done:
        return shortlist("bench", "m", "--rounds", 1, "--json", cwd=tmp_path, FOUNDRY_LOCAL_ENDPOINT=url)

    done, sent = against(tmp_path, "ttft=3ms,gap=1ms,chunks=4", bench)
    assert done.code == 0, done.err
    assert "nonce" in done.json["data"]["flags"]
    assert "random text" in done.err
    assert sent.count(b'"content":"[') == 5


@pytest.mark.slow
def test_a_resume_without_the_endpoint_ruins_nothing(tmp_path: Path) -> None:
    def bench(url: str) -> Done:
        return shortlist("bench", "m", "--endpoint", url, "--rounds", 1, "--name", "cut", cwd=tmp_path)

    done, _ = against(tmp_path, "ttft=3ms,gap=1ms,chunks=4", bench)
    assert done.code == 0, done.err
    again = shortlist("bench", "--resume", "cut", "--rounds", 2, cwd=tmp_path)
    assert again.code == 1
    assert "no connection" in again.err
    listed = shortlist("runs", "list", "--json", cwd=tmp_path).json["data"][0]
    assert (listed["state"], listed["rounds"]) == ("done", 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fail", "told"),
    [("error-body", "ErrorReply"), ("close-early", "ConnectionClosed"), ("broken-sse", "BrokenStream"),
     ("not-http", "BrokenStream"), ("hang", "RequestTimeout")],
)  # fmt: skip
def test_an_endpoint_that_misbehaves_is_told_in_the_table_with_exit_1(tmp_path: Path, fail: str, told: str) -> None:
    def bench(url: str) -> Done:
        args = ("--rounds", 1, "--timeout", "300ms", "--warmup", 0)
        return shortlist("bench", "m", "--endpoint", url, *args, cwd=tmp_path)

    done, _ = against(tmp_path, f"fail={fail}", bench)
    assert done.code == 1
    assert told in done.out


def test_a_deterministic_run_sends_an_endpoint_the_same_bytes_each_round_and_says_what_that_costs(
    tmp_path: Path,
) -> None:
    def bench(url: str) -> Done:
        args = ("m", "--endpoint", url, "--deterministic", "--rounds", 2, "--warmup", 0, "--no-watch")
        return shortlist("bench", *args, cwd=tmp_path)

    done, seen = against(tmp_path, "ttft=3ms,gap=1ms,chunks=3", bench)
    assert done.code == 0, done.err
    bodies = [part.partition(b"}")[0] for part in seen.split(b'"messages"')[1:]]
    assert len(bodies) == 8
    assert len(set(bodies)) == 4
    assert "m: 4 of 4 prompts had the same answer" in " ".join(done.out.split())
    assert "TTFT may be too good" in " ".join(done.out.split())
