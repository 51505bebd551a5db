"""What those are told whose request the pool cannot serve: what happened, with which numbers, and when to ask again."""

import asyncio
from collections.abc import Iterable
from typing import Any

from shortlist.errors import (
    DoesNotFit,
    EngineCrashed,
    EngineError,
    EngineNotReady,
    InvalidModel,
    QueueFull,
    ServiceStopping,
    ShortlistError,
)
from shortlist.ledger import Loaded
from shortlist.serve.model import Model
from shortlist.serve.placing import Room
from shortlist.units import duration, size


def stopping() -> ServiceStopping:
    """The service is about to end."""
    error = ServiceStopping("the service is stopping, and begins nothing new", hint="shortlist service start")
    error.retry_after_s = 5
    return error


def refuse(waiting: "Iterable[asyncio.Future[Any]]", error: ShortlistError) -> None:
    """Tell each of those that wait, each with an error of its own: a raised one is changed by who catches it."""
    for future in waiting:
        if not future.done():
            future.set_exception(again(error))


def again(error: ShortlistError, after_ns: int | None = None) -> ShortlistError:
    """The same once more, for somebody else; with the time of the next try, where there is one."""
    told = type(error).__new__(type(error))
    told.__dict__.update(error.__dict__)
    then = "" if after_ns is None else f"; next try in {duration(after_ns)}"
    ShortlistError.__init__(told, f"{error.message}{then}", hint=error.hint)
    if after_ns is not None:
        told.retry_after_s = max(1, round(after_ns / 1e9))
    return told


def not_loaded(model: Model, error: ShortlistError, pause_ns: int) -> ShortlistError:
    """For clients: what the engine said stays in our log, for it may name places on this host."""
    if not isinstance(error, EngineError | InvalidModel):
        return error
    kind = InvalidModel if isinstance(error, InvalidModel) else EngineNotReady
    told = kind(
        f"{model.label} could not be loaded",
        hint=f"shortlist service logs tells why, shortlist service logs --engine {model.label} what its engine said",
    )
    told.retry_after_s = max(1, round(pause_ns / 1e9))
    return told


def crashed(pause_ns: int, crash: EngineCrashed) -> EngineCrashed:
    """For those whose request was in an engine that ended by itself. Its log stays ours: it may quote a path."""
    told = EngineCrashed(
        f"{crash.brief} while it worked on this request; it is started again in {duration(pause_ns)}",
        hint="send the request again; shortlist service logs shows what the engine said",
    )
    told.retry_after_s = max(1, round(pause_ns / 1e9))
    return told


def gave_up(model: Model, pause_ns: int) -> EngineCrashed:
    """For an engine that ends again and again."""
    error = EngineCrashed(
        f"{model.label}: its engine ended {model.streak} times in a row, each soon after its start",
        hint=f"shortlist service logs shows what it said; shortlist model load {model.label} tries now",
    )
    error.retry_after_s = max(1, round(pause_ns / 1e9))
    return error


def queue_full(model: Model, waiting: int, after_s: int) -> QueueFull:
    """No place to wait."""
    return QueueFull(
        f"{waiting} requests wait, and no more may (setting queue); {len(model.queue)} of them for {model.label}",
        after_s,
        hint=f"ask again in {after_s} s",
    )


def too_large(model: Model, room: Room, beside: Iterable[Loaded], hint: str | None) -> DoesNotFit:
    """Not even with everything unloaded that may be."""
    there = ", ".join(f"{load.label} {size(load.bytes)}" for load in beside)
    return DoesNotFit(
        f"{model.label} needs {size(model.need_bytes)} of memory ({model.basis}), and {size(max(0, room.bytes))} is"
        f" {room.basis}" + (f" beside {there}" if there else ""),
        hint=hint or "no variant that we know is smaller",
    )
