"""The process of a service that nobody's terminal holds: started by `start_daemon`, told what to do on its stdin.

It answers with one JSON line on stdout, `{"ready": {...}}` or `{"failed": {...}}`, as `process`'s children do; after
that what it prints goes to `Files.output`, and what it logs to `Files.log`.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shortlist import settings as settings_file
from shortlist.errors import ServiceError, ShortlistError
from shortlist.process import module_argv
from shortlist.serve.files import Files, Running

_ANSWER_BYTES = 1 << 16
_TAIL_BYTES = 2000


def start_daemon(files: Files, flags: Mapping[str, Any]) -> Running:
    """Start a service in the background, and wait until it serves. Raises ServiceError with what it said."""
    try:
        files.output.parent.mkdir(parents=True, exist_ok=True)
        output = files.output.open("wb")
    except OSError as error:
        raise ServiceError(
            f"{files.output} cannot be written: {error.strerror}",
            hint="give SHORTLIST_HOME a folder that you may write to, or mend its rights",
        ) from None
    orders = json.dumps({"flags": dict(flags), "folder": str(Path.cwd())})
    with output:
        process = subprocess.Popen(
            module_argv("shortlist.serve.daemon"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=sys.platform != "win32",
            creationflags=0x208 if sys.platform == "win32" else 0,  # CREATE_NEW_PROCESS_GROUP | DETACHED_PROCESS
        )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin as told:
        told.write(orders.encode() + b"\n")
    with process.stdout as answer:
        line = answer.readline(_ANSWER_BYTES)
    process.returncode = process.poll() or 0  # it lives on: Popen's destructor would complain
    return _answered(files, line)


def _answered(files: Files, line: bytes) -> Running:
    try:
        told = json.loads(line)
        if "failed" in told:
            raise ServiceError(told["failed"]["message"], hint=told["failed"]["hint"])
        return Running(**{**told["ready"], "urls": tuple(told["ready"]["urls"])})
    except (ValueError, KeyError, TypeError):
        said = files.output.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace").strip()
        raise ServiceError(f"the service ended before it was ready: {said or 'it said nothing'}") from None


def _say(told: Mapping[str, Any]) -> None:
    """The one line; then stdout is where stderr is."""
    os.write(1, json.dumps(told).encode() + b"\n")
    os.dup2(2, 1)


def main() -> None:
    """Serve as stdin says."""
    from shortlist.serve.logs import log_to_file
    from shortlist.serve.server import new_loop
    from shortlist.serve.service import Service

    orders = json.loads(sys.stdin.readline())
    try:
        folder = Path(orders["folder"])
        settings = settings_file.load(folder=folder).with_flags(orders["flags"])
        log_to_file(Files(settings.home).log)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_serve(Service(settings, folder, orders["flags"])))
    except ShortlistError as error:
        _say({"failed": {"message": error.message, "hint": error.hint}})
        sys.exit(error.exit_code)


async def _serve(service: Any) -> None:
    await service.run(lambda running: _say({"ready": asdict(running)}))


if __name__ == "__main__":
    main()
