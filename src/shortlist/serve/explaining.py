"""`POST /shortlist/v1/route`: which model would answer, and why; nothing is loaded for it."""

from pathlib import Path
from typing import Any

import msgspec

from shortlist.errors import BadInput
from shortlist.serve.call import Call, Operation
from shortlist.serve.chooser import Chooser, Here
from shortlist.serve.choosing import Option, Order
from shortlist.serve.lease import Demand
from shortlist.serve.measured import Facts
from shortlist.serve.offered import options_here
from shortlist.serve.opening import Openings
from shortlist.serve.replies import Reply
from shortlist.serve.routes import AUTO, KeptRoute, RouteBook, asked
from shortlist.settings import Settings


class RouteRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A question as a client would send it. `features`: what the engine must be able to do, such as `json_schema`."""

    text: str = ""
    model: str = AUTO
    max_tokens: int | None = None
    features: list[str] = []


class Explaining:
    """The operation over one chooser."""

    def __init__(self, chooser: Chooser) -> None:
        self._chooser = chooser

    def operations(self) -> tuple[Operation, ...]:
        """For `app.build_app`."""
        return (
            Operation("POST", "/shortlist/v1/route", self.route, "Which model would answer, and why.", RouteRequest),
        )

    async def route(self, call: Call) -> Reply:
        """The order of the models, with the reason of each."""
        request = await call.decode(RouteRequest)
        return Reply(msgspec.json.encode(await explained(self._chooser, request)))


async def explained(chooser: Chooser, request: RouteRequest) -> dict[str, Any]:
    """The order as data. Raises BadInput for a name that is no route, UnknownName for a tag that no model here has."""
    wanted = asked(request.model, chooser.routes())
    if wanted is None:
        raise BadInput(f"{request.model!r} is no route", hint="write auto, auto:TAG, or a name of shortlist route list")
    demand = Demand(context=request.max_tokens, features=frozenset(request.features), text=request.text)
    kept = chooser.routes().get(wanted.route) if wanted.route is not None else None
    return told(request.model, await chooser.explain(wanted, demand), kept)


async def explain_alone(settings: Settings, folder: Path, request: RouteRequest) -> dict[str, Any]:
    """The same without a service: nothing is loaded. Raises as `explained`."""
    openings = Openings(settings, folder)

    async def offered() -> tuple[tuple[Option, str | None], ...]:
        return options_here(openings.library, settings)

    here = Here(RouteBook(settings.home).routes, offered, Facts(settings.home).all, frozenset)
    return await explained(Chooser(here), request)


def told(model: str, found: Order, kept: KeptRoute | None) -> dict[str, Any]:
    """An order as `--json` prints it."""
    wish = found.wish
    return {
        "model": model,
        "pick": found.ranked[0].option.name if found.ranked else None,
        "tags": list(wish.tags),
        "context": wish.context,
        "features": sorted(wish.features),
        "commercial": wish.is_commercial,
        "from_run": kept.run if kept else None,
        "verdict": kept.verdict if kept else None,
        "order": [
            {"model": place.option.name, "why": place.why, "is_loaded": place.option.is_loaded}
            for place in found.ranked
        ],
        "excluded": [{"model": one.name, "reason": one.reason} for one in found.excluded],
    }
