"""What takes space on this host: the shared cache, file by file, and what was registered with `model add`."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shortlist.models.catalogue import Library, variant_key
from shortlist.models.hubcache import CachedRepository, Link, split_count, stem_of
from shortlist.models.shelf import Added
from shortlist.models.usage import Use, last_used
from shortlist.onnxfolder import CONFIG_NAME

Place = Literal["hub", "added", "store"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A model's files, or what else lies in its repository. `id` is a name that resolves, where there is one.

    `problem` None: complete. `last_used_by` is a command of ours, or `access time`: what the disk says.
    """

    alias: str | None
    id: str
    place: Place
    size_bytes: int
    last_used: str | None
    last_used_by: str
    problem: str | None
    paths: tuple[Path, ...]

    @property
    def is_complete(self) -> bool:
        """All of it is there."""
        return self.problem is None


def inventory(
    repositories: Iterable[CachedRepository], added: Mapping[str, Added], library: Library, used: Mapping[str, Use],
    store: Path,
) -> list[Entry]:  # fmt: skip
    """Every entry, those of one repository together; the sizes add up to what the disk holds."""
    found = [_added_entry(name, one, used, store) for name, one in added.items()]
    for repository in repositories:
        found += _entries(repository, library, used)
    return found


def _added_entry(name: str, added: Added, used: Mapping[str, Use], store: Path) -> Entry:
    base = Path(added.path)
    folder = base if any("/" in file.path for file in added.files) or base.is_dir() else base.parent
    paths = tuple(folder / file.path for file in added.files)
    problems = []
    for path, file in zip(paths, added.files, strict=True):
        if not path.is_file():
            problems.append(f"{path.name} is gone")
        elif path.stat().st_size != file.size_bytes:
            problems.append(f"{path.name} changed its size")
    size = sum(path.stat().st_size for path in paths if path.is_file())
    at, by = last_used(paths, used)
    place: Place = "store" if base.resolve().is_relative_to(store.resolve()) else "added"
    return Entry(name, str(base), place, size, at, by, problems[0] if problems else None, paths)


def _entries(repository: CachedRepository, library: Library, used: Mapping[str, Use]) -> Iterator[Entry]:
    aliases = _aliases(repository.name, library)
    models, rest = _models(repository)
    current = set(repository.refs.values())
    counted: set[Path] = set()
    for (name, blobs), links in sorted(models.items(), key=lambda item: item[0][0]):
        is_old = not any(link.revision in current for link in links)
        tail = f"@{links[0].revision[:12]}" if is_old and len(repository.revisions) > 1 else ""
        size = sum(repository.sizes.get(blob, 0) for blob in blobs - counted)
        counted |= blobs
        at, by = last_used(blobs, used)
        identity = f"hf:{repository.name}/{name}".rstrip("/") + tail
        alias = None if tail else next((aliases[link.name] for link in links if link.name in aliases), None)
        problem = _gguf_problem(links) if _is_gguf(name) else _folder_problem(repository, links)
        yield Entry(alias, identity, "hub", size, at, by, problem, tuple(link.path for link in links))
    yield from _rest(repository, rest, counted, used)


def _rest(
    repository: CachedRepository, links: list[Link], counted: set[Path], used: Mapping[str, Use]
) -> Iterator[Entry]:
    """All that is no model of ours: another program's weights, cards; then what was left half-way."""
    blobs = {blob for blob in repository.sizes if blob not in counted}
    if blobs or (links and not counted):
        gone = [link.name for link in links if link.blob is None]
        problem = f"{gone[0]} is missing" if gone else None if counted else _folder_problem(repository, links)
        at, by = last_used(blobs, used)
        size, paths = sum(repository.sizes[blob] for blob in blobs), tuple(link.path for link in links)
        yield Entry(None, f"hf:{repository.name}", "hub", size, at, by, problem, paths)
    if repository.unfinished:
        size, paths = sum(repository.unfinished.values()), tuple(repository.unfinished)
        yield Entry(None, f"hf:{repository.name}", "hub", size, None, "", "a download did not end", paths)


def _models(repository: CachedRepository) -> tuple[Mapping[tuple[str, frozenset[Path]], list[Link]], list[Link]]:
    """The files of each model, by its name and its blobs, and the files that are of none.

    All parts of a split GGUF are one model, and so is every file beside a genai_config.json. Revisions that hold the
    same bytes are one.
    """
    parts: dict[tuple[str, str], list[Link]] = defaultdict(list)
    homes = {(_folder(one.name), one.revision) for one in repository.links if one.name.endswith(CONFIG_NAME)}
    rest = []
    for link in repository.links:
        if _is_gguf(link.name):
            parts[stem_of(link.name), link.revision].append(link)
        elif (_folder(link.name), link.revision) in homes:
            parts[_folder(link.name), link.revision].append(link)
        else:
            rest.append(link)
    found: dict[tuple[str, frozenset[Path]], list[Link]] = defaultdict(list)
    for (name, _), links in parts.items():
        first = links[0].name if _is_gguf(name) else name
        found[first, frozenset(link.blob for link in links if link.blob is not None)] += links
    return found, rest


def _is_gguf(name: str) -> bool:
    return name.lower().endswith(".gguf")


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _folder_problem(repository: CachedRepository, links: list[Link]) -> str | None:
    """Which file of a folder is missing, cannot be told by what is there: a download that did not end may hold it."""
    gone = [link.name for link in links if link.blob is None]
    return f"{gone[0]} is missing" if gone else "a download did not end" if repository.unfinished else None


def _gguf_problem(links: list[Link]) -> str | None:
    gone = [link.name for link in links if link.blob is None]
    if gone:
        return f"{gone[0]} is missing"
    parts = split_count(links[0].name)
    there = len({link.name for link in links})
    return f"{parts - there} of {parts} parts are missing" if parts is not None and there < parts else None


def _aliases(repository: str, library: Library) -> Mapping[str, str]:
    """Our names for a repository's files; an ONNX folder's by its configuration."""
    found: dict[str, str] = {}
    for card in library.cards.values():
        for variant in card.variants:
            if variant.repository != repository:
                continue
            label = card.alias if len(card.variants) < 2 else f"{card.alias}@{variant_key(variant)}"
            for file in variant.files:
                found.setdefault(file.path, label)
            if variant.folder is not None:
                found.setdefault(f"{variant.folder}/{CONFIG_NAME}".removeprefix("./"), label)
    return found
