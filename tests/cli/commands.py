"""Runs `shortlist` as a user does: a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    done = subprocess.run(
        argv(*args),
        cwd=cwd,
        env=environment(**env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)
