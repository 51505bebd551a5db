"""The service as a whole: files, pool, HTTP, signals, and an orderly end.

await Service(settings, folder).run(on_ready)
"""

import asyncio
import contextlib
import errno
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from shortlist import __version__
from shortlist.clock import iso, wall_ns
from shortlist.engines import Engine, EngineContext, find_engine
from shortlist.errors import ServiceError
from shortlist.ledger import Ledger, own_page
from shortlist.models.cache import keep_in
from shortlist.serve.app import build_app
from shortlist.serve.books import Books
from shortlist.serve.call import ASGI, State
from shortlist.serve.chooser import Chooser, Here
from shortlist.serve.choosing import Option
from shortlist.serve.directory import Names
from shortlist.serve.door import Door
from shortlist.serve.engine_logs import keep_short
from shortlist.serve.explaining import Explaining
from shortlist.serve.files import Files, Running
from shortlist.serve.foundry import Foundry, Shop
from shortlist.serve.host import free_bytes, port_owner, resident
from shortlist.serve.keeper import Workshop
from shortlist.serve.lease import Listed
from shortlist.serve.logs import log_request
from shortlist.serve.manage import Management
from shortlist.serve.measured import Facts
from shortlist.serve.metrics import Metrics
from shortlist.serve.offered import options_here
from shortlist.serve.onward import Onward
from shortlist.serve.openai import OPERATIONS
from shortlist.serve.opening import Opening, Openings
from shortlist.serve.placing import Rules
from shortlist.serve.pool import Pool
from shortlist.serve.probes import Probes
from shortlist.serve.router import Router
from shortlist.serve.routes import RouteBook
from shortlist.serve.server import Server
from shortlist.serve.upstream import Upstreams
from shortlist.serve.warmth import ask_lightly
from shortlist.settings import Settings
from shortlist.units import duration

log = logging.getLogger(__name__)


class Service:
    """One service of one SHORTLIST_HOME."""

    def __init__(self, settings: Settings, folder: Path, flags: Mapping[str, Any] | None = None) -> None:
        self._settings = settings
        self._flags = dict(flags or {})
        self._door = Door.of(settings)
        self._files = Files(settings.home)
        self._openings = Openings(settings, folder)
        self._warming = Upstreams()
        self._certificate = str(settings.tls_cert.absolute()) if settings.tls_cert else None
        self._stopping = asyncio.Event()
        self._pool: Pool | None = None
        self._started_ns = wall_ns()
        self._running: Running | None = None
        self._foundry: Foundry | None = None
        self._server: Server | None = None
        self._onward = Onward.of(settings)
        if settings.source("hub_cache") == "flag":
            keep_in(settings.hub_cache)

    async def run(self, on_ready: Callable[[Running], None]) -> None:
        """Serve until a signal or an order to stop. Raises ServiceError, and what finding a pinned model raises."""
        with self._files.held():
            token = self._files.make_token()
            pool = self._pool = self._make_pool()
            chooser = Chooser(self._here(pool))
            router = Router(pool, chooser)
            state = State(router, guard=self._door.guard(token), log_prompts=self._settings.log_prompts)
            server = self._server = Server(self._app(pool, chooser, state), self._door.listen)
            await self._open_door(server)
            try:
                main = await pool.start(self._settings.pin, port=server.port)
                self._running = self._described(server)
                self._files.tell(self._running)
                self._listen_to_signals()
                log.info("pid %d serves %s", os.getpid(), " and ".join(server.urls))
                on_ready(self._running)
                stopping = asyncio.ensure_future(self._stopping.wait())
                await asyncio.wait((main, stopping), return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
            finally:
                await self._end(pool, server, state)
            if main.done() and not main.cancelled():
                main.result()

    def stop(self) -> None:
        """Begin to end; a second call changes nothing."""
        self._stopping.set()

    def _on_signal(self) -> None:
        """Begin to end; at the second signal, without waiting for requests."""
        if self._stopping.is_set() and self._pool is not None:
            self._pool.hurry()
        self._stopping.set()

    def about(self) -> dict[str, Any]:
        """Who serves, where, since when."""
        running = self._running
        return {
            "pid": os.getpid(),
            "urls": list(running.urls) if running else [],
            "started": iso(self._started_ns),
            "uptime_ns": wall_ns() - self._started_ns,
            "home": str(self._settings.home),
            "log": str(self._files.log),
            "upstream": None if self._onward is None else self._onward.url,
        }

    def _described(self, server: Server) -> Running:
        return Running(
            os.getpid(), server.urls, iso(self._started_ns), __version__, self._flags, certificate=self._certificate
        )

    async def _open_door(self, server: Server) -> None:
        try:
            await server.start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ServiceError(f"{self._settings.host} port {self._settings.port}: {error.strerror}") from error
            port = self._settings.port
            raise ServiceError(
                f"port {port} is taken by {port_owner(port)}",
                hint=f"stop that, or: shortlist service start --port {port + 1}",
            ) from None

    async def _end(self, pool: Pool, server: Server, state: State) -> None:
        log.info("stopping: %d requests under way", state.active)
        if self._running is not None:
            with contextlib.suppress(ServiceError):
                self._files.tell(replace(self._running, is_stopping=True))
        if self._foundry is not None:
            self._foundry.close()
        await pool.stop()
        state.is_draining = True
        await server.stop(1)
        log.info("stopped after %s", duration(wall_ns() - self._started_ns))

    def _make_pool(self) -> Pool:
        settings = self._settings
        rules = Rules(
            settings.idle_timeout, settings.keep_alive, settings.turn, settings.drain, settings.queue,
            settings.memory_limit,
        )  # fmt: skip
        page = own_page(
            "service", "shortlist service", free_with="shortlist model unload --all, or shortlist service stop"
        )
        books = Books(Ledger(), page, free_bytes, resident, settings.memory_limit)
        openings = self._openings

        async def find(name: str) -> Opening:
            return await asyncio.to_thread(openings.find, name)

        async def hint(opening: Opening, free: int) -> str | None:
            return await asyncio.to_thread(openings.hint, opening, free)

        async def listed(loaded: frozenset[str]) -> tuple[Listed, ...]:
            return await asyncio.to_thread(openings.listed, loaded)

        async def about(name: str, loaded: frozenset[str]) -> Listed:
            return await asyncio.to_thread(openings.about, name, loaded)

        tidy = partial(keep_short, self._files.engine_logs)
        workshop = Workshop(_make_engine, partial(ask_lightly, self._warming), openings.note, tidy=tidy)
        return Pool(Names(find, hint, listed, about), workshop, books, rules)

    def _here(self, pool: Pool) -> Here:
        """What the router looks at."""
        settings = self._settings

        async def offered() -> tuple[tuple[Option, str | None], ...]:
            return await asyncio.to_thread(options_here, self._openings.library, settings)

        def loaded() -> frozenset[str]:
            return frozenset(model.label for model in pool.models.values() if model.state == "ready")

        return Here(RouteBook(settings.home).routes, offered, Facts(settings.home).all, loaded)

    def _app(self, pool: Pool, chooser: Chooser, state: State) -> ASGI:
        management = Management(pool, self.stop, self.about)
        metrics = Metrics()
        state.observers += [metrics.seen, log_request]
        probes = Probes(pool, metrics, lambda: self._server.crowd if self._server else None)
        own = [*probes.operations(), *management.operations()]
        if self._onward is not None:
            return build_app(state, [*own, *self._onward.operations()])
        shop = Shop(self._settings, self._openings.library)
        self._foundry = foundry = Foundry(pool, shop, lambda: self.about()["urls"])
        explaining = Explaining(chooser)
        return build_app(state, [*OPERATIONS, *own, *explaining.operations(), *foundry.operations()])

    def _listen_to_signals(self) -> None:
        if sys.platform == "win32":
            signal.signal(signal.SIGINT, lambda *_: self._on_signal())
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal)


def _make_engine(opening: Opening) -> Engine:
    return find_engine(opening.engine)(EngineContext())
