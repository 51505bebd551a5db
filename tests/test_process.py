"""Child processes end when they should: told, killed, crashed, or orphaned."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import uvloop

from shortlist.clock import sleep_blocking_ns
from shortlist.environment import child_environment
from shortlist.errors import EngineNotReady
from shortlist.process import Child, ChildSpec, _read_line, module_argv

SECOND = 10**9
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the parent's death signal is a Linux facility")

SERVE = """
import os, signal, subprocess, sys, time
from shortlist.lifeline import run_child

def main(config, report):
    if config.get("print"): print("stdout goes to the log", flush=True)
    if config.get("stubborn"): signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pids = [os.getpid()]
    for own_session in config.get("grandchildren", []):
        argv = [sys.executable, "-c", "import time; time.sleep(600)"]
        pids.append(subprocess.Popen(argv, start_new_session=own_session).pid)
    if "environment" in config: open(config["environment"], "w").write("\\n".join(os.environ))
    if config.get("fail"): raise ValueError("no such weights: größe")
    if config.get("end"): print("last words", file=sys.stderr, flush=True); os._exit(3)
    if config.get("silent"): time.sleep(600)
    if config.get("greedy"): bytearray(config["greedy"])
    report(",".join(map(str, pids)), device="cpu", version="1")
    if config.get("raise_late"): raise ValueError("too late for an answer")
    if config.get("crash"): time.sleep(0.05); os.kill(os.getpid(), signal.SIGSEGV)
    if config.get("hold_lock"):
        import ctypes
        ctypes.PyDLL(None).sleep(600)
    time.sleep(600)

run_child(main, is_leaf=bool(os.environ.get("LEAF")))
"""

PARENT = """
import asyncio, json, os, sys, time
from pathlib import Path
from shortlist.process import Child, ChildSpec

async def main():
    config = json.loads(sys.argv[3])
    env = {"LEAF": "1"} if config.get("leaf") else {}
    spec = ChildSpec("c", (sys.executable, sys.argv[1]), Path(sys.argv[2]), config, env)
    child = await Child.start(spec)
    ready = await child.ready(60 * 10**9)
    print(ready.url, flush=True)
    time.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "serve.py"
    path.write_text(SERVE)
    return path


def spec(script: Path, **config: object) -> ChildSpec:
    return ChildSpec("one", (sys.executable, str(script)), script.parent / "logs", config)


def alive(pids: Iterable[int]) -> list[int]:
    return [p for p in pids if psutil.pid_exists(p) and psutil.Process(p).status() != psutil.STATUS_ZOMBIE]


def all_gone(pids: list[int]) -> bool:
    for _ in range(1000):
        try:
            if not alive(pids):
                return True
        except psutil.NoSuchProcess:
            continue
        sleep_blocking_ns(20 * 10**6)
    return False


def descriptors(pid: int) -> list[Path]:
    return [fd.readlink() for fd in Path(f"/proc/{pid}/fd").iterdir()]


def with_child(made: ChildSpec, use: Callable[[Child, list[int]], Awaitable[None]]) -> None:
    async def go() -> None:
        child = await Child.start(made)
        try:
            ready = await child.ready(60 * SECOND)
            await use(child, [int(pid) for pid in ready.url.split(",")])
        finally:
            await child.stop(0)

    asyncio.run(go())


@pytest.mark.parametrize(
    "config",
    [
        pytest.param('{"grandchildren": [false, false]}', id="with-grandchildren"),
        pytest.param('{"leaf": true}', id="leaf", marks=LINUX),
        pytest.param('{"leaf": true, "hold_lock": true}', id="leaf-stuck-in-c-code", marks=LINUX),
    ],
)
def test_kill_9_of_the_parent_leaves_nobody(tmp_path: Path, script: Path, config: str) -> None:
    parent_script = tmp_path / "parent.py"
    parent_script.write_text(PARENT)
    argv = [sys.executable, str(parent_script), str(script), str(tmp_path / "logs"), config]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=child_environment()) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split(",")]
        assert alive(pids) == pids
        parent.send_signal(signal.SIGKILL)
        assert all_gone(pids)


def test_the_lifeline_alone_ends_the_child_and_its_children(script: Path) -> None:
    async def use(child: Child, pids: list[int]) -> None:
        assert child._lifeline is not None
        os.close(child._lifeline)
        child._lifeline = None
        assert await child.wait() == -signal.SIGKILL
        assert all_gone(pids)

    with_child(spec(script, grandchildren=[False]), use)


def test_a_second_child_does_not_hold_the_first_ones_lifeline(script: Path) -> None:
    async def use(first: Child, pids: list[int]) -> None:
        second = await Child.start(spec(script))
        await second.ready(60 * SECOND)
        assert first._lifeline is not None
        os.close(first._lifeline)
        first._lifeline = None
        async with asyncio.timeout(60):
            await first.wait()
        assert second.returncode is None
        await second.stop()

    with_child(spec(script), use)


