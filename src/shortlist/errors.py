"""Every error that a user can meet.

ShortlistError                 exit 1
├── BadInput                   exit 2   what was typed, or a file that was given, is wrong
│   ├── UnknownName                     a model, run, setting or engine that nobody knows
│   ├── InvalidFile                     prompts, models, needs, settings: file, place, what was expected
│   ├── InvalidModel                    a model file that is missing, cut short or not what it says
│   ├── BadRequest                      a request to the service that cannot be answered as it stands
│   ├── RunMismatch                     a run that this command cannot go on with
│   └── NotComparable                   two runs that differ in what must be the same
├── NotDownloaded              exit 1   a model that is known, and whose files are not here
├── DoesNotFit                 exit 1   a model that takes more memory or disk than there is
├── LicenceRefused             exit 1   a model whose licence the policy file does not let pass
├── HubError                   exit 1   the Hub could not be asked, or said no
│   ├── HostRefused                     a request would go to a host or an address that is not allowed
│   └── Unverified                      what came is not what was promised: its digest, its length or its kind
├── EngineError                exit 1   an engine process did not start, died, or is not what was asked
│   ├── EngineNotReady
│   ├── EngineCrashed
│   └── DeviceMismatch
├── EndpointError              exit 1   one request failed; becomes `Sample.error`
│   ├── ConnectFailed
│   ├── ConnectionClosed
│   ├── BrokenStream
│   ├── ErrorReply
│   │   └── ContextOverflow             question or answer take more tokens than the context has
│   ├── RequestTimeout
│   └── TooManyInFlight                 an open loop had no file descriptor left for it: it was never sent
├── StoreError                 exit 1   results could not be written or read
├── HostBusy                   exit 1   another bench, or a service, has this host
├── QueueFull                  exit 1   too many requests wait for the models of the service
├── ServiceError               exit 1   the service did not start, does not answer, or refuses
│   └── ServiceStopping                 it is about to end, and begins nothing new
├── NotEnoughSamples           exit 1   a statistic that the data cannot support
└── Interrupted                exit 130
"""

from collections.abc import Iterable
from pathlib import Path


class ShortlistError(Exception):
    """What happened and with which value; `hint` is what to type next."""

    exit_code = 1
    retry_after_s: float | None = None
    """When it is worth asking again; None: that is not known."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BadInput(ShortlistError):
    """What was typed is wrong."""

    exit_code = 2


class UnknownName(BadInput):
    """A name that nobody knows; the nearest known ones stand in the hint."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, hint: str | None = None) -> None:
        import difflib

        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        listed = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}" if known else None
        super().__init__(f"unknown {kind} {name!r}", hint="; ".join(h for h in (listed, hint) if h) or None)
        self.kind, self.name, self.near = kind, name, near


class InvalidFile(BadInput):
    """A file that people write: which file, where inside it, what was expected there."""

    def __init__(self, file: Path | str, place: str, expected: str, *, hint: str | None = None) -> None:
        where = f"{file}, at {place}" if place else str(file)
        super().__init__(f"{where}: {expected}", hint=hint)
        self.file, self.place, self.expected = str(file), place, expected


class InvalidModel(BadInput):
    """A model file that is missing, cut short, absurd or of another kind."""


class BadRequest(BadInput):
    """A client's request to the service: which parameter, and OpenAI's word for what is wrong with it."""

    def __init__(
        self, message: str, *, param: str | None = None, code: str = "invalid_value", status: int = 400,
        hint: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message, hint=hint)
        self.param, self.code, self.status = param, code, status


class RunMismatch(BadInput):
    """A stored run that does not fit what is asked of it."""


class NotComparable(BadInput):
    """Two runs that were measured under conditions so unlike that their numbers cannot be compared."""


class NotDownloaded(ShortlistError):
    """A model that is known, but whose files are not on this host."""


class DoesNotFit(ShortlistError):
    """A model that takes more memory or disk than there is; the hint names what would fit."""


class LicenceRefused(ShortlistError):
    """The licence policy refuses this model, or wants its licence read first."""


class HubError(ShortlistError):
    """The Hub could not be reached, or it refused. `is_passing`: another try may help, after `retry_after_s`."""

    def __init__(
        self, message: str, *, hint: str | None = None, is_passing: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.is_passing, self.retry_after_s = is_passing, retry_after_s


class HostRefused(HubError):
    """A request, or a redirect, to a host or an address that models are not fetched from."""


class Unverified(HubError):
    """What was fetched is not what was promised; nothing of it was kept."""


class EngineError(ShortlistError):
    """An engine process failed; the end of its log stands in the message."""


class EngineNotReady(EngineError):
    """The engine did not come up. `was_killed`: by a signal, from outside; the same may go well another time."""

    def __init__(self, message: str, *, hint: str | None = None, was_killed: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.was_killed = was_killed


class EngineCrashed(EngineError):
    """The engine was up and its process ended. `brief`: how, without its log and without places on this host."""

    def __init__(self, message: str, *, hint: str | None = None, brief: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.brief = brief or "the engine ended"


class DeviceMismatch(EngineError):
    """The engine reports another device than the one asked for."""


class EndpointError(ShortlistError):
    """One request to an endpoint failed."""


class ConnectFailed(EndpointError):
    """No connection: refused, unreachable or no such host."""


class ConnectionClosed(EndpointError):
    """The peer closed before the reply was complete."""


class BrokenStream(EndpointError):
    """Bytes came that are not HTTP, not SSE or not the JSON that the API promises."""


class ErrorReply(EndpointError):
    """The peer answered with an error status, or with an error event inside a stream."""

    def __init__(self, message: str, *, status: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class ContextOverflow(ErrorReply):
    """Question and answer take more tokens than the context has; nothing is cut away to make them fit."""


class RequestTimeout(EndpointError):
    """No complete reply within the limit."""


class TooManyInFlight(EndpointError):
    """A request fell due while this client had as many in flight as it can hold; it was not sent."""


class StoreError(ShortlistError):
    """Results could not be written or read."""


class HostBusy(ShortlistError):
    """Another process measures on this host, and two would disturb each other."""


class QueueFull(ShortlistError):
    """Too many requests wait for a model; `retry_after_s` is when it is worth asking again."""

    def __init__(self, message: str, retry_after_s: int, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class ServiceError(ShortlistError):
    """The service did not start, does not answer, or refuses."""


class ServiceStopping(ServiceError):
    """The service is about to end, and begins nothing new."""


class NotEnoughSamples(ShortlistError):
    """The data do not support this statistic."""


class Interrupted(ShortlistError):
    """The user pressed Ctrl-C, or the process was asked to stop."""

    exit_code = 130
