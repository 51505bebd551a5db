"""Runs `shortlist` as a user does: a process of its own, forked from one that has it imported (`forkserver`)."""

import array
import atexit
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_LIMIT_S = 120
_LENGTH = struct.Struct("!i")
MAIN = "import sys; from shortlist.cli import main; sys.argv[0] = 'shortlist'; main()"


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def argv(*args: object) -> list[str]:
    return [sys.executable, "-c", MAIN, *map(str, args)]


def environment(**changes: str) -> dict[str, str]:
    # A busy machine must not change how often a test's requests are sent: tests of that ask for it.
    return {**os.environ, "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1", "SHORTLIST_WATCH": "0", **changes}


def shortlist(*args: object, cwd: Path, stdin: str = "", **env: str) -> Done:
    """Run a command to its end; a traceback is never a user's business."""
    run = _fresh if _needs_fresh(env) else _forked
    done = run([*map(str, args)], cwd, stdin, environment(**env))
    assert "Traceback" not in done.err, done.err
    return done


def _needs_fresh(env: dict[str, str]) -> bool:
    """Whether a variable is set that an interpreter reads when it starts, or there is no fork."""
    return sys.platform != "linux" or any(name.startswith(("PYTHON", "LC_", "LANG", "LD_")) for name in env)


def _fresh(args: list[str], cwd: Path, stdin: str, env: dict[str, str]) -> Done:
    done = subprocess.run(
        argv(*args), cwd=cwd, env=env, input=stdin, capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


def _forked(args: list[str], cwd: Path, stdin: str, env: dict[str, str]) -> Done:
    request = json.dumps({"args": args, "cwd": str(cwd), "env": env}).encode()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        files = array.array("i", (given.fileno(), out.fileno(), err.fileno()))
        server = _server()
        server.sendmsg([_LENGTH.pack(len(request))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
        server.sendall(request)
        (pid,) = _LENGTH.unpack(server.recv(_LENGTH.size))
        code = _wait(server, pid)
        texts = [os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0) for file in (out, err)]
    return Done(code, *(text.decode().replace("\r\n", "\n") for text in texts))


def _wait(server: socket.socket, pid: int) -> int:
    try:
        (code,) = _LENGTH.unpack(server.recv(_LENGTH.size))
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        server.recv(_LENGTH.size)
        raise
    assert isinstance(code, int)
    return code


@cache
def _server() -> socket.socket:
    """One for the whole session; it ends when our end of the pair does."""
    ours, its = socket.socketpair()
    with its:
        path = str(Path(__file__).with_name("forkserver.py"))
        process = subprocess.Popen(
            [sys.executable, path, str(its.fileno())], pass_fds=[its.fileno()], env=environment()
        )
    atexit.register(_end, ours, process)
    ours.settimeout(_LIMIT_S)
    return ours


def _end(server: socket.socket, process: subprocess.Popen[bytes]) -> None:
    server.close()
    process.wait(_LIMIT_S)
