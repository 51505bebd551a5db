"""`/shortlist/v1/...`: what `shortlist service` and `shortlist model` ask of a running service.

Whoever calls one of these shows the token of `files.Files.token` (`guard`).
"""

from collections.abc import Callable
from typing import Any

import msgspec

from shortlist import __version__
from shortlist.clock import SYSTEM, iso, wall_ns
from shortlist.serve.call import Call, Operation
from shortlist.serve.model import Model
from shortlist.serve.pool import Pool
from shortlist.serve.replies import Reply
from shortlist.serve.status import model_row, model_rows


class LoadRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which model, by any name that resolves."""

    model: str


class UnloadRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which model; None: all of them. `force`: do not wait for the requests that are in it."""

    model: str | None = None
    force: bool = False


class Management:
    """The operations over one pool. `stop` begins an orderly end and returns at once; `about` says who serves."""

    def __init__(self, pool: Pool, stop: Callable[[], None], about: Callable[[], dict[str, Any]]) -> None:
        self._pool, self._stop, self._about = pool, stop, about

    def operations(self) -> tuple[Operation, ...]:
        """For `app.build_app`."""
        return (
            Operation("GET", "/shortlist/v1/status", self.status, "The service and its models."),
            Operation("POST", "/shortlist/v1/load", self.load, "Load a model.", LoadRequest),
            Operation("POST", "/shortlist/v1/unload", self.unload, "Unload one or all.", UnloadRequest),
            Operation("POST", "/shortlist/v1/shutdown", self.shutdown, "End the service in order."),
        )

    async def status(self, call: Call) -> Reply:
        """The service, its models, who waits."""
        pool = self._pool
        told = {
            **self._about(),
            "version": __version__,
            "now": iso(wall_ns()),
            "state": "stopping" if pool.is_stopping else "running",
            "active": call.state.active,
            "in_use": sum(model.in_use for model in pool.models.values()),
            "waiting": sum(len(model.queue) for model in pool.models.values()),
            "queue_limit": pool.rules.queue_limit,
            "keep_alive_ns": pool.rules.keep_alive_ns,
            "room_bytes": pool.room.bytes,
            "room_basis": pool.room.basis,
            "models": model_rows(list(pool.models.values()), SYSTEM.now_ns()),
        }
        return _json(told)

    async def load(self, call: Call) -> Reply:
        """Load a model; the reply comes when it is ready."""
        request = await call.decode(LoadRequest)
        return _json(_row(await self._pool.load(request.model)))

    async def unload(self, call: Call) -> Reply:
        """Unload; the reply comes when the memory is free."""
        request = await call.decode(UnloadRequest)
        if request.model is None:
            return _json([_row(model) for model in await self._pool.unload_all(force=request.force)])
        return _json([_row(await self._pool.unload(request.model, force=request.force))])

    async def shutdown(self, call: Call) -> Reply:  # noqa: ARG002 - a handler's signature
        """Begin to end."""
        self._stop()
        return _json({"state": "stopping"})


def _row(model: Model) -> dict[str, Any]:
    return model_row(model, SYSTEM.now_ns())


def _json(told: object) -> Reply:
    return Reply(msgspec.json.encode(told))
