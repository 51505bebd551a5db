"""Measuring errors that self-tests found, kept for an hour: a bench at the same load need not repeat one."""

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from shortlist.clock import wall_ns
from shortlist.errors import InvalidFile
from shortlist.files import convert, read_json, write_whole
from shortlist.machine import boot_id
from shortlist.records import MeasuringError, to_json

log = logging.getLogger(__name__)

FILE_NAME = "selftest.json"
KEPT_NS = 3600 * 10**9


def known_error(home: Path, streams: int) -> MeasuringError | None:
    """What was found at so many streams in this boot, less than an hour ago."""
    return next((error for error in _fresh(home) if error.streams == streams), None)


def keep_error(home: Path, found: MeasuringError) -> None:
    """Keep it for the next hour, in place of an older one at as many streams. A folder that refuses costs a repeat."""
    others = [error for error in _fresh(home) if error.streams != found.streams]
    try:
        home.mkdir(parents=True, exist_ok=True)
        write_whole(home / FILE_NAME, to_json([found, *others]) + b"\n")
    except OSError as error:
        log.info("the self-test's result cannot be kept: %s", error)


def _fresh(home: Path) -> Sequence[MeasuringError]:
    path, boot, now = home / FILE_NAME, boot_id(), wall_ns()
    if not path.exists():
        return ()
    try:
        found = convert(read_json(path), list[MeasuringError], path)
        return [one for one in found if one.boot_id == boot and 0 <= now - _at_ns(one) < KEPT_NS]
    except (InvalidFile, ValueError) as error:  # it is a cache: what cannot be read is measured anew
        log.info("%s is not used: %s", path, error)
        return ()


def _at_ns(error: MeasuringError) -> int:
    return round(datetime.fromisoformat(error.at).timestamp() * 1e9)
