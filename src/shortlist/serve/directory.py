"""Which model a name means, and which models there are.

A name is looked up anew for each load: files, the licence policy and models.json may have changed since. While its
model is open it is remembered; many who ask for one name at the same time are one search.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shortlist.serve.lease import Listed
from shortlist.serve.model import Model
from shortlist.serve.opening import Opening

_MOST_NAMES = 1000


@dataclass(frozen=True, slots=True)
class Names:
    """How names are looked up; all may take their time.

    The opening behind one; what would fit instead; what there is, and one of them, by which are loaded now.
    """

    find: Callable[[str], Awaitable[Opening]]
    hint: Callable[[Opening, int], Awaitable[str | None]]
    listed: Callable[[frozenset[str]], Awaitable[tuple[Listed, ...]]]
    about: Callable[[str, frozenset[str]], Awaitable[Listed]]


class Directory:
    """Every model that was asked for since the service started, by the key of its artefact, and the names of those."""

    def __init__(self, names: Names) -> None:
        self.models: dict[str, Model] = {}
        self.names = names
        self._known: OrderedDict[str, Model] = OrderedDict()
        self._finding: dict[str, asyncio.Task[Opening]] = {}

    async def find(self, name: str) -> Model:
        """The model of a name. Raises what finding it raises."""
        return self.opened(name) or await self.look_up(name)

    def opened(self, name: str) -> Model | None:
        """The model of a name, if it is open, or about to be or to be no more."""
        model = self._known.get(name)
        return None if model is None or model.state in ("absent", "failed") else model

    async def look_up(self, name: str) -> Model:
        """The model of a name by what lies on the disk now."""
        task = self._finding.get(name)
        if task is None:
            task = self._finding[name] = asyncio.ensure_future(self.names.find(name))
            task.add_done_callback(lambda done: self._found(name, done))
        opening = await asyncio.shield(task)
        model = self.models.get(opening.key)
        if model is None:
            model = self.models[opening.key] = Model(opening)
        elif model.state in ("absent", "failed"):
            model.opening = opening
        self._known[name] = self._known[opening.label] = model
        while len(self._known) > _MOST_NAMES:
            self._known.popitem(last=False)
        return model

    def _found(self, name: str, done: "asyncio.Task[Opening]") -> None:
        self._finding.pop(name, None)
        if not done.cancelled():
            done.exception()  # looked at here: everybody who asked may be gone

    async def listed(self) -> tuple[Listed, ...]:
        """The models that are here."""
        return await self.names.listed(self._loaded)

    async def about(self, name: str) -> Listed:
        """One of them. Raises as `find`."""
        return await self.names.about(name, self._loaded)

    @property
    def _loaded(self) -> frozenset[str]:
        return frozenset(model.label for model in self.models.values() if model.state == "ready")
