"""Ownership of child processes: started alone, told what to do on a pipe, ended for certain.

The contract. A child gets its own session and process group, a scrubbed environment and three descriptors:

- stdin: one JSON line with its orders, then silence. The parent keeps the other end open for as long as it lives, so an
  end of file is the parent's death, by whatever cause, and the child then kills its whole group (the *lifeline*);
- stdout: exactly one JSON line back, `{"ready": {...}}` or `{"failed": {...}}`;
- stderr: a log file, the end of which errors quote. What the child prints later goes there too.

This is the parent's side; the child's is `shortlist.lifeline`. On Linux the kernel also signals the child when the
thread that started it ends. Both use standard streams only, which Windows has too; nothing here was ever run there.
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

from shortlist.clock import SYSTEM
from shortlist.environment import child_environment
from shortlist.errors import DeviceMismatch, EngineCrashed, EngineError, EngineNotReady
from shortlist.units import duration

GRACE_NS = 5 * 10**9
"""How long a child may take over its own ending before it is killed."""

_KILL_LIMIT_NS = 10 * 10**9
_POLL_NS = 20 * 10**6
_TAIL_BYTES = 4096
_READY_LIMIT_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to start. `config` travels on a pipe, so it may hold secrets; `name` becomes the log file's name.

    `data_bytes`: the most memory of its own that it may ask the system for, mapped files not counted (Linux).
    """

    name: str
    argv: Sequence[str]
    log_dir: Path
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    env: Mapping[str, str] = field(default_factory=dict)
    data_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """What a child reported: where it listens, on which device, which version; `load_ns` is its own opening time.

    Of a foreign program also the id that requests carry, and how long it took from its start until it served; of a
    class its context and what it can do.
    """

    url: str
    device: str | None = None
    version: str | None = None
    load_ns: int | None = None
    model: str | None = None
    start_ns: int | None = None
    context: int | None = None
    capabilities: Sequence[str] = ()


def module_argv(module: str) -> tuple[str, ...]:
    """The command that runs one of our modules; the current folder is not searched, a crash leaves a trace."""
    return (sys.executable, "-P", "-X", "faulthandler", "-m", module)


