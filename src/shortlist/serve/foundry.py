"""Foundry Local's own dialects, for clients that were written for it: the REST of its service 0.x, the routes of 1.x.

Clients of those versions send no token, and change state by GET. So these operations ask for none on this machine; Host
and Origin are checked as everywhere. Nothing that they send reaches a path, a URL or an engine: a model is named, and
looked up in the catalogue. There is no route that ends the service.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from shortlist.errors import BadInput, BadRequest
from shortlist.models.cache import hub_cache
from shortlist.models.catalogue import Library
from shortlist.models.foundry import Entry, Offer, choose, offers
from shortlist.models.policy import load_policy
from shortlist.serve.call import Call, Operation
from shortlist.serve.foundry_download import Downloads, FoundryDownload
from shortlist.serve.model import Model
from shortlist.serve.pool import Pool
from shortlist.serve.replies import Reply
from shortlist.settings import Settings

NOT_CACHED = "No OpenAIService provider found for modelName"
"""What clients look for in a refused load, to say that the model must be downloaded first."""

_LONGEST_TTL_S = 10**8
_DEVICE_OF_EP = {"cpu": "cpu", "webgpu": "gpu", "cuda": "gpu"}


class FoundryStatus(msgspec.Struct, rename="camel"):
    """`/openai/status`."""

    endpoints: list[str]
    model_dir_path: str
    pipe_name: str | None = None


class FoundryState(msgspec.Struct):
    """What became of a load or an unload."""

    id: str
    alias: str
    model: str
    state: str


@dataclass(frozen=True, slots=True)
class Shop:
    """What is on offer here, as of now. Reads files: call it on a thread."""

    settings: Settings
    library: Callable[[], Library]

    @property
    def device(self) -> str:
        """Where engines compute, as ids tell it."""
        return "gpu" if self.settings.device == "gpu" else "cpu"

    def look(self) -> tuple[list[Offer], Library]:
        """Every offer, and the library that they are of."""
        library = self.library()
        policy = load_policy(self.settings.licence_policy, self.settings.home)
        return offers(library, policy, self.device), library

    def listed(self) -> list[Offer]:
        """Every offer."""
        return self.look()[0]

    def choose(self, name: str) -> Offer:
        """The one that a client means. Raises UnknownName, BadInput."""
        listed, library = self.look()
        return choose(name, listed, library)


class Foundry:
    """The operations over one pool. `urls` says where the service answers."""

    def __init__(self, pool: Pool, shop: Shop, urls: Callable[[], list[str]]) -> None:
        self._pool, self._shop, self._urls = pool, shop, urls
        self._downloads = Downloads(shop.settings, shop.library, shop.choose)

    def operations(self) -> tuple[Operation, ...]:
        """For `app.build_app`."""
        return (
            _read("/foundry/list", self.catalogue, "What can be downloaded or run, cached or not.", list[Entry]),
            _read("/openai/models", self.cached, "Ids of the models that are on this host.", list[str]),
            _read("/openai/loadedmodels", self.loaded, "Ids of the models that are loaded.", list[str]),
            _read("/openai/status", self.status, "Where it answers, and where models lie.", FoundryStatus),
            _read("/openai/getgpudevice", self.gpu, "The GPU in use; -1 where none is.", int),
            _change("/openai/load/{model:path}", self.load, "Load a model.", FoundryState, ("ttl", "ep")),
            _change("/openai/unload/{model:path}", self.unload, "Unload a model.", FoundryState, ("force",)),
            _change("/openai/unloadall", self.unload_all, "Unload every model.", list[str]),
            Operation(
                "POST", "/openai/download", self._downloads.download, "Fetch a model: percentages, then JSON.",
                FoundryDownload, access="legacy", media_type="text/plain",
            ),
            _read("/models/loaded", self.loaded, "Ids of the models that are loaded.", list[str]),
            _change("/models/load/{model:path}", self.load, "Load a model.", FoundryState, ("ttl", "ep")),
            _change("/models/unload/{model:path}", self.unload, "Unload a model.", FoundryState, ("force",)),
        )  # fmt: skip

    def close(self) -> None:
        """End the downloads that are under way; what came of them is kept."""
        self._downloads.close()

    async def catalogue(self, call: Call) -> Reply:  # noqa: ARG002 - a handler's signature
        """`/foundry/list`."""
        return _json([one.entry for one in await asyncio.to_thread(self._shop.listed)])

    async def cached(self, call: Call) -> Reply:  # noqa: ARG002 - as above
        """`/openai/models`."""
        return _json([one.id for one in await asyncio.to_thread(self._shop.listed) if one.path is not None])

    async def loaded(self, call: Call) -> Reply:  # noqa: ARG002 - as above
        """`/openai/loadedmodels` and `/models/loaded`."""
        labels = {model.label for model in self._pool.models.values() if model.state == "ready"}
        if not labels:
            return _json([])
        return _json([one.id for one in await asyncio.to_thread(self._shop.listed) if one.found.label in labels])

    async def status(self, call: Call) -> Reply:  # noqa: ARG002 - as above
        """`/openai/status`."""
        return _json(FoundryStatus(self._urls(), str(hub_cache())))

    async def gpu(self, call: Call) -> Reply:  # noqa: ARG002 - as above
        """`/openai/getgpudevice`."""
        return _json(0 if self._shop.device == "gpu" else -1)

    async def load(self, call: Call) -> Reply:
        """`/openai/load/ID?ttl=&ep=`, `/models/load/ID`: the reply comes when it is ready."""
        asked = _query(call)
        ttl_ns = _ttl_ns(asked.get("ttl", ""))
        self._check_device(asked.get("ep", ""))
        offer = await self._found(call.parameter("model"))
        model = await self._pool.load(offer.found.label, ttl_ns)
        return _json(_told(offer, model))

    async def unload(self, call: Call) -> Reply:
        """`/openai/unload/ID?force=`, `/models/unload/ID`: with `force`, requests that are in it fail."""
        force = _flag(_query(call).get("force", ""))
        offer = await self._found(call.parameter("model"))
        return _json(_told(offer, await self._pool.unload(offer.found.label, force=force)))

    async def unload_all(self, call: Call) -> Reply:
        """`/openai/unloadall`."""
        _query(call)
        return _json([model.label for model in await self._pool.unload_all()])

    async def _found(self, name: str) -> Offer:
        """A model that is here. Raises BadRequest in the words that clients look for."""
        try:
            offer = await asyncio.to_thread(self._shop.choose, name)
        except BadInput as error:
            raise BadRequest(
                f"{NOT_CACHED}: {name[:200]}: {error.message}", param="model", code="model_not_found", status=404,
                hint=error.hint,
            ) from None  # fmt: skip
        if offer.path is None and not _is_fake(offer):
            raise BadRequest(
                f"{NOT_CACHED}: {offer.id} is known, and its files are not here", param="model",
                code="model_not_found", status=404, hint=f"shortlist model download {offer.found.label}",
            )  # fmt: skip
        return offer

    def _check_device(self, ep: str) -> None:
        """Raise BadRequest for an execution provider on another device than the service's."""
        if ep and _DEVICE_OF_EP.get(ep.lower()) != self._shop.device:
            raise BadRequest(
                f"ep {ep[:40]!r} is not what models are opened with here: {self._shop.device}", param="ep",
                code="unsupported_parameter", hint="shortlist service restart --device gpu (or cpu)",
            )  # fmt: skip


