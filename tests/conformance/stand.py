"""Where a subject stands to be examined: an event loop on a thread of its own, and the engine open on it."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from conformance.client import Client
from conformance.subjects import Open, Subject
from shortlist.engines import Engine
from shortlist.records import Generation

T = TypeVar("T")

LIMIT_S = 120


class Loop:
    """The engines' loop. Its thread lives as long as they do, since a child dies with the thread that started it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine's loop")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(LIMIT_S)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


@dataclass(slots=True)
class Stand:
    """One subject. `client` speaks to the engine that most cases share; a case that breaks things opens its own."""

    subject: Subject
    loop: Loop
    logs: Path
    _shared: Open | None = None

    def start(self, *, is_slow: bool = False, extra: Mapping[str, str] | None = None) -> Open:
        """A fresh engine with the model open; `stop` ends it."""
        engine = self.subject.make()
        spec = self.subject.spec(self.logs, is_slow)
        spec = replace(spec, options=replace(spec.options, extra={**spec.options.extra, **(extra or {})}))
        endpoint = self.loop.run(engine.open(spec))
        body = engine.extra_body(Generation())
        return Open(engine, endpoint, Client(endpoint.base_url, endpoint.model, engine.request_headers(), body))

    def stop(self, engine: Engine) -> None:
        self.loop.run(engine.close())

    @contextmanager
    def opened(self, *, is_slow: bool = False, extra: Mapping[str, str] | None = None) -> Iterator[Open]:
        """A fresh engine for one case; `is_slow` asks for a model whose tokens can be counted one by one."""
        found = self.start(is_slow=is_slow, extra=extra)
        try:
            yield found
        finally:
            self.stop(found.engine)

    @property
    def shared(self) -> Open:
        if self._shared is None:
            self._shared = self.start()
        return self._shared

    def close(self) -> None:
        if self._shared is not None:
            self.stop(self._shared.engine)
        self.loop.close()
