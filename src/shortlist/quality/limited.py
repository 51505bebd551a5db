"""Regular expressions and JSON Schemas under a real time limit.

A pattern that somebody wrote may take longer than the universe on some answer, and Python's matcher cannot be told to
stop. So it runs in a child process that is killed when the time is over. The child starts on first use, is used again,
and ends itself too (an alarm, and the end of its input), so that nothing is left running when this process is killed.
"""

import json
import signal
import subprocess
import sys
import threading
from typing import Any, Self

from shortlist.records import Json

LIMIT_NS = 10**9
"""Time for one search or validation."""

GIVE_UP_AFTER = 5
"""A pattern that ran out of time this often is not tried again: a run may hold thousands of answers."""

_CHILD = "from shortlist.quality.limited import serve; serve()"


class OutOfReach(Exception):
    """A facet that could not be decided: out of time, or its pattern or schema is not usable."""


class Limited:
    """Searches and validations that end. Owns at most one child: close it, or use it as a context manager."""

    def __init__(self, limit_ns: int = LIMIT_NS) -> None:
        self._limit_s = limit_ns / 1e9
        self._child: subprocess.Popen[bytes] | None = None
        self._known: dict[str, bool | str] = {}
        self._timeouts: dict[str, int] = {}

    def search(self, pattern: str, text: str) -> bool:
        """Whether the pattern is found, ignoring case. Raises OutOfReach."""
        return self._decide({"kind": "search", "rule": pattern, "text": text}, "the regular expression")

    def validate(self, schema: Json, text: str) -> bool:
        """Whether a text is JSON of this schema (see `schemas.fits`). Raises OutOfReach."""
        return self._decide({"kind": "validate", "rule": schema, "text": text}, "the schema")

    def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decide(self, asked: Json, what: str) -> bool:
        line = json.dumps(asked)
        rule = json.dumps([asked["kind"], asked["rule"]])
        if line not in self._known:
            if self._timeouts.get(rule, 0) >= GIVE_UP_AFTER:
                raise OutOfReach(f"{what} ran out of time on {GIVE_UP_AFTER} answers and was not tried on this one")
            found = self._ask(line)
            if found is None:
                self._timeouts[rule] = self._timeouts.get(rule, 0) + 1
                found = f"{what} did not end within {self._limit_s:g} s"
            self._known[line] = found
        known = self._known[line]
        if isinstance(known, str):
            raise OutOfReach(known)
        return known

    def _ask(self, line: str) -> bool | str | None:
        """The child's verdict or why it has none; None where the time was over."""
        for _ in range(2):
            child = self._child = self._child or self._started(line)
            is_over = threading.Event()
            answer = _exchange(child, line, self._limit_s, is_over)
            if answer.endswith(b"\n"):
                verdict: bool | str = json.loads(answer)
                return verdict
            self.close()
            if is_over.is_set():
                return None
            # It was gone before we asked (killed as its last answer came), or it died of this question: ask once more.
        return "the process that runs regular expressions and schemas died of it"

    def _started(self, line: str) -> subprocess.Popen[bytes]:
        """A child that has loaded what this kind of question takes, outside the time limit."""
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", _CHILD, str(self._limit_s + 1)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("the child has no pipes")
        warm = json.dumps({"kind": "warm", "rule": json.loads(line)["kind"], "text": ""})
        child.stdin.write(warm.encode("ascii") + b"\n")
        child.stdin.flush()
        if not child.stdout.readline().endswith(b"\n"):
            child.communicate()
            raise OutOfReach("the process that runs regular expressions and schemas did not start")
        return child


def _exchange(child: subprocess.Popen[bytes], line: str, limit_s: float, is_over: threading.Event) -> bytes:
    """One line to the child and one back; cut short where it died, or was killed when the time was over."""
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("the child has no pipes")

    def end() -> None:
        is_over.set()
        child.kill()

    timer = threading.Timer(limit_s, end)
    timer.start()
    try:
        child.stdin.write(line.encode("ascii") + b"\n")
        child.stdin.flush()
        return child.stdout.readline()
    except BrokenPipeError:
        return b""
    finally:
        timer.cancel()


# --- the child ------------------------------------------------------------------------------------------------------


def serve() -> None:
    """Answer questions from stdin, one JSON line each, until it ends."""
    backstop_s = float(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes our input
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        if hasattr(signal, "setitimer") and asked["kind"] != "warm":
            signal.setitimer(signal.ITIMER_REAL, backstop_s)  # the default action ends the process, even inside a match
        answer = _answer(asked)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _answer(asked: Json) -> Any:
    import re

    try:
        if asked["kind"] == "search":
            return re.search(asked["rule"], asked["text"], re.IGNORECASE) is not None
        if asked["kind"] == "validate" or asked["rule"] == "validate":
            from shortlist.quality.schemas import fits

            return fits(asked["rule"], asked["text"]) if asked["kind"] == "validate" else True
    except re.error as error:
        return f"not a regular expression: {error}"
    except ValueError as error:
        return str(error)
    except (RecursionError, OverflowError, MemoryError) as error:
        return f"{type(error).__name__}: {error}"
    return True
