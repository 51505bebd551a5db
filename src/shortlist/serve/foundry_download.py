"""`POST /openai/download`: a model fetched for a client that watches, as lines with a percentage, then one JSON object.

What is fetched is decided here: the client's name is looked up in the catalogue, and the download passes the licence
policy, the memory of this host and the allow-list of hosts like any other. Nothing else that the client sends counts.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock
from typing import Any

import msgspec

from shortlist import machine
from shortlist.errors import BadRequest, ShortlistError
from shortlist.models.cache import hub_cache
from shortlist.models.catalogue import Library
from shortlist.models.download import Plan, carry_out, require_room
from shortlist.models.fit import DEFAULT_CONTEXT, Load, room
from shortlist.models.foundry import Offer
from shortlist.models.hub_client import allow_hosts
from shortlist.models.obtain import Asked, Buyer, prepare
from shortlist.models.policy import load_policy
from shortlist.models.rows import Host
from shortlist.models.transfer import Line
from shortlist.serve.call import Call, decode
from shortlist.serve.replies import JSON, Problem, Reply, problem
from shortlist.settings import Settings

_AT_ONCE = 2
_TELL_S = 0.2
_STILL_TELLS = 25
_TEXT = ((b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-cache"))


class FoundryModel(msgspec.Struct):
    """The model as its catalogue entry was; only the name counts."""

    name: str = msgspec.field(name="Name")


class FoundryDownload(msgspec.Struct, forbid_unknown_fields=True):
    """What 0.x clients send. A token is not taken: the service has its own (HF_TOKEN)."""

    model: FoundryModel
    token: str | None = None
    ignore_pipe_report: bool | None = msgspec.field(name="IgnorePipeReport", default=None)
    also_ignore_pipe_report: bool | None = msgspec.field(name="ignorePipeReport", default=None)


class Progress:
    """Bytes that are there, told from the threads that fetch."""

    def __init__(self) -> None:
        self.total, self._have, self._lock = 0, 0, Lock()

    @property
    def percent(self) -> float:
        """How far it is; 0 before it begins."""
        return 100 * min(self._have, self.total) / self.total if self.total else 0.0

    def moved(self, path: str, count: int) -> None:  # noqa: ARG002 - one figure for all files
        """More bytes, or fewer."""
        with self._lock:
            self._have += count

    had = moved

    def noted(self, text: str) -> None:
        """Lines for people go nowhere: the client reads percentages."""

    def ticked(self) -> None:
        """Nothing is shown."""


class Downloads:
    """At most two at a time, each on a thread of its own; further ones wait."""

    def __init__(self, settings: Settings, library: Callable[[], Library], choose: Callable[[str], Offer]) -> None:
        self._settings, self._library, self._choose = settings, library, choose
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="foundry-download")
        self._stops: set[Event] = set()

    def close(self) -> None:
        """End what is under way."""
        for stop in self._stops:
            stop.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def download(self, call: Call) -> Reply | None:
        """Answer with progress; a refusal has its status, and says so in the words that clients read too."""
        request = decode(await call.body(), FoundryDownload)
        if request.token:
            raise BadRequest(
                "token is not taken from clients", param="token", code="unsupported_parameter",
                hint="start the service with HF_TOKEN",
            )  # fmt: skip
        stop, progress = Event(), Progress()
        self._stops.add(stop)
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._threads, self._fetch, request.model.name, progress, stop)
        leaving = loop.create_task(_gone(call, stop))
        try:
            return await _tell(call, work, progress)
        finally:
            stop.set()
            leaving.cancel()
            self._stops.discard(stop)

    def _fetch(self, name: str, progress: Progress, stop: Event) -> None:
        """On a thread: everything that `shortlist model download` does. Raises what that raises."""
        offer = self._choose(name)
        if offer.path is not None:
            return
        allow_hosts(self._settings.hub_hosts)
        planned = self._plan(offer)
        if planned is not None:
            require_room([planned], hub_cache())
            progress.total = max(1, sum(one.size_bytes for one in planned.missing))
            carry_out(planned, Line(progress, stop))

    def _plan(self, offer: Offer) -> Plan | None:
        settings = self._settings
        load = Load(settings.context or DEFAULT_CONTEXT, settings.parallel)
        free: int = machine.host_facts()["memory"]["available_bytes"]
        policy = load_policy(settings.licence_policy, settings.home)
        host = Host(room(free, settings.memory_limit), load, policy, {})
        buyer = Buyer(self._library(), host, Path(settings.home), lambda _: None)
        return prepare(offer.found.label, buyer, Asked())


async def _gone(call: Call, stop: Event) -> None:
    """Stop fetching when the client goes: what came is kept, and the next request goes on with it."""
    while (await call.receive())["type"] != "http.disconnect":
        pass
    call.is_gone = not call.is_complete
    stop.set()


async def _tell(call: Call, work: "asyncio.Future[None]", progress: Progress) -> Reply | None:
    told, still = -1.0, 0
    while not work.done():
        await asyncio.wait((work,), timeout=_TELL_S)
        still += 1
        if progress.total and (progress.percent != told or still >= _STILL_TELLS):
            told, still = progress.percent, 0
            await _line(call, b"Total %.2f%% Downloading\n" % told)
    error = work.exception()
    if error is not None and not isinstance(error, ShortlistError):
        raise error
    if not call.is_started:
        return Reply(_outcome(None), 200, _TEXT) if error is None else _refused(error)
    await _line(call, b"Total 100.00% Downloading\n" if error is None else b"")
    await call.finish(_outcome(None if error is None else problem(error)) + b"\n")
    return None


async def _line(call: Call, data: bytes) -> None:
    if not call.is_started:
        await call.start(200, _TEXT)
    if data:
        await call.send({"type": "http.response.body", "body": data, "more_body": True})


def _refused(error: ShortlistError) -> Reply:
    told = problem(error)
    return Reply(_outcome(told), told.status, (JSON, *told.headers))


def _outcome(told: Problem | None) -> bytes:
    """The one JSON object; beside a refusal stands OpenAI's form of it."""
    outcome: dict[str, Any] = {"success": told is None, "errorMessage": None if told is None else told.message}
    return msgspec.json.encode(outcome | ({} if told is None else msgspec.json.decode(told.event())))
