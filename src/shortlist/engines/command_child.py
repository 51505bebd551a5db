"""The supervisor of a foreign program: starts it on a free port, waits until it serves, and never leaves it behind.

It stands between us and a program that knows nothing of our lifeline. The program is in the supervisor's process group
and writes to its log; on Linux the supervisor also adopts what the program's children leave behind (`SUBREAPER`), so
that even a process with a session of its own is among its descendants and is found when all of them must end.
"""

import contextlib
import ctypes
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from shortlist.clock import monotonic_ns, sleep_blocking_ns
from shortlist.errors import EngineNotReady
from shortlist.lifeline import Report, run_child

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")

_SUBREAPER, _DEATH_SIGNAL = 36, 1  # prctl(2)
_FIRST_POLL_NS, _LAST_POLL_NS = 10 * 10**6, 250 * 10**6
_REPLY_LIMIT_S = 5
_BODY_LIMIT_BYTES = 1 << 20
_SWEEPS = 50


def fill(texts: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The texts with their placeholders filled in, in one pass: what is filled in is not looked through again."""
    return [PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text) for text in texts]


@dataclass(frozen=True, slots=True)
class Served:
    """What the program says of itself: the ids of its models, the device where it names one, its server's name."""

    models: tuple[str, ...]
    device: str | None
    server: str | None


class Program:
    """The foreign program while it runs. Everything here happens in the main thread."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self.is_told_to_end = False
        self.status: int | None = None
        try:
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                env=dict(env),
                # Only one thread can be anywhere else, and it waits in read(): the child of fork meets no held lock.
                preexec_fn=_die_with_supervisor,  # noqa: PLW1509
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise EngineNotReady(f"{argv[0]} cannot be started: {error}") from None
        self.pid = self._process.pid

    def reap(self, *, waits: bool) -> bool:
        """Take in the dead, adopted ones too; whether the program is among them (or was before)."""
        while self.status is None:
            try:
                pid, status = os.waitpid(-1, 0 if waits else os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                return False
            if pid == self.pid:
                self.status = self._process.returncode = os.waitstatus_to_exitcode(status)
        return True

    def end(self, *_: object) -> None:
        """Ask it to end; a second time has no other effect."""
        self.is_told_to_end = True
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)


def kill_descendants() -> None:
    """SIGKILL to everything below this process until nothing is left there; the dead are reaped: nobody else may."""
    import psutil

    for _ in range(_SWEEPS):
        living = [p for p in psutil.Process().children(recursive=True) if _lives(p)]
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not living:
            return
        for process in living:
            with contextlib.suppress(psutil.Error):
                process.kill()
        sleep_blocking_ns(_FIRST_POLL_NS)


def _lives(process: Any) -> bool:
    import psutil

    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _die_with_supervisor() -> None:
    """In the program, before it starts: the kernel ends it when the supervisor is killed alone."""
    if _LIBC is not None:
        _LIBC.prctl(_DEATH_SIGNAL, int(signal.SIGKILL))


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def adopt_orphans() -> None:
    """From now on, what descendants of this process leave behind is its own: found, and ended. Linux only."""
    if _LIBC is not None:
        _LIBC.prctl(_SUBREAPER, 1)


def free_port() -> int:
    """A loopback port that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


# --- is it there? -----------------------------------------------------------------------------------------------------


def _get(port: int, path: str, headers: Mapping[str, str]) -> tuple[int, bytes, str | None]:
    """Status, body and server of one GET; status 0 while nobody answers in HTTP."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_REPLY_LIMIT_S)
    try:
        connection.request("GET", path, headers=dict(headers))
        reply = connection.getresponse()
        return reply.status, reply.read(_BODY_LIMIT_BYTES), reply.getheader("Server")
    except (OSError, http.client.HTTPException):
        return 0, b"", None
    finally:
        connection.close()


def await_ready(program: Program, port: int, config: Mapping[str, Any]) -> Served:
    """Ask until it answers with 200. Raises EngineNotReady when it ends first; the caller's limit is the parent's."""
    wait_ns, last = _FIRST_POLL_NS, 0
    while True:
        if program.reap(waits=False):
            raise EngineNotReady(f"the program ended with {told_status(program.status)} before it answered")
        status, body, server = _get(port, config["ready"], config["headers"])
        if status == 200:
            break
        if status != last and status:
            sys.stderr.write(f"[{config['ready']} answers with status {status}; asked again]\n")
            sys.stderr.flush()
            last = status
        if status in (401, 403):
            raise EngineNotReady(f"{config['ready']} answers with status {status}: it wants another key")
        sleep_blocking_ns(wait_ns)
        wait_ns = min(2 * wait_ns, _LAST_POLL_NS)
    if config["listens_itself"]:
        _check_listener(port)
    models = f"{config['base']}/models"
    if config["ready"] != models:
        status, body, server = _get(port, models, config["headers"])
    return _read_models(body if status == 200 else b"", server)


def _check_listener(port: int) -> None:
    """Raise EngineNotReady where it can be seen that the one who answers is no process of the program's."""
    import psutil

    found: list[int] = []
    for process in psutil.Process().children(recursive=True):
        try:
            found += [c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        except psutil.NoSuchProcess:
            continue
        except (psutil.Error, OSError):
            return  # it cannot be seen here
    if port not in found:
        raise EngineNotReady(
            f"port {port} is answered by a process that the program did not start"
            " (a container or a service? then say listens_itself = false, or bench it with --endpoint)"
        )


def _read_models(body: bytes, server: str | None) -> Served:
    try:
        listed = json.loads(body)["data"]
        models = [entry for entry in listed if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
    except (ValueError, KeyError, TypeError):
        models = []
    devices = {_device(entry) for entry in models}
    device = devices.pop() if len(devices) == 1 else None
    return Served(tuple(entry["id"] for entry in models), device, server)


def _device(entry: Mapping[str, Any]) -> str | None:
    """A device that the entry of a model names: `device`, or as Foundry Local has it."""
    runtime = entry.get("runtime")
    told = entry.get("device") or (runtime.get("deviceType") if isinstance(runtime, dict) else None)
    text = str(told or "").lower()
    return "gpu" if text.startswith(("gpu", "cuda", "metal", "rocm", "vulkan")) else "cpu" if text == "cpu" else None


def pick_model(served: Served, wanted: Sequence[str], asked: str | None) -> str:
    """The id that requests carry: as told, else the one that the program serves. Raises EngineNotReady."""
    if asked is not None:
        return asked
    for name in wanted:
        for known in (name, f"{name}:latest"):
            if known in served.models:
                return known
    if len(served.models) > 1:
        listed = ", ".join(served.models[:8])
        raise EngineNotReady(f'it serves {listed}, and none is called {wanted[0]}: say which with model = "..."')
    return served.models[0] if served.models else wanted[0]


def told_status(status: int | None) -> str:
    """How a process ended, in words."""
    if status is not None and status < 0:
        try:
            return f"signal {signal.Signals(-status).name}"
        except ValueError:
            return f"signal {-status}"
    return f"exit status {status}"


# --- from start to end ------------------------------------------------------------------------------------------------


def _end_as(status: int | None) -> NoReturn:
    """End as the program did, so that the parent's words for it are the program's."""
    if status is not None and status < 0:
        import resource

        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # its own dump, if any, is the one that counts
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status if status is not None and status >= 0 else 1)


def _serve(program: Program, port: int, config: Mapping[str, Any], report: Report) -> None:
    """From the program's start to its end. Raises EngineNotReady when it never served, unless it was told to end."""
    began = monotonic_ns()
    try:
        served = await_ready(program, port, config)
        model = pick_model(served, config["wanted"], config["model"])
    except EngineNotReady:
        if program.is_told_to_end:
            return
        raise
    url = f"http://127.0.0.1:{port}{config['base']}"
    report(url, device=served.device, version=served.server, model=model, start_ns=monotonic_ns() - began)
    program.reap(waits=True)


def _main(config: dict[str, Any], report: Report) -> None:
    adopt_orphans()
    port = free_port()
    values = {**config["values"], "port": str(port)}
    env = dict(zip(config["env"], fill(list(config["env"].values()), values), strict=True))
    program = Program(fill(config["argv"], values), env)
    signal.signal(signal.SIGTERM, program.end)
    try:
        _serve(program, port, config, report)
    finally:
        kill_descendants()
    _end_as(0 if program.is_told_to_end else program.status)


if __name__ == "__main__":
    run_child(_main, before_end=kill_descendants)