class Child:
    """One child process, from its start until it is reaped. Make it with `await Child.start(spec)`.

    The caller owns it and must `await stop()`; a failed `ready` stops it by itself. Start it from a thread that lives
    as long as the child should: Linux counts the end of that thread as the parent's death.
    """

    def __init__(
        self, spec: ChildSpec, process: "subprocess.Popen[bytes]", pipes: tuple[int, IO[bytes]], log: Path
    ) -> None:
        self.name = spec.name
        self.pid = process.pid
        self.log_path = log
        self._process = process
        self._lifeline: int | None = pipes[0]
        self._answer: IO[bytes] | None = pipes[1]
        self._exited = asyncio.Event()
        self._is_stopping = False
        self._pidfd: int | None = None
        self._poller: asyncio.Task[None] | None = None
        self._watch()

    @classmethod
    async def start(cls, spec: ChildSpec) -> "Child":
        """Start the process and hand it its orders. Raises EngineNotReady when there is no such program."""
        try:
            spec.log_dir.mkdir(parents=True, exist_ok=True)
            log_fd, log = _create_log(spec.log_dir, spec.name)
        except OSError as error:
            raise EngineNotReady(f"{spec.name}: no log can be written in {spec.log_dir}: {error.strerror}") from error
        try:
            process, lifeline, answer = _spawn(spec, log_fd)
        finally:
            os.close(log_fd)
        child = cls(spec, process, (lifeline, answer), log)
        orders = json.dumps({"parent": os.getpid(), "config": dict(spec.config)}).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):  # it is dead already; ready() says so, with its log
            while orders:
                orders = orders[os.write(lifeline, orders) :]
        return child

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.returncode

    def crashed(self) -> bool:
        """Whether it ended without having been told to."""
        return self._exited.is_set() and not self._is_stopping

    async def crash(self, within_ns: int = 0) -> EngineCrashed | None:
        """The error that says how it ended, if it did so untold.

        A dying process closes its sockets before it is gone: `within_ns` is how long to wait for that.
        """
        await self._exits_within(within_ns)
        if not self.crashed():
            return None
        brief = f"{self.name} {_ending(self.returncode)}"
        return EngineCrashed(self._quoting(brief), brief=brief)

    async def wait(self) -> int | None:
        """Wait until the process has ended and was reaped; its exit status."""
        await self._exited.wait()
        return self.returncode

    def tree_pids(self) -> tuple[int, ...]:
        """The child and its descendants that are alive, the child first; empty when it has ended."""
        if self._exited.is_set():
            return ()
        return (self.pid, *(process.pid for process in _descendants(self.pid)))

    def log_tail(self, lines: int = 12) -> str:
        """The end of the log, without control characters."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
                text = log.read().decode("utf-8", "replace")
        except OSError as error:
            return f"(the log cannot be read: {error})"
        kept = [re.sub(r"[^\x20-\x7e\xa0-\uffff]", " ", line).rstrip() for line in text.splitlines()]
        return "\n".join([line for line in kept if line][-lines:])

    async def ready(self, timeout_ns: int) -> Ready:
        """Wait for the ready line. Raises EngineNotReady, quoting the log, when the child fails, ends or stays silent.

        The child is gone when this raises, for whatever cause.
        """
        is_ready = False
        try:
            async with asyncio.timeout(timeout_ns / 1e9):
                answer = self._parse(await self._read_answer())
            is_ready = True
        except TimeoutError:
            raise EngineNotReady(self._quoting(f"{self.name} was not ready within {duration(timeout_ns)}")) from None
        finally:
            if not is_ready:
                await self.stop(0)
        return answer

    async def stop(self, grace_ns: int = GRACE_NS) -> int | None:
        """End it: SIGTERM, after the grace period SIGKILL to all it started; reap it. May be called again."""
        self._is_stopping = self._is_stopping or not self._exited.is_set()
        offspring = [] if self._exited.is_set() else _descendants(self.pid)
        try:
            if grace_ns > 0 and not self._exited.is_set():
                _terminate(self._process)
                await self._exits_within(grace_ns)
        finally:
            if not self._exited.is_set():
                offspring += _descendants(self.pid)
                _kill_group(self._process)
            for process in offspring:  # those that left the group; psutil checks that a pid is still the same process
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._close_pipes()
        if not await self._exits_within(_KILL_LIMIT_NS):
            raise EngineError(f"{self.name} (pid {self.pid}) does not end, although it was killed")
        return self.returncode

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # not Linux, an old kernel, or a sandbox that refuses the call
            self._poller = loop.create_task(self._poll())
        else:
            loop.add_reader(self._pidfd, self._on_exit)

    async def _poll(self) -> None:
        while self._process.poll() is None:
            await SYSTEM.sleep_ns(_POLL_NS)
        self._on_exit()

    def _on_exit(self) -> None:
        if self._pidfd is not None:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        _kill_group(self._process)  # before it is reaped: until then nobody else can be given its number
        self._process.wait()
        self._exited.set()

    async def _exits_within(self, limit_ns: int) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_ns / 1e9):
                await self._exited.wait()
        return self._exited.is_set()

    async def _read_answer(self) -> bytes:
        if self._answer is None:
            raise EngineError(f"{self.name} was asked twice whether it is ready")
        pipe, self._answer = self._answer, None
        with pipe:
            line = await _read_line(pipe.fileno())
        if len(line) > _READY_LIMIT_BYTES:
            raise EngineNotReady(f"{self.name} answered with more than {_READY_LIMIT_BYTES} bytes")
        if not line.endswith(b"\n"):
            await self._exits_within(_KILL_LIMIT_NS)
        return line

    def _parse(self, line: bytes) -> Ready:
        if not line:
            told = self._quoting(f"{self.name} {_ending(self.returncode)} before it was ready")
            raise EngineNotReady(told, was_killed=self.returncode == -signal.SIGKILL)
        try:
            answer = json.loads(line)
            if "failed" in answer:
                failed = answer["failed"]
                raise self._failure(failed["type"], failed["message"])
            return Ready(**answer["ready"])
        except (ValueError, TypeError, KeyError):
            raise EngineNotReady(self._quoting(f"{self.name} gave no ready line but {line[:200]!r}")) from None

    def _failure(self, kind: str, message: str) -> EngineError:
        if kind == DeviceMismatch.__name__:
            return DeviceMismatch(f"{self.name}: {message}", hint="shortlist config list shows the devices found")
        told = message if kind == EngineNotReady.__name__ else f"{kind}: {message}"
        return EngineNotReady(self._quoting(f"{self.name} did not start: {told}"))

    def _quoting(self, message: str) -> str:
        tail = self.log_tail()
        return (
            f"{message}\n{tail}\n(log: {self.log_path})" if tail else f"{message} (its log is empty: {self.log_path})"
        )

    def _close_pipes(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        if self._answer is not None:
            self._answer.close()
            self._answer = None


def _spawn(spec: ChildSpec, log_fd: int) -> "tuple[subprocess.Popen[bytes], int, IO[bytes]]":
    """The process, our end of its stdin (the lifeline) and our end of its stdout. No other descriptor is inherited."""
    orders_r, lifeline = os.pipe()
    answer_r, answer_w = os.pipe()
    is_windows = sys.platform == "win32"
    try:
        process = subprocess.Popen(
            list(spec.argv),
            stdin=orders_r,
            stdout=answer_w,
            stderr=log_fd,
            env=child_environment(spec.env),
            close_fds=True,
            start_new_session=not is_windows,
            creationflags=0x200 if is_windows else 0,  # CREATE_NEW_PROCESS_GROUP
        )
        _limit_data(process.pid, spec.data_bytes)
    except OSError as error:
        os.close(lifeline)
        os.close(answer_r)
        raise EngineNotReady(f"{spec.name} could not be started: {error}") from error
    finally:
        os.close(orders_r)
        os.close(answer_w)
    return process, lifeline, os.fdopen(answer_r, "rb", buffering=0)


def _limit_data(pid: int, most: int | None) -> None:
    if most is None or sys.platform != "linux":
        return
    import resource

    with contextlib.suppress(ProcessLookupError, PermissionError):
        resource.prlimit(pid, resource.RLIMIT_DATA, (most, most))


async def _read_line(fd: int) -> bytes:
    """What comes up to a line's end, the pipe's, or just over the limit.

    Not by the loop's own pipes: uvloop closes the descriptor, then Python's file object closes its number once more,
    which may by then be a client's socket or a file that another thread has just opened.
    """
    os.set_blocking(fd, False)
    loop, readable, line = asyncio.get_running_loop(), asyncio.Event(), b""
    loop.add_reader(fd, readable.set)
    try:
        while not line.endswith(b"\n") and len(line) <= _READY_LIMIT_BYTES:
            await readable.wait()
            readable.clear()
            try:
                part = os.read(fd, _READY_LIMIT_BYTES)
            except BlockingIOError:
                continue
            if not part:
                break
            line += part
    finally:
        loop.remove_reader(fd)
    return line


def log_stem(name: str) -> str:
    """A name as the stem of a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".")[:80] or "child"


def _create_log(folder: Path, name: str) -> tuple[int, Path]:
    """A new file for each process: an error must not quote the one before."""
    stem = log_stem(name)
    number = 1
    while True:
        path = folder / (f"{stem}.log" if number == 1 else f"{stem}-{number}.log")
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600), path
        except FileExistsError:
            number += 1


def _ending(returncode: int | None) -> str:
    if returncode is None:
        return "closed its answer pipe"
    if returncode >= 0:
        return f"ended with exit status {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _terminate(process: "subprocess.Popen[bytes]") -> None:
    if process.returncode is None:
        process.terminate()


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL to the child's whole group; where it has none, to the child."""
    if sys.platform == "win32":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
        os.killpg(process.pid, signal.SIGKILL)
