"""`/health`, `/ready` and `/metrics`: what load balancers, supervisors and Prometheus ask."""

from collections.abc import Callable
from dataclasses import replace

import msgspec

from shortlist.errors import BadRequest
from shortlist.serve.call import Call, Operation
from shortlist.serve.exposition import CONTENT_TYPE
from shortlist.serve.limits import Crowd
from shortlist.serve.metrics import Metrics
from shortlist.serve.pool import Pool
from shortlist.serve.replies import Reply


class Probe(msgspec.Struct):
    """How it is."""

    status: str


class Probes:
    """The three operations over one pool. `crowd` is known once the server is made."""

    def __init__(self, pool: Pool, metrics: Metrics, crowd: Callable[[], Crowd | None]) -> None:
        self._pool, self._metrics, self._crowd = pool, metrics, crowd

    def operations(self) -> tuple[Operation, ...]:
        """For `app.build_app`. Whoever reaches the port may ask whether it lives; the figures want a key."""
        lives, serves = "Whether the service lives.", "Whether it can serve: it stays, and pinned models are open."
        figures = Operation("GET", "/metrics", self.metrics, "Figures for Prometheus.", access="key")
        return (
            Operation("GET", "/health", self.health, lives, reply=Probe, access="open"),
            Operation("GET", "/ready", self.ready, serves, reply=Probe, access="open"),
            replace(figures, media_type="text/plain"),
        )

    async def health(self, call: Call) -> Reply:  # noqa: ARG002 - a handler's signature
        """It answers, so it lives; also while it stops."""
        return Reply(msgspec.json.encode(Probe("alive")))

    async def ready(self, call: Call) -> Reply:
        """Whether requests should be sent here. Raises BadRequest (503) with what is missing."""
        if self._pool.is_stopping or call.state.is_draining:
            raise BadRequest("the service is stopping", code="shutting_down", status=503)
        missing = [model.label for model in self._pool.models.values() if model.is_pinned and model.state != "ready"]
        if missing:
            raise BadRequest(f"pinned and not open: {', '.join(missing)}", code="not_ready", status=503)
        return Reply(msgspec.json.encode(Probe("ready")))

    async def metrics(self, call: Call) -> Reply:
        """Everything that is counted."""
        body = self._metrics.text(self._pool, self._crowd(), call.state.active)
        return Reply(body, headers=((b"content-type", CONTENT_TYPE.encode()),))
