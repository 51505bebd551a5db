"""Where a service logs and how: one JSON object a line in a file of bounded size, or lines for people on the terminal.

What a client wrote can neither begin a line nor end one: JSON escapes everything but printable ASCII, and so do the
lines for people. No prompt and no answer is in it, unless `log_prompts` asks for the former.
"""

import json
import logging
import logging.handlers
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shortlist.clock import iso, wall_ns
from shortlist.errors import ServiceError
from shortlist.serve.call import Finished

log = logging.getLogger(__name__)

_FILE_BYTES, _KEPT_FILES = 5_000_000, 3
_FIELDS = "shortlist_fields"
_FIRST = ("time", "level", "message")


def log_to_terminal() -> None:
    """Lines on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(_ForPeople())
    _begin(handler)


def log_to_file(path: Path) -> None:
    """At most four files of 5 MB: `service.log`, then `service.log.1` and older. Raises ServiceError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(path, maxBytes=_FILE_BYTES, backupCount=_KEPT_FILES)
        path.chmod(0o600)
    except OSError as error:
        raise ServiceError(
            f"{path} cannot be written: {error.strerror}", hint="mend the rights of SHORTLIST_HOME"
        ) from None
    handler.setFormatter(_Structured())
    _begin(handler)


def _begin(handler: logging.Handler) -> None:
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # what it says of requests, ours say with their ids
    logging.raiseExceptions = False  # a full disk stops the log, not the service


def log_request(done: Finished) -> None:
    """One line for a request that is over; an observer of `State`."""
    lease, used = done.lease, done.used
    fields: dict[str, Any] = {
        "request_id": done.request_id,
        "client": done.client,
        "route": f"{done.method} {done.route}",
        "status": done.status or None,
        "code": done.code,
        "is_cancelled": done.is_cancelled or None,
        "total_ms": _ms(done.total_ns),
    }
    if lease is not None:
        fields |= {"model": lease.model, "reason": lease.route or None, "waited_ms": _ms(lease.waited_ns)}
    if used is not None:
        fields |= {"prompt_tokens": used.prompt_tokens, "completion_tokens": used.completion_tokens}
        fields |= {"ttft_ms": None if used.ttft_ns is None else _ms(used.ttft_ns)}
    log_fields("request", {name: value for name, value in fields.items() if value is not None})


def log_fields(message: str, fields: Mapping[str, Any]) -> None:
    """A line with fields of its own."""
    log.info("%s", message, extra={_FIELDS: fields})


def for_people(line: str) -> str:
    """A line of the file as `service logs` shows it; one that is no JSON of ours as it is."""
    try:
        told = json.loads(line)
    except ValueError:
        return line
    if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in _FIRST):
        return line
    return _line(told)


def _ms(span_ns: int) -> float:
    return round(span_ns / 1e6, 3)


def _told(record: logging.LogRecord) -> dict[str, Any]:
    told = {"time": iso(wall_ns()), "level": record.levelname, "message": record.getMessage()}
    told |= getattr(record, _FIELDS, {})
    if record.exc_info:
        told["trace"] = logging.Formatter().formatException(record.exc_info)
    return told


def _line(told: Mapping[str, Any]) -> str:
    """`12:00:01Z INFO request route="POST /v1/…" status=200`; control characters escaped."""
    fields = " ".join(f"{name}={_shown(value)}" for name, value in told.items() if name not in _FIRST)
    start = f"{told['time']} {told['level']} {_plain(told['message'])}"
    return f"{start} {fields}" if fields else start


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    plain = _plain(text)
    return plain if plain == text and text and not set(text) & set(' "=') else json.dumps(text)


def _plain(text: str) -> str:
    """Without what would begin a line or steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _Structured(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(_told(record), default=str)


class _ForPeople(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = _told(record)
        trace = told.pop("trace", None)
        return _line(told) + (f"\n{trace}" if trace else "")