def _read(path: str, handler: Any, summary: str, reply: Any) -> Operation:
    return Operation("GET", path, handler, summary, reply=reply, access="key")


def _change(path: str, handler: Any, summary: str, reply: Any, query: tuple[str, ...] = ()) -> Operation:
    """A state change by GET, that old clients ask for without a token."""
    return Operation("GET", path, handler, summary, reply=reply, access="legacy", query=query)


def _query(call: Call) -> dict[str, str]:
    """The query's values. Raises BadRequest for one that would be ignored."""
    given = dict(parse_qsl(call.scope["query_string"].decode("latin-1"), keep_blank_values=True))
    for name in given:
        if name not in call.operation.query:
            raise BadRequest(f"unknown parameter {name[:40]!r}", param=name[:40], code="unknown_parameter")
    return given


def _ttl_ns(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:12]) <= _LONGEST_TTL_S:
        raise BadRequest(f"ttl {text[:40]!r} is not a number of seconds from 1 to {_LONGEST_TTL_S}", param="ttl")
    return int(text) * 10**9


def _flag(text: str) -> bool:
    if text.lower() not in ("", "true", "false", "1", "0"):
        raise BadRequest(f"force {text[:40]!r} is neither true nor false", param="force")
    return text.lower() in ("true", "1")


def _is_fake(offer: Offer) -> bool:
    return str(offer.found.card.extra.get("source", "")).startswith("fake:")


def _told(offer: Offer, model: Model) -> FoundryState:
    return FoundryState(offer.id, offer.entry.alias, model.label, model.state)


def _json(told: object) -> Reply:
    return Reply(msgspec.json.encode(told))
