"""Foreign programs as engines: found ready, owned, ended for certain, and told of when they fail."""

import asyncio
import http.client
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from shortlist import demo
from shortlist.clock import sleep_blocking_ns
from shortlist.engines import COMMAND, EngineContext, LoadSpec
from shortlist.engines.command import Command, named
from shortlist.engines.command_child import free_port
from shortlist.environment import child_environment
from shortlist.errors import BadInput, DeviceMismatch, EngineError, EngineNotReady, ShortlistError
from shortlist.records import Endpoint, EngineOptions, Generation, Variant

HERE = Path(__file__).parent
LIGHT = shlex.join([sys.executable, str(HERE / "foreign_http.py")]) + " {model} --port {port}"
LLAMA = shlex.join([sys.executable, str(HERE / "foreign_llama.py")]) + " -m {model} --port {port}"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="adopting what is left behind is a Linux facility")
SECOND = 10**9


def spec(logs: Path, options: EngineOptions | None = None, limit_ns: int = 60 * SECOND) -> LoadSpec:
    path = Path(demo.demo_model_path("notes-small"))
    return LoadSpec("small", "small", Variant("gguf"), options or EngineOptions(), path, logs, 1, limit_ns)


def opened(command: str, told: LoadSpec, use: Callable[[Command, Endpoint], Awaitable[None]]) -> None:
    async def go() -> None:
        engine = Command(EngineContext(command=command))
        endpoint = await engine.open(told)
        try:
            await use(engine, endpoint)
        finally:
            await engine.close()
        assert engine.pids() == ()

    asyncio.run(go())


def fails(command: str, told: LoadSpec, kind: type[ShortlistError]) -> str:
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(kind) as error:
        asyncio.run(Command(EngineContext(command=command)).open(told))
    assert set(psutil.Process().children(recursive=True)) <= before
    return error.value.message


def living(pids: list[int]) -> list[int]:
    return [p for p in pids if psutil.pid_exists(p) and psutil.Process(p).status() != psutil.STATUS_ZOMBIE]


def wait_until(is_so: Callable[[], bool]) -> bool:
    for _ in range(3000):
        if is_so():
            return True
        sleep_blocking_ns(20 * 10**6)
    return False


def test_it_is_asked_until_it_serves_and_its_words_count(tmp_path: Path) -> None:
    """Two 503 first; the id, the device and the server's name are its own; our supervisor is not its memory."""

    async def use(engine: Command, endpoint: Endpoint) -> None:
        assert (endpoint.engine, endpoint.model, endpoint.device) == ("command", "one", "gpu")
        assert endpoint.engine_version
        assert endpoint.engine_version.startswith("BaseHTTP")
        assert engine.load_ns is None
        assert int(engine.settings["start_ns"]) > 0
        (program,) = engine.pids()
        assert program == endpoint.pid
        assert "foreign_http.py" in " ".join(psutil.Process(program).cmdline())
        assert f"loading {demo.demo_model_path('notes-small')}" in engine.log_tail()
        with pytest.raises(EngineError, match="close it first"):
            await engine.open(spec(tmp_path))

    opened(LIGHT + " --busy 2 --device cuda", spec(tmp_path, EngineOptions(device="gpu")), use)


def test_a_device_that_it_does_not_name_is_not_taken_on_trust(tmp_path: Path) -> None:
    told = fails(LIGHT, spec(tmp_path, EngineOptions(device="gpu")), DeviceMismatch)
    assert "asked to run on gpu" in told
    assert "unknown" in told


def test_one_that_ends_before_it_serves_is_told_at_once_with_its_log(tmp_path: Path) -> None:
    told = fails(LIGHT + " --end 3", spec(tmp_path, limit_ns=600 * SECOND), EngineNotReady)
    assert "ended with exit status 3 before it answered" in told
    assert "no such weights: größe" in told


def test_one_that_never_answers_is_ended_after_the_limit(tmp_path: Path) -> None:
    told = fails(LIGHT + " --silent", spec(tmp_path, limit_ns=SECOND), EngineNotReady)
    assert "was not ready within" in told
    assert str(tmp_path) in told  # where its log is; on a busy host there may be nothing in it yet


def test_there_is_no_such_program(tmp_path: Path) -> None:
    assert "no-such-server cannot be started" in fails("no-such-server {port}", spec(tmp_path), EngineNotReady)
    info = Command(EngineContext(command="no-such-server {port}")).probe()
    assert (info.available, info.reason) == (False, "there is no program no-such-server")