def test_a_child_inherits_three_descriptors_and_no_more(script: Path, tmp_path: Path) -> None:
    """What run_child itself opens: copies of the two pipes, standard input, output and error."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    extra = (tmp_path / "open").open("w")
    os.set_inheritable(extra.fileno(), True)

    async def use(child: Child, pids: list[int]) -> None:
        held = set(map(str, descriptors(child.pid)))
        assert str(tmp_path / "open") not in held
        assert {name.split(":")[0] for name in held} == {"pipe", "/dev/null", str(child.log_path)}

    with extra:
        with_child(spec(script), use)


def test_stop_asks_first(script: Path) -> None:
    async def use(child: Child, pids: list[int]) -> None:
        assert await child.stop() == -signal.SIGTERM
        assert not child.crashed()
        assert await child.crash() is None
        assert await child.stop() == -signal.SIGTERM  # again: nothing happens
        assert child.tree_pids() == ()

    with_child(spec(script), use)


def test_a_child_that_ignores_sigterm_is_killed_with_all_it_started(script: Path) -> None:
    """The grandchild in a session of its own is no member of the group, and ends too."""

    async def use(child: Child, pids: list[int]) -> None:
        assert set(child.tree_pids()) == set(pids)
        assert child.tree_pids()[0] == child.pid
        assert await child.stop(100 * 10**6) == -signal.SIGKILL
        assert all_gone(pids)

    with_child(spec(script, stubborn=True, grandchildren=[False, True]), use)


def test_an_interrupted_stop_still_kills(script: Path) -> None:
    async def use(child: Child, pids: list[int]) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await child.stop(600 * SECOND)
        assert await child.wait() == -signal.SIGKILL

    with_child(spec(script, stubborn=True), use)


def test_a_crash_is_told_from_a_stop_and_takes_grandchildren_along(script: Path) -> None:
    async def use(child: Child, pids: list[int]) -> None:
        error = await child.crash(60 * SECOND)
        assert error is not None
        assert "SIGSEGV" in error.message
        assert child.crashed()
        assert all_gone(pids)

    with_child(spec(script, crash=True, grandchildren=[False]), use)


def test_an_error_after_the_ready_line_is_a_crash_that_the_log_explains(script: Path) -> None:
    async def use(child: Child, pids: list[int]) -> None:
        error = await child.crash(60 * SECOND)
        assert error is not None
        assert "exit status 1" in error.message
        assert "ValueError: too late for an answer" in error.message

    with_child(spec(script, raise_late=True), use)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"fail": True}, ["ValueError: no such weights: größe", "Traceback"]),
        ({"end": True}, ["exit status 3", "last words"]),
        ({"silent": True, "print": True}, ["not ready within 1.00 s", "stdout goes to the log"]),
    ],
)
def test_a_child_that_does_not_come_up_is_quoted_and_gone(
    script: Path, config: dict[str, bool], told: list[str]
) -> None:
    async def go() -> None:
        child = await Child.start(spec(script, **config, grandchildren=[False]))
        with pytest.raises(EngineNotReady) as caught:
            await child.ready(SECOND if config.get("silent") else 60 * SECOND)
        for words in told:
            assert words in caught.value.message
        assert str(child.log_path) in caught.value.message
        assert not alive([child.pid])

    asyncio.run(go())


@pytest.mark.parametrize(
    "line", ["hello", "[]", '{"ready": {"port": 1}}', '{"ready": 5}', '{"failed": []}', "x" * 100_000]
)
def test_a_line_that_is_no_ready_line_is_refused(tmp_path: Path, line: str) -> None:
    async def go() -> None:
        argv = (sys.executable, "-c", f"import time; print({line!r}, flush=True); time.sleep(600)")
        child = await Child.start(ChildSpec("odd", argv, tmp_path))
        with pytest.raises(EngineNotReady):
            await child.ready(60 * SECOND)
        assert not alive([child.pid])

    asyncio.run(go())


def test_cancelling_ready_ends_the_child(script: Path) -> None:
    async def go() -> None:
        child = await Child.start(spec(script, silent=True))
        waiting = asyncio.create_task(child.ready(600 * SECOND))
        await asyncio.wait([waiting], timeout=0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not alive([child.pid])

    asyncio.run(go())


def test_a_program_that_does_not_exist_is_an_error_not_a_leak(tmp_path: Path) -> None:
    async def go() -> None:
        with pytest.raises(EngineNotReady, match="could not be started"):
            await Child.start(ChildSpec("none", ("/no/such/program",), tmp_path))

    before = psutil.Process().num_fds()
    asyncio.run(go())
    assert psutil.Process().num_fds() == before


def test_secrets_do_not_reach_a_child(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HF_TOKEN",
        "OPENAI_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "GGML_API_KEY",
        "SOMETHING",
        "LLAMA_ARG_N_PREDICT",
    ):
        monkeypatch.setenv(name, "hidden")
    for name in ("OMP_NUM_THREADS", "LC_ALL", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "C")
    seen = tmp_path / "environment"

    async def use(child: Child, pids: list[int]) -> None:
        names = set(seen.read_text().split())
        assert names >= {"PATH", "OMP_NUM_THREADS", "LC_ALL", "CUDA_VISIBLE_DEVICES"}
        assert not names & {
            "HF_TOKEN",
            "OPENAI_API_KEY",
            "AWS_SECRET_ACCESS_KEY",
            "GGML_API_KEY",
            "SOMETHING",
            "LLAMA_ARG_N_PREDICT",
        }

    with_child(spec(script, environment=str(seen)), use)


@LINUX
def test_a_child_takes_no_more_memory_than_it_may(script: Path) -> None:
    async def use(child: Child, pids: list[int]) -> None:
        """It came up."""

    with_child(replace(spec(script, greedy=200_000_000), data_bytes=10**9), use)
    with pytest.raises(EngineNotReady, match="MemoryError"):
        with_child(replace(spec(script, greedy=2_000_000_000), data_bytes=10**9), use)


def test_orders_are_not_on_the_command_line(script: Path) -> None:
    async def use(child: Child, pids: list[int]) -> None:
        assert "s3cret" not in " ".join(psutil.Process(child.pid).cmdline())
        assert "s3cret" not in repr(spec(script, key="s3cret"))

    with_child(spec(script, key="s3cret"), use)


def test_each_process_has_a_log_of_its_own(script: Path) -> None:
    async def use(first: Child, pids: list[int]) -> None:
        second = await Child.start(spec(script))
        await second.ready(60 * SECOND)
        assert second.log_path != first.log_path
        assert stat.S_IMODE(second.log_path.stat().st_mode) == 0o600
        assert second.log_tail() == ""
        await second.stop()

    with_child(spec(script, print=True), use)


def test_a_log_name_stays_in_its_folder(tmp_path: Path) -> None:
    async def go() -> None:
        child = await Child.start(ChildSpec("../../a b@q4/0", (sys.executable, "-c", ""), tmp_path / "logs"))
        assert child.log_path.parent == tmp_path / "logs"
        await child.stop()

    asyncio.run(go())


def test_control_characters_of_a_log_are_not_quoted(tmp_path: Path) -> None:
    async def go() -> None:
        child = await Child.start(
            ChildSpec("c", (sys.executable, "-c", r"import os; os.write(2, b'a\x1b[2Jb\xff\n')"), tmp_path)
        )
        await child.wait()
        assert "\x1b" not in child.log_tail()
        assert child.log_tail().startswith("a [2Jb")
        await child.stop()

    asyncio.run(go())


def test_the_childs_module_does_not_search_the_current_folder() -> None:
    assert "-P" in module_argv("json")


def test_the_childs_side_imports_no_engine_and_no_event_loop() -> None:
    heavy = "{'asyncio', 'psutil', 'numpy', 'msgspec', 'xllamacpp'}"
    told = f"import sys, shortlist.lifeline; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, env=child_environment()
    )
    assert done.stdout.strip() == "[]"


def test_a_childs_answer_is_read_on_uvloop_without_closing_what_another_thread_has_opened() -> None:
    """uvloop's own pipes close a number twice: in between it may have become somebody's socket or file."""
    is_over, stolen = threading.Event(), list[int]()

    def open_and_close() -> None:
        while not is_over.is_set():
            taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(4)]
            for number in taken:
                try:
                    os.close(number)
                except OSError:
                    stolen.append(number)

    async def work() -> None:
        for _ in range(2000):
            read, write = os.pipe()
            os.write(write, b"an answer\n")
            os.close(write)
            with os.fdopen(read, "rb", buffering=0) as pipe:
                assert await _read_line(pipe.fileno()) == b"an answer\n"

    thread = threading.Thread(target=open_and_close)
    thread.start()
    try:
        uvloop.run(work())
    finally:
        is_over.set()
        thread.join()
    assert stolen == []


def test_an_answer_is_read_in_pieces_up_to_its_end_or_the_pipes() -> None:
    async def work(*pieces: bytes) -> bytes:
        read, write = os.pipe()

        async def tell() -> None:
            for piece in pieces:
                os.write(write, piece)
                await asyncio.sleep(0.001)  # noqa: TID251 - so that they come one by one
            os.close(write)

        telling = asyncio.create_task(tell())
        line = await _read_line(read)
        await telling
        os.close(read)
        return line

    assert asyncio.run(work(b"one ", b"line\n")) == b"one line\n"
    assert asyncio.run(work(b"cut ", b"short")) == b"cut short"
    assert asyncio.run(work()) == b""
