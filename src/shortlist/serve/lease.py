"""What the HTTP side and the engine side agree on: a name goes in, an open model comes out for as long as one request.

    async with models.lease("qwen2.5-0.5b", Demand(client="key:team-a")) as lease:
        ...                      # lease.endpoint serves; the engine is neither evicted nor stopped meanwhile

A lease waits for its turn, for a load under way and for memory; it is refused with numbers where that cannot end well.
A block that is left by EngineCrashed, ConnectFailed or ConnectionClosed says that the engine behind the lease failed.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from shortlist.errors import ShortlistError
from shortlist.records import Endpoint


@dataclass(frozen=True, slots=True)
class Demand:
    """Who asks and for how much. `client` is the unit of fairness: a key's name, else the peer's address.

    `context`: tokens that the answer may take beside the question, where the request says so. `features` are what the
    engine must be able to do (words of `Endpoint.capabilities`); `text` is the question, for a router to look at.
    `failed`: models of a route that have failed at this very request, and how.
    """

    client: str = "local"
    context: int | None = None
    request_id: str = ""
    features: frozenset[str] = frozenset()
    text: str = field(default="", repr=False)
    failed: tuple[tuple[str, ShortlistError], ...] = ()


@dataclass(frozen=True, slots=True)
class Lease:
    """An open model for the time of one request.

    `model` is the canonical name that replies carry. `headers` hold secrets: for the engine's wire only. `extra_body`
    are keys that the engine wants in each request. `context` in tokens per request, None where the engine does not say.
    `waited_ns` in the queue, `loaded_ns` for a load that this request had to wait for (0: it was open).
    `route` says why this model, where the name left it open; it becomes X-Shortlist-Route.
    """

    model: str
    endpoint: Endpoint
    context: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    waited_ns: int = 0
    loaded_ns: int = 0
    route: str = ""


@dataclass(frozen=True, slots=True)
class Used:
    """What a finished request cost, for `ps`, metrics and the router's memory; None: the engine did not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    ttft_ns: int | None = None
    total_ns: int | None = None
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A model as `/v1/models` shows it. `created` in seconds since 1970: when its file was written."""

    id: str
    created: int = 0
    owned_by: str = "shortlist"
    context: int | None = None
    format: str | None = None
    is_loaded: bool = False


class Models(Protocol):
    """The one owner of engines, as the HTTP side sees it.

    Errors are those of `shortlist.errors`: UnknownName (no such model), DoesNotFit (with numbers and the
    smaller variant), QueueFull (with `retry_after_s`), EngineCrashed, EngineError, BadInput; `replies` turns each into
    OpenAI's shape.
    """

    def lease(self, name: str, demand: Demand) -> AbstractAsyncContextManager[Lease]:
        """The model, loaded if need be, held until the block ends."""
        ...

    def used(self, lease: Lease, used: Used) -> None:
        """Count a finished request."""
        ...

    async def listed(self) -> tuple[Listed, ...]:
        """The models that are here and can be asked for, by name."""
        ...

    async def about(self, name: str) -> Listed:
        """One model, by any name that resolves. Raises UnknownName, NotDownloaded."""
        ...