def test_several_models_and_none_of_this_name_is_asked_back(tmp_path: Path) -> None:
    assert "it serves a, b, and none is called small" in fails(LIGHT + " --ids a,b", spec(tmp_path), EngineNotReady)

    async def use(engine: Command, endpoint: Endpoint) -> None:
        assert endpoint.model == "small:latest"

    opened(LIGHT + " --ids a,small:latest", spec(tmp_path), use)


@pytest.mark.parametrize(
    "options",
    [EngineOptions(threads=2), EngineOptions(context=512), EngineOptions(kv_type="q8_0"), EngineOptions(gpu_layers=3),
     EngineOptions(prefix_cache=True), EngineOptions(extra={"batch": "3"})],
)  # fmt: skip
def test_an_option_that_the_command_has_no_place_for_is_refused(tmp_path: Path, options: EngineOptions) -> None:
    fails(LIGHT, spec(tmp_path, options), BadInput)


def test_a_plan_made_with_another_command_is_not_run_with_this_one(tmp_path: Path) -> None:
    told = fails(LIGHT, spec(tmp_path, EngineOptions(extra={COMMAND: "rm -rf {port}"})), BadInput)
    assert "'rm -rf {port}'" in told or "rm -rf {port}" in told


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"data": [{"id": "stranger"}]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@LINUX
def test_a_stranger_who_answers_on_the_port_is_not_taken_for_it(tmp_path: Path) -> None:
    """The port was free when it was chosen; whoever took it since would be measured in the program's place."""
    told_port = tmp_path / "port"
    servers: list[HTTPServer] = []

    def intrude() -> None:
        assert wait_until(lambda: told_port.exists() and told_port.read_text().endswith("\n"))
        servers.append(HTTPServer(("127.0.0.1", int(told_port.read_text())), _Answers))
        servers[0].serve_forever()

    thread = threading.Thread(target=intrude)
    thread.start()
    try:
        told = fails(f"{LIGHT} --port-to {told_port}", spec(tmp_path), EngineNotReady)
        assert "answered by a process that the program did not start" in told
    finally:
        servers[0].shutdown()
        servers[0].server_close()
        thread.join()


