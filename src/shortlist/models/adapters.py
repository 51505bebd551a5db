"""Adapters: a Python class of the user's that loads weights and generates text, as a model among the others.

    {"version": 1, "adapter": "notes_extractor.py:Extractor", "weights": "names.json"}      mine.adapter.json

Such a file is the artefact that names mean, as a .gguf file is one. Nothing is imported here: the class's source is
found, and hashed together with the version of its distribution, so that a candidate's id changes with the code and the
weights. `model add` writes the file; only it, a path that was typed, and models.json of the user's own home lead here.
"""

import hashlib
import re
import sys
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, entry_points, packages_distributions, version
from pathlib import Path

import msgspec

from shortlist.errors import BadInput, InvalidFile, InvalidModel, UnknownName
from shortlist.files import convert, read_json, write_whole
from shortlist.modelfile import sha256_file
from shortlist.records import ModelFile, Variant

SUFFIX = ".adapter.json"
GROUP = "shortlist.adapters"
_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_MOST_SOURCES = 2000
_HINT = (
    "write it like notes.py:Extractor, package.module:Extractor, or the name of an entry point in shortlist.adapters"
)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    adapter: str
    weights: str | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class Adapter:
    """A class by reference, and its weights. `file` is set where the reference names a file and not a module."""

    reference: str
    module: str
    name: str
    file: Path | None
    weights: Path | None

    @property
    def title(self) -> str:
        """The class without a place of this host."""
        return f"{self.file.name if self.file else self.module}:{self.name}"


def is_adapter(path: object) -> bool:
    """Whether a path or a source names an adapter file."""
    return path is not None and str(path).lower().endswith(SUFFIX)


def read_adapter(path: Path) -> Adapter:
    """An adapter file; relative places count from it. Raises InvalidModel, BadInput."""
    try:
        told = convert(read_json(path), _File, path)
    except InvalidFile as error:
        raise InvalidModel(
            error.message, hint='as {"adapter": "notes.py:Extractor", "weights": "notes.json"}'
        ) from None
    if told.version != 1:
        raise InvalidModel(f"{path}, at $.version: expected 1, got {told.version}")
    return parse_adapter(told.adapter, told.weights, path.parent)


def parse_adapter(reference: str, weights: Path | str | None, folder: Path) -> Adapter:
    """A reference and weights as they were typed, placed. Raises BadInput, UnknownName, InvalidModel."""
    place = None if weights is None else folder / Path(weights).expanduser()
    if place is not None and not place.exists():
        raise InvalidModel(f"{place}: there are no such weights", hint="check the path")
    module, colon, name = (reference if ":" in reference else _entry_point(reference)).rpartition(":")
    if not colon or not _CLASS.fullmatch(name):
        raise BadInput(f"{reference!r} names no class", hint=_HINT)
    file = folder / Path(module).expanduser() if module.endswith(".py") else None
    if file is None and not _CLASS.fullmatch(module):
        raise BadInput(f"{reference!r} names no module", hint=_HINT)
    if file is None and _find_top(module.partition(".")[0]) is None and (folder / f"{module}.py").is_file():
        file = folder / f"{module}.py"  # `pseudo_adapter:CustomModelAdapter`, typed beside pseudo_adapter.py
    if file is not None and not file.is_file():
        raise InvalidModel(f"{file}: there is no such file", hint=_HINT)
    absolute = None if place is None else place.absolute()
    return Adapter(reference, module, name, None if file is None else file.absolute(), absolute)


def write_adapter(path: Path, adapter: Adapter) -> None:
    """The adapter file of `model add`, every place in it absolute. Raises BadInput."""
    module = str(adapter.file) if adapter.file else adapter.module
    told = _File(f"{module}:{adapter.name}", None if adapter.weights is None else str(adapter.weights))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None


def entry_adapters() -> dict[str, str]:
    """Adapters that installed packages offer, by name: `module:Class`. Nothing is imported."""
    return {entry.name: entry.value for entry in entry_points(group=GROUP)}


