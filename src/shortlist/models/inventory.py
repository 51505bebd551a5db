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
    models: dict[tuple[str, frozenset[Path]], list[Link]] = defaultdict(list)
    rest: list[Link] = []
    for (name, _), links in _by_model(repository).items():
        if name.lower().endswith(".gguf"):
            blobs = frozenset(link.blob for link in links if link.blob is not None)
            models[name, blobs] += links
        else:
            rest += links
    current = set(repository.refs.values())
    counted: set[Path] = set()
    for (_, blobs), links in sorted(models.items(), key=lambda item: item[0][0]):
        is_old = not any(link.revision in current for link in links)
        tail = f"@{links[0].revision[:12]}" if is_old and len(repository.revisions) > 1 else ""
        size = sum(repository.sizes.get(blob, 0) for blob in blobs - counted)
        counted |= blobs
        at, by = last_used(blobs, used)
        identity = f"hf:{repository.name}/{links[0].name}{tail}"
        alias = None if tail else aliases.get(links[0].name)
        yield Entry(alias, identity, "hub", size, at, by, _gguf_problem(links), tuple(link.path for link in links))
    yield from _rest(repository, rest, aliases, counted, used)


def _rest(
    repository: CachedRepository, links: list[Link], aliases: Mapping[str, str], counted: set[Path],
    used: Mapping[str, Use],
) -> Iterator[Entry]:  # fmt: skip
    """All that is no GGUF: an ONNX model, another program's weights, cards; then what was left half-way."""
    blobs = {blob for blob in repository.sizes if blob not in counted}
    if blobs or (links and not counted):
        gone = [link.name for link in links if link.blob is None]
        alias = next((aliases[link.name] for link in links if link.name in aliases), None)
        problem = f"{gone[0]} is missing" if gone else None
        if repository.unfinished and not counted:
            problem = problem or "a download did not end"
        at, by = last_used(blobs, used)
        size, paths = sum(repository.sizes[blob] for blob in blobs), tuple(link.path for link in links)
        yield Entry(alias, f"hf:{repository.name}", "hub", size, at, by, problem, paths)
    if repository.unfinished:
        size, paths = sum(repository.unfinished.values()), tuple(repository.unfinished)
        yield Entry(None, f"hf:{repository.name}", "hub", size, None, "", "a download did not end", paths)


def _by_model(repository: CachedRepository) -> Mapping[tuple[str, str], list[Link]]:
    """The files of each model by name and revision: the parts of a split GGUF are one."""
    found: dict[tuple[str, str], list[Link]] = defaultdict(list)
    for link in repository.links:
        found[stem_of(link.name), link.revision].append(link)
    return found


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
                found.setdefault(f"{variant.folder}/genai_config.json".removeprefix("./"), label)
    return found
