"""What a routed request is chosen by, gathered: routes that are set, models that are here, what was measured."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from shortlist.serve.choosing import Excluded, Option, Order, Wish, chosen, order
from shortlist.serve.lease import Demand
from shortlist.serve.measured import Fact, best_fact
from shortlist.serve.routes import Asked, KeptRoute, tag_of, unknown_tag

_CHARACTERS_A_TOKEN = 3
_MOST_KNOWN = 1000
CHAT = "chat"


@dataclass(frozen=True, slots=True)
class Here:
    """What a chooser looks at: the routes that are kept, the models that are here, what was measured.

    `options` takes the names of what is loaded; all are asked anew with each routed request.
    """

    routes: Callable[[], Mapping[str, KeptRoute]]
    options: Callable[[], Awaitable[tuple[tuple[Option, str | None], ...]]]
    facts: Callable[[], Awaitable[tuple[Fact, ...]]]
    loaded: Callable[[], frozenset[str]]


class Chooser:
    """Ranks the models that are here for a request. `routes`: those that are set; raises InvalidFile."""

    def __init__(self, here: Here) -> None:
        self._here = here
        self._features: dict[str, frozenset[str]] = {}
        self.routes = here.routes

    def learn(self, name: str, features: frozenset[str]) -> None:
        """Remember what the engine of a model can do, for the next request."""
        if len(self._features) >= _MOST_KNOWN:
            self._features.clear()
        self._features[name] = features

    async def explain(self, wanted: Asked, demand: Demand) -> Order:
        """Who would be asked, in which order and why. Raises UnknownName for a tag that no model here has."""
        facts = await self._here.facts()
        if wanted.route is not None:
            return await self._kept(wanted.route, _wish(wanted, (), demand), facts)
        listed = await self._here.options()
        known = {tag for option, _ in listed for tag in option.tags}
        if any(tag not in known for tag in wanted.tags):
            raise unknown_tag(wanted.name, wanted.tags, known)
        tags = wanted.tags or _tags_of(demand, known)
        return order(_wish(wanted, tags, demand), self._options(listed, facts, tags))

    async def _kept(self, route: str, wish: Wish, facts: tuple[Fact, ...]) -> Order:
        kept = self._here.routes()[route]
        listed = await self._here.options()
        digests = {option.name: sha256 for option, sha256 in listed}
        changed = {
            member.model
            for member in kept.models
            if member.sha256 and digests.get(member.model) not in (None, member.sha256)
        }
        told = f"its file is not the one that run {kept.run} measured"
        names = [member.model for member in kept.models if member.model not in changed]
        found = chosen(wish, self._options(listed, facts, ()), names)
        return replace(found, excluded=(*(Excluded(name, told) for name in sorted(changed)), *found.excluded))

    def _options(
        self, listed: tuple[tuple[Option, str | None], ...], facts: tuple[Fact, ...], tags: tuple[str, ...]
    ) -> list[Option]:
        loaded = self._here.loaded()
        tags = tuple(tag for tag in tags if tag != CHAT)  # whatever was measured was measured by chatting
        return [
            replace(
                option,
                is_loaded=option.name in loaded,
                features=self._features.get(option.name),
                measured=best_fact(facts, option.name, sha256, tags),
            )
            for option, sha256 in listed
        ]


def _wish(wanted: Asked, tags: tuple[str, ...], demand: Demand) -> Wish:
    asked_for = len(demand.text) // _CHARACTERS_A_TOKEN + (demand.context or 0)
    context = max(asked_for, wanted.context or 0) or None
    return Wish(tags, context, demand.features, wanted.is_commercial)


def _tags_of(demand: Demand, known: set[str]) -> tuple[str, ...]:
    """What a plain `auto` asks for: vectors, tools, what the question's words give away, or a chat."""
    if "embeddings" in demand.features:
        return ("embeddings",)
    if "tools" in demand.features and "tools" in known:
        return ("tools",)
    guessed = tag_of(demand.text)
    if guessed in known:
        return (guessed,)
    return (CHAT,) if CHAT in known else ()
