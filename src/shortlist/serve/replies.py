"""Every error of ours as an HTTP reply in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`."""

from dataclasses import dataclass, field
from http import HTTPStatus

import msgspec

from shortlist import errors

JSON = (b"content-type", b"application/json")
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply."""

    body: bytes
    status: int = 200
    headers: Headers = (JSON,)


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, as a client is told. `type` follows from the status."""

    status: int
    code: str
    message: str
    param: str | None = None
    headers: Headers = field(default=())

    @property
    def type(self) -> str:
        """OpenAI's class of the error."""
        return _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")

    def event(self) -> bytes:
        """The error object, as it stands in a reply and in a stream's event."""
        told = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return msgspec.json.encode({"error": told})

    def reply(self) -> Reply:
        """The error as a whole reply."""
        return Reply(self.event(), self.status, (JSON, *self.headers))


_ASKS = ((b"www-authenticate", b"Bearer"),)
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}

# The first line that an error is an instance of holds: a class stands above those that it is made of.
CODES: tuple[tuple[type[errors.ShortlistError], int, str], ...] = (
    (errors.UnknownName, HTTPStatus.NOT_FOUND, "model_not_found"),
    (errors.NotDownloaded, HTTPStatus.NOT_FOUND, "model_not_found"),
    (errors.InvalidModel, HTTPStatus.BAD_REQUEST, "invalid_model"),
    (errors.BadInput, HTTPStatus.BAD_REQUEST, "invalid_request"),
    (errors.ContextOverflow, HTTPStatus.BAD_REQUEST, "context_length_exceeded"),
    (errors.LicenceRefused, HTTPStatus.FORBIDDEN, "licence_refused"),
    (errors.DoesNotFit, HTTPStatus.INSUFFICIENT_STORAGE, "does_not_fit"),
    (errors.QueueFull, HTTPStatus.TOO_MANY_REQUESTS, "queue_full"),
    (errors.HostBusy, HTTPStatus.SERVICE_UNAVAILABLE, "host_busy"),
    (errors.ServiceStopping, HTTPStatus.SERVICE_UNAVAILABLE, "shutting_down"),
    (errors.ServiceError, HTTPStatus.SERVICE_UNAVAILABLE, "service_unavailable"),
    (errors.EngineCrashed, HTTPStatus.BAD_GATEWAY, "engine_crashed"),
    (errors.EngineError, HTTPStatus.BAD_GATEWAY, "engine_failed"),
    (errors.RequestTimeout, HTTPStatus.GATEWAY_TIMEOUT, "engine_timeout"),
    (errors.EndpointError, HTTPStatus.BAD_GATEWAY, "engine_failed"),
    (errors.Interrupted, HTTPStatus.SERVICE_UNAVAILABLE, "shutting_down"),
    (errors.ShortlistError, HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error"),
)
_RETRY_S = {HTTPStatus.SERVICE_UNAVAILABLE: 30, HTTPStatus.TOO_MANY_REQUESTS: 1}
_PASSED_ON = {
    400: (HTTPStatus.BAD_REQUEST, "invalid_request"),
    404: (HTTPStatus.NOT_FOUND, "model_not_found"),
    422: (HTTPStatus.BAD_REQUEST, "invalid_request"),
    429: (HTTPStatus.TOO_MANY_REQUESTS, "queue_full"),
}
"""What an engine's own status says of the request; any other says that the engine failed."""


def problem(error: errors.ShortlistError) -> Problem:
    """The status, code and words for an error."""
    told = f"{error.message} ({error.hint})" if error.hint else error.message
    if isinstance(error, errors.BadRequest):
        return Problem(error.status, error.code, told, error.param, _ASKS if error.status == 401 else ())
    status, code = next((status, code) for kind, status, code in CODES if isinstance(error, kind))
    if isinstance(error, errors.ErrorReply) and code == "engine_failed":
        status, code = _PASSED_ON.get(error.status or 0, (status, code))
    wait_s = error.retry_after_s or _RETRY_S.get(HTTPStatus(status))
    headers = () if wait_s is None else ((b"retry-after", b"%d" % max(1, round(wait_s))),)
    param = "model" if status in (404, 507) or code in ("invalid_model", "licence_refused") else None
    if code == "context_length_exceeded":
        param = "messages"
    return Problem(int(status), code, told, param, headers)
