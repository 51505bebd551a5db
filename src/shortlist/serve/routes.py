"""The names that stand for a choice of model: `auto`, `auto:summarise`, and those that `shortlist route set` keeps.

auto                                    a tag is read off the question, else any model that chats
auto:summarise                          models with this capability
auto:summarise,context=8000,commercial  and with this much context, and a licence for commercial use

Routes are kept in `routes.json` in SHORTLIST_HOME, written whole.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from shortlist.errors import BadInput, UnknownName
from shortlist.files import convert, read_json, write_whole

AUTO = "auto"
FILE_NAME = "routes.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_TAG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MOST_CONTEXT = 10**8

# The first line one of whose words begins a word of the question is its tag.
_BEGINNINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("summarise", ("summar", "résum", "resume ", "zusammenfass", "riassu", "tl;dr", "minutes of", "meeting notes")),
    ("translate", ("translat", "tradui", "übersetz", "traduc")),
    ("code", ("```", "code", "python", "javascript", "function", "refactor", "stack trace", "regex", "sql")),
    ("reasoning", ("prove", "step by step", "how many", "calculate", "reason about")),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a name asks for. `route`: one that somebody has set."""

    name: str
    tags: tuple[str, ...] = ()
    context: int | None = None
    is_commercial: bool = False
    route: str | None = None


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model of a route. `sha256` of the file that was measured; None: whatever the name stands for."""

    model: str
    sha256: str | None = None


class KeptRoute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A route as it is kept: who is asked first, who next. `run` and `verdict` say which decision it comes from."""

    models: Annotated[list[Member], msgspec.Meta(min_length=1)]
    set_at: str
    run: str | None = None
    verdict: str | None = None


class RoutesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`routes.json`."""

    version: int = 1
    routes: dict[str, KeptRoute] = {}


def load_routes(home: Path) -> dict[str, KeptRoute]:
    """The routes that are kept. Raises InvalidFile."""
    path = home / FILE_NAME
    return dict(convert(read_json(path), RoutesFile, path).routes) if path.is_file() else {}


class RouteBook:
    """The routes of a home, read again when the file has changed."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._stamp: tuple[int, int] | None = None
        self._routes: Mapping[str, KeptRoute] = {}

    def routes(self) -> Mapping[str, KeptRoute]:
        """As they are now. Raises InvalidFile."""
        try:
            status = (self._home / FILE_NAME).stat()
        except OSError:
            self._stamp, self._routes = None, {}
            return self._routes
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            self._routes = load_routes(self._home)
            self._stamp = stamp
        return self._routes


def save_routes(home: Path, routes: dict[str, KeptRoute]) -> None:
    """Keep these. Raises BadInput where they cannot be written."""
    path = home / FILE_NAME
    try:
        home.mkdir(parents=True, exist_ok=True)
        write_whole(path, msgspec.json.format(msgspec.json.encode(RoutesFile(1, routes)), indent=1) + b"\n")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None


def check_name(name: str) -> str:
    """A name that a route may have. Raises BadInput."""
    if not _NAME.fullmatch(name) or name == AUTO:
        raise BadInput(f"{name!r} cannot be a route's name", hint="write it like summariser: a-z, 0-9, . _ -")
    return name


def asked(name: str, routes: Mapping[str, KeptRoute]) -> Asked | None:
    """What a model's name asks the router for; None: it is no route. Raises BadInput for a need that is none."""
    if name in routes:
        return Asked(name, route=name)
    head, colon, rest = name.partition(":")
    if head != AUTO:
        return None
    tags: list[str] = []
    context, is_commercial = None, False
    for part in rest.split(",") if colon else ():
        key, equals, value = part.strip().lower().partition("=")
        if key == "context" and value.isascii() and value.isdigit() and int(value[:9]) <= _MOST_CONTEXT:
            context = int(value)
        elif part.strip().lower() in ("commercial", "licence=commercial"):
            is_commercial = True
        elif not equals and _TAG.fullmatch(key):
            tags.append(key)
        else:
            raise BadInput(
                f"{part!r} in {name[:200]!r} is neither a tag nor a need", hint="auto:summarise,context=8000,commercial"
            )
    return Asked(name, tuple(tags), context, is_commercial)


def tag_of(text: str) -> str | None:
    """The tag that a question's own words give away; None: none does."""
    looked_at = f" {text[:4000].casefold()}"
    for tag, beginnings in _BEGINNINGS:
        if any(re.search(rf"(?<!\w){re.escape(word)}", looked_at) for word in beginnings):
            return tag
    return None


def unknown_tag(name: str, tags: tuple[str, ...], known: set[str]) -> UnknownName:
    """No model here has one of these tags."""
    missing = next((tag for tag in tags if tag not in known), ", ".join(tags))
    return UnknownName(f"capability in {name!r}:", missing, sorted(known))