def test_it_sees_of_our_environment_what_it_needs_and_what_was_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen.json"
    for name in ("HF_TOKEN", "LISTED_TOKEN", "OTHER_KIND", "OTHER_API_KEY", "UNLISTED"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("PYTHONPATH", "/ours")
    home = Path(os.environ["SHORTLIST_HOME"])
    (home / "shortlist.toml").write_text(
        f"[engines.mine]\ncommand = {json.dumps(f'{LIGHT} --environment {seen}')}\n"
        'pass_env = ["LISTED_TOKEN", "OTHER_*"]\nenv = {WHERE = "127.0.0.1:{port}", SECRET = "{key}"}\n'
    )

    async def go() -> None:
        kind = named("mine")
        assert kind is not None
        engine = kind(EngineContext())
        endpoint = await engine.open(spec(tmp_path))
        await engine.close()
        env = json.loads(seen.read_text())
        kinds = ("HF_", "LISTED_", "OTHER_", "UN", "PYTHONP", "SHORTLIST")
        assert {name for name in env if name.startswith(kinds)} == {"LISTED_TOKEN", "OTHER_KIND"}
        assert f"http://{env['WHERE']}/v1" == endpoint.base_url
        assert engine.request_headers() == {"Authorization": f"Bearer {env['SECRET']}"}
        assert env["SECRET"] not in json.dumps(dict(engine.settings))

    asyncio.run(go())


@LINUX
def test_what_it_leaves_behind_ends_with_it_sessions_of_their_own_too(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    pids: list[int] = []

    async def use(engine: Command, endpoint: Endpoint) -> None:
        pids.extend(map(int, file.read_text().split()))
        assert len(pids) == 4
        assert set(engine.pids()) >= set(pids)  # the orphan too: the supervisor has adopted it
        assert endpoint.pid == pids[0]
        pids.append(psutil.Process(pids[0]).ppid())

    opened(f"{LIGHT} --children {file}", spec(tmp_path), use)
    assert living(pids) == []


PARENT = """
import asyncio, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from engines.test_command import Command, EngineContext, psutil, spec

async def main():
    engine = Command(EngineContext(command={command!r}))
    endpoint = await engine.open(spec(Path({logs!r})))
    print(psutil.Process(endpoint.pid).ppid(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@LINUX
@pytest.mark.parametrize("who", ["bench", "supervisor", "both"])
def test_no_death_of_ours_leaves_the_program_running(tmp_path: Path, who: str) -> None:
    """Killed: the bench, the supervisor alone, or both at once. The last may leave other sessions; the docs say so."""
    file = tmp_path / "pids"
    code = PARENT.format(tests=str(HERE.parent), command=f"{LIGHT} --children {file}", logs=str(tmp_path))
    argv = [sys.executable, "-c", code]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=child_environment()) as parent:
        try:
            assert parent.stdout
            supervisor = int(parent.stdout.readline())
            pids = [int(pid) for pid in file.read_text().split()]
            assert living(pids) == pids
            program, same = pids[:2]
            for victim in {"bench": [parent.pid], "supervisor": [supervisor], "both": [supervisor, parent.pid]}[who]:
                os.kill(victim, signal.SIGKILL)
            gone = pids if who == "bench" else [program, same] if who == "supervisor" else [program]
            assert wait_until(lambda: not living(gone))
        finally:
            parent.kill()
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llama")
    section = (
        f"[engines.llama]\ncommand = {json.dumps(LLAMA + ' --context {context} --parallel {parallel}')}\n"
        'env = {FOREIGN_KEY = "{key}"}\nbody = {cache_prompt = false}\n'
    )
    (folder / "shortlist.toml").write_text(section)
    return folder


def _stream(url: str, headers: dict[str, str], tokens: int) -> http.client.HTTPResponse:
    body = {"model": "x", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": tokens, "stream": True}
    request = urllib.request.Request(
        f"{url}/chat/completions", json.dumps(body | {"ignore_eos": True}).encode(),
        {"Content-Type": "application/json", **headers},
    )  # fmt: skip
    reply: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=60)
    return reply


@pytest.mark.engine
def test_a_death_in_the_middle_of_a_reply_is_told_with_its_log(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORTLIST_HOME", str(home))

    async def go() -> None:
        kind = named("llama")
        assert kind is not None
        engine = kind(EngineContext())
        endpoint = await engine.open(spec(tmp_path, EngineOptions(context=1000)))
        try:
            assert endpoint.model == "the-foreign-one"
            assert engine.settings["context"] == 1000
            with pytest.raises(urllib.error.HTTPError, match="401"):
                await asyncio.to_thread(_stream, endpoint.base_url, {}, 4)
            reply = await asyncio.to_thread(_stream, endpoint.base_url, dict(engine.request_headers()), 900)
            with reply:
                assert reply.readline().startswith(b"data:")
                os.kill(engine.pids()[0], signal.SIGSEGV)
                error = await engine.crash(10 * SECOND)
                assert error is not None
                assert "small was killed by SIGSEGV" in error.message
                assert "the foreign server listens on" in error.message
        finally:
            await engine.close()

    asyncio.run(go())


@pytest.mark.slow
@pytest.mark.engine
def test_twenty_loads_and_unloads_leave_nothing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory of the parent flat, no process, no open file, no port, and one log each."""
    monkeypatch.setenv("SHORTLIST_HOME", str(home))
    me = psutil.Process()
    before = me.children(recursive=True)  # of other tests: commands are forked from a process that stays
    sizes: list[int] = []

    async def go() -> None:
        kind = named("llama")
        assert kind is not None
        engine = kind(EngineContext())
        for _ in range(20):
            endpoint = await engine.open(spec(tmp_path))
            port = int(endpoint.base_url.rpartition(":")[2].partition("/")[0])
            await engine.close()
            with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
                probe.connect(("127.0.0.1", port))
            sizes.append(me.memory_info().rss)
            assert me.children(recursive=True) == before
            counts.append(me.num_fds())

    counts: list[int] = []
    asyncio.run(go())
    assert len(set(counts)) == 1
    assert max(sizes[2:]) - sizes[2] < 2 * 2**20
    assert len(list(tmp_path.glob("*.log"))) == 20


def test_generation_of_a_fixed_length_and_what_the_section_adds_go_into_each_request(home: Path) -> None:
    engine = Command(EngineContext(command=LIGHT))
    assert engine.extra_body(Generation()) == {}
    assert engine.extra_body(Generation(fixed_tokens=5)) == {"ignore_eos": True, "min_tokens": 5}


def test_without_a_command_there_is_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="none was named"):
        asyncio.run(Command(EngineContext()).open(spec(tmp_path)))
    assert not Command(EngineContext()).probe().available


def test_a_free_port_is_free() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass
