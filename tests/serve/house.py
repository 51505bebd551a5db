"""A service with one engine open, on real sockets, in a thread of its own: what the tests of `serve` ask."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shortlist.engines import EngineContext, LoadSpec, find_engine
from shortlist.errors import UnknownName
from shortlist.models.refs import resolve
from shortlist.records import EngineOptions, Generation, Variant
from shortlist.serve.app import build_app
from shortlist.serve.call import Finished, State
from shortlist.serve.lease import Demand, Lease, Listed, Used
from shortlist.serve.openai import OPERATIONS
from shortlist.serve.server import Listen, Server, new_loop


@dataclass
class OneModel:
    """An owner of one open engine: the least that the HTTP side needs."""

    name: str
    engine: object
    endpoint: object
    context: int | None = None
    counted: list[Used] = field(default_factory=list)
    demands: list[Demand] = field(default_factory=list)
    held: int = 0

    @asynccontextmanager
    async def lease(self, name: str, demand: Demand) -> AsyncIterator[Lease]:
        if name not in (self.name, "also"):
            raise UnknownName("model", name, [self.name])
        self.demands.append(demand)
        self.held += 1
        try:
            engine = self.engine
            yield Lease(
                self.name,
                self.endpoint,  # type: ignore[arg-type]
                self.context,
                engine.request_headers(),  # type: ignore[attr-defined]
                engine.extra_body(Generation()),  # type: ignore[attr-defined]
            )
        finally:
            self.held -= 1

    def used(self, lease: Lease, used: Used) -> None:
        self.counted.append(used)

    async def listed(self) -> tuple[Listed, ...]:
        return (Listed(self.name, context=self.context, format="gguf", is_loaded=True),)

    async def about(self, name: str) -> Listed:
        if name not in (self.name, "also"):
            raise UnknownName("model", name, [self.name])
        return (await self.listed())[0]


@dataclass
class House:
    """The running service. `call` runs a coroutine function on its loop."""

    url: str
    port: int
    models: OneModel
    state: State
    loop: asyncio.AbstractEventLoop
    finished: list[Finished]
    logs: Path


async def _open(engine_name: str, model: str, logs: Path, parallel: int, extra: dict[str, str]) -> OneModel:
    if engine_name == "remote":  # the model is `name at URL`
        name, _, url = model.partition(" at ")
        remote = find_engine(engine_name)(EngineContext(endpoint_url=url))
        spec = LoadSpec("remote", name, Variant("endpoint"), EngineOptions(), None, logs, parallel)
        return OneModel("ours", remote, await remote.open(spec))
    engine = find_engine(engine_name)(EngineContext())
    if engine_name == "fake":
        spec = LoadSpec("fake", model, Variant("endpoint"), EngineOptions(), None, logs, parallel)
        return OneModel(model, engine, await engine.open(spec))
    found = resolve(model)
    name = Path(model).stem
    options = EngineOptions(threads=1, extra=extra)
    endpoint = await engine.open(LoadSpec(name, name, found.variant, options, found.path, logs, parallel))
    return OneModel(name, engine, endpoint, int(engine.settings["context"]))


@contextlib.contextmanager
def open_house(
    engine: str, model: str, logs: Path, parallel: int = 4, extra: dict[str, str] | None = None
) -> Iterator[House]:
    """Open the engine, serve it on a free port until the block ends."""
    ready = threading.Event()
    made: list[House] = []
    failed: list[BaseException] = []
    stopping = asyncio.Event()

    async def main() -> None:
        models = await _open(engine, model, logs, parallel, extra or {})
        try:
            state = State(models)
            finished: list[Finished] = []
            state.observers.append(finished.append)
            server = Server(build_app(state, OPERATIONS), Listen(port=0))
            await server.start()
            loop = asyncio.get_running_loop()
            made.append(House(server.urls[0], server.port, models, state, loop, finished, logs))
            ready.set()
            await stopping.wait()
            await server.stop(1)
            state.upstreams.close()
        finally:
            await models.engine.close()  # type: ignore[attr-defined]

    def thread() -> None:
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(main())
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            ready.set()

    worker = threading.Thread(target=thread, name="house")
    worker.start()
    ready.wait()
    if not made:
        worker.join()
        raise failed[0]
    try:
        yield made[0]
    finally:
        made[0].loop.call_soon_threadsafe(stopping.set)
        worker.join()
