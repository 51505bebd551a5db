"""The child's side of `shortlist.process`: orders in, one ready line out, and no life without the parent.

Imports nothing heavy, so that a child is under control before its engine is even found. See `process` for the contract.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Protocol

from shortlist.errors import ShortlistError


class Report(Protocol):
    """How a child says, once, that it serves."""

    def __call__(
        self, url: str, *, device: str | None, version: str | None, **more: int | str | list[str] | None
    ) -> None:
        """Write the ready line; `more` are further fields of `process.Ready`."""
        ...


def run_child(
    main: Callable[[dict[str, Any], Report], None],
    *,
    is_leaf: bool = False,
    before_end: Callable[[], None] | None = None,
) -> None:
    """Run `main(config, report)` as a child that cannot outlive its parent. Call it before anything heavy is imported.

    `is_leaf`: it starts no process of its own. Then the kernel may kill it outright when the parent ends, which works
    even while C code holds the interpreter's lock; otherwise that signal only starts the killing of the whole group.
    `before_end`: what is done before that, when the parent is gone; the group is killed whatever becomes of it.
    """
    end = partial(_end_after, before_end)
    lifeline, answer_fd = _take_streams()
    answer = _Answer(answer_fd)
    orders = _read_line(lifeline)
    if orders is None:
        os._exit(1)  # the parent died before it said anything
    order = json.loads(orders)
    _die_with(order["parent"], end, is_leaf=is_leaf)
    threading.Thread(target=_hold_lifeline, args=(lifeline, end), name="lifeline", daemon=True).start()

    def report(url: str, *, device: str | None, version: str | None, **more: int | str | list[str] | None) -> None:
        answer.give({"ready": {"url": url, "device": device, "version": version, **more}})

    def fail(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, ShortlistError):
            message = error.message  # foreseen: a trace would push what the engine said out of the end of its log
        else:
            message = str(error)
            traceback.print_exception(kind, error, trace)
        answer.give({"failed": {"type": kind.__name__, "message": message}})

    sys.excepthook = fail
    main(order["config"], report)


class _Answer:
    """The pipe to the parent, for one line: once closed, its number may belong to somebody's socket."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd

    def give(self, line: Mapping[str, Any]) -> None:
        """Write the line, unless one was given before."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
                os.write(fd, json.dumps(line).encode() + b"\n")
            os.close(fd)


def _take_streams() -> tuple[int, int]:
    """Keep stdin and stdout for the parent alone (copies that no grandchild inherits); prints go to the log."""
    lifeline, answer = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return lifeline, answer


def _read_line(fd: int) -> bytes | None:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(fd, 1 << 16)
        if not part:
            return None
        line += part
    return line


def _hold_lifeline(fd: int, end: Callable[[], None]) -> None:
    while os.read(fd, 4096):
        pass
    end()


def _end_after(before: Callable[[], None] | None, *_: object) -> None:
    try:
        if before is not None:
            before()
    finally:
        _end_group()


def _end_group() -> None:
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _die_with(parent: int, end: Callable[..., None], *, is_leaf: bool) -> None:
    if sys.platform != "linux":
        return
    if not is_leaf:
        signal.signal(signal.SIGHUP, end)
    death = signal.SIGKILL if is_leaf else signal.SIGHUP
    ctypes.CDLL(None).prctl(1, int(death))  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before the call above
        end()