def _entry_point(name: str) -> str:
    known = entry_adapters()
    if name not in known:
        raise UnknownName("adapter", name, known, hint=_HINT)
    return known[name]


# --- what it is made of -----------------------------------------------------------------------------------------------


def adapter_variant(adapter: Adapter, *, is_hashed: bool = True) -> Variant:
    """Class and weights as files of a variant; the class is one, over all of its sources. Raises InvalidModel."""
    sources = sources_of(adapter)
    code = ModelFile(
        adapter.title, sum(p.stat().st_size for p in sources), _digest(adapter, sources) if is_hashed else None
    )
    weights = tuple(
        ModelFile(name, path.stat().st_size, sha256_file(path) if is_hashed else None)
        for name, path in weight_files(adapter)
    )
    return Variant("adapter", None, (code, *weights), source=distribution_of(adapter))


def weight_files(adapter: Adapter) -> list[tuple[str, Path]]:
    """Every file of the weights, by its place under the folder (or its name)."""
    base = adapter.weights
    if base is None:
        return []
    if not base.is_dir():
        return [(base.name, base)]
    return [(f"{base.name}/{p.relative_to(base).as_posix()}", p) for p in sorted(base.rglob("*")) if p.is_file()]


def sources_of(adapter: Adapter) -> tuple[Path, ...]:
    """The class's source: its file; for a module of a package every .py of that package. Raises InvalidModel."""
    if adapter.file is not None:
        return (adapter.file,)
    top, _, rest = adapter.module.partition(".")
    spec = _find_top(top)
    if spec is None:
        raise InvalidModel(f"there is no module {adapter.module}", hint=_HINT)
    if not spec.submodule_search_locations:
        if rest or spec.origin is None or not Path(spec.origin).is_file():
            raise InvalidModel(f"there is no module {adapter.module} with a source", hint=_HINT)
        return (Path(spec.origin),)
    places = list(spec.submodule_search_locations)
    inner, found = places, top
    for part in rest.split(".") if rest else ():
        found = f"{found}.{part}"
        inner_spec = PathFinder.find_spec(found, inner)
        if inner_spec is None:
            raise InvalidModel(f"there is no module {adapter.module}", hint=_HINT)
        inner = list(inner_spec.submodule_search_locations or ())
    files = tuple(sorted(p for place in places for p in Path(place).rglob("*.py") if p.is_file()))
    if len(files) > _MOST_SOURCES:
        raise InvalidModel(f"package {top} has {len(files)} sources", hint="put the class into a package of its own")
    return files


def distribution_of(adapter: Adapter) -> str | None:
    """`acme-notes 1.2`, where the class's module was installed with a distribution."""
    if adapter.file is not None:
        return None
    names = packages_distributions().get(adapter.module.partition(".")[0], [])
    try:
        return ", ".join(f"{name} {version(name)}" for name in sorted(set(names))) or None
    except PackageNotFoundError:
        return None


def _digest(adapter: Adapter, sources: tuple[Path, ...]) -> str:
    digest = hashlib.sha256(f"{adapter.name}\n{distribution_of(adapter) or ''}\n".encode())
    root = sources[0].parent
    for path in sources:
        place = path.name if path.parent == root else path.as_posix().removeprefix(root.as_posix())
        digest.update(f"{place} {sha256_file(path)}\n".encode())
    return digest.hexdigest()


def _find_top(top: str) -> ModuleSpec | None:
    """Where an installed module is, nothing imported; the working folder is not searched, as in the child."""
    here = Path.cwd()
    spec = PathFinder.find_spec(top, [place for place in sys.path if place and Path(place) != here])
    others = (finder for finder in sys.meta_path if not isinstance(finder, type))  # those of editable installs
    return spec or next(filter(None, (finder.find_spec(top, None) for finder in others)), None)
