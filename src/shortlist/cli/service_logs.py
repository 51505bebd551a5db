"""`shortlist service logs`."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from shortlist import settings as settings_file
from shortlist.cli.output import emit, emit_json
from shortlist.errors import BadInput

_LOOK_NS = 200_000_000
_TAIL_BYTES = 1 << 20


@click.command(name="logs")
@click.option("-n", "count", type=click.IntRange(0), default=50, help="Lines from the end. [50]")
@click.option("-f", "--follow", is_flag=True, help="Go on as lines are added, until Ctrl-C.")
@click.option("--engine", metavar="MODEL", help="The newest log of that model's engine instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, count: int, follow: bool, engine: str | None, as_json: bool) -> None:
    """What the service logged, also after it has ended; with --engine, what a model's engine said."""
    from shortlist.report.escape import one_line
    from shortlist.serve.logs import for_people

    if follow and as_json:
        raise BadInput("--json prints what there is, and -f never ends", hint="leave one of them out")
    path = _path(settings_file.load().home, engine)
    raw = last_lines(path, count)
    shown = one_line if engine is not None else lambda line: one_line(for_people(line))
    if as_json:
        told = {"path": str(path), "lines": [shown(line) for line in raw]}
        emit_json("shortlist-service-log", told | ({} if engine is not None else {"entries": _entries(raw)}))
        return
    for line in raw:
        emit(shown(line))
    if follow:
        for line in followed(path):
            emit(shown(line))


def _entries(lines: list[str]) -> list[dict[str, Any]]:
    """Those lines that are JSON objects."""
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            found += [told] if isinstance(told, dict) else []
    return found


def _path(home: Path, engine: str | None) -> Path:
    from shortlist.process import log_stem
    from shortlist.serve.files import Files

    if engine is None:
        path = Files(home).log
        if not path.is_file():
            raise BadInput(f"there is no log yet: {path}", hint="shortlist service start")
        return path
    folder = Files(home).engine_logs
    stem = log_stem(engine)
    found = [one for one in folder.glob("*.log") if one.stem == stem or one.stem.startswith(f"{stem}-")]
    if not found:
        raise BadInput(f"no engine of {engine!r} has logged in {folder}", hint="shortlist service ps shows the names")
    return max(found, key=lambda one: one.stat().st_mtime_ns)


def last_lines(path: Path, count: int) -> list[str]:
    """The end of a file, a megabyte of it at most."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return lines[-count:] if count else []


def followed(path: Path) -> Iterator[str]:
    """Lines as they are added, over the log's rotation too."""
    from shortlist.clock import sleep_blocking_ns

    file = path.open("rb")
    file.seek(0, 2)
    rest = b""
    try:
        while True:
            data = file.read()
            *lines, rest = (rest + data).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in lines)
            if data:
                continue
            if _is_another(path, file.fileno()):
                file.close()
                file = path.open("rb")
            sleep_blocking_ns(_LOOK_NS)
    finally:
        file.close()


def _is_another(path: Path, descriptor: int) -> bool:
    """Whether the log was begun anew."""
    import os

    try:
        now = path.stat()
    except FileNotFoundError:
        return False
    return not os.path.samestat(now, os.fstat(descriptor))
