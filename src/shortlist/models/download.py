"""A model brought into the Hugging Face cache: what to fetch, whether there is room, then all files or none of them.

`plan` says which files of which commit make the model and what of them is there; `carry_out` fetches what is missing,
several files at once, each under the lock that all users of the cache share, verifies each, and only then makes links:
the file that makes a folder a model (`genai_config.json`) last. Whatever ends this in the middle leaves partial files,
which no tool takes for a model, and the next call goes on with them.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from threading import Event

from shortlist.errors import DoesNotFit, HubError, Interrupted, UnknownName, Unverified
from shortlist.models.blobs import Blobs, safe_path
from shortlist.models.cache import room_on_disk
from shortlist.models.catalogue import PREFERRED, Found
from shortlist.models.hub import Contact, contact
from shortlist.models.hub_client import break_off, fetch_by_xet
from shortlist.models.kinds import check_content, check_name, is_fetched
from shortlist.models.transfer import Line, Wanted, fetch
from shortlist.onnxfolder import CONFIG_NAME
from shortlist.units import size

SPARE_BYTES = 64_000_000
"""What must stay free on the disk beside the model."""
_MARKS = (CONFIG_NAME,)
_POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class Plan:
    """One model at one commit: the files that make it, and those that were left out by their kind."""

    label: str
    blobs: Blobs
    revision: str
    files: tuple[Wanted, ...]
    left_out: tuple[str, ...] = ()
    ref: str | None = None
    by_xet: bool = field(default=False, kw_only=True)

    @property
    def missing(self) -> tuple[Wanted, ...]:
        """The files of which the bytes are not here."""
        return tuple(one for one in self.files if not self.blobs.has_blob(one.etag, one.size_bytes))

    @property
    def total_bytes(self) -> int:
        """What the model takes on the disk."""
        return sum(one.size_bytes for one in self.files)

    @property
    def partial_bytes(self) -> int:
        """What earlier tries left of the missing files."""
        return sum(min(one.size_bytes, self.blobs.partial_bytes(one.etag)) for one in self.missing)

    @property
    def to_fetch_bytes(self) -> int:
        """What is still to come over the line."""
        return sum(one.size_bytes for one in self.missing) - self.partial_bytes

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where the files will lie."""
        return tuple(self.blobs.link_path(self.revision, one.path) for one in self.files)

    @property
    def is_done(self) -> bool:
        """Whether every file is here, whole and named."""
        return not self.missing and all(path.exists() for path in self.paths)


def plan(found: Found, told: Contact, root: Path, *, ref: str | None = None) -> Plan:
    """What must be here for a model to be here. Raises UnknownName, HubError, Unverified."""
    paths, left_out = choose_files(found, told)
    return Plan(found.label, Blobs(root, told.repository), told.revision, wanted(paths, told), left_out, ref)


def wanted(paths: Iterable[str], told: Contact) -> tuple[Wanted, ...]:
    """Files of a commit with what they must turn out to be. Raises Unverified where the Hub does not tell."""
    files = []
    for path in paths:
        check_name(path)
        safe_path(path)
        file, git_id = told.files[path], told.git_ids.get(path)
        if file.size_bytes is None or (file.sha256 or git_id) is None:
            raise Unverified(
                f"{told.repository}/{path}: the Hub tells no length or no digest, so that it could not be verified",
                hint="check HF_ENDPOINT: a mirror must pass on what the Hub tells",
            )
        files.append(Wanted(told.repository, told.revision, path, file.size_bytes, file.sha256, git_id))
    return tuple(files)


def choose_files(found: Found, told: Contact) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The files that make a variant, and those of its folder that are not fetched. Raises UnknownName, HubError."""
    variant = found.variant
    if variant is None:
        raise HubError(
            f"{found.card.alias}: nothing says where its files are",
            hint=f'give "{found.card.alias}" a "source" in models.json',
        )
    if variant.files:
        return tuple(path for file in variant.files for path in _with_parts(file.path, told)), ()
    folder = variant.folder if variant.format == "onnx" else None
    if variant.format == "onnx":
        return _folder_files(folder, told)
    return _with_parts(_one_gguf(told), told), ()


def _folder_files(folder: str | None, told: Contact) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A folder that holds genai_config.json: the one named, or the only one."""
    homes = [str(PurePosixPath(path).parent) for path in told.files if PurePosixPath(path).name in _MARKS]
    home = folder.strip("/") if folder else homes[0] if len(homes) == 1 else ""
    if home not in homes and not (home == "" and "." in homes):
        raise UnknownName("folder of an ONNX model", home or "(none named)", homes)
    inside = sorted(path for path in told.files if str(PurePosixPath(path).parent) == (home or "."))
    return tuple(filter(is_fetched, inside)), tuple(path for path in inside if not is_fetched(path))


def _one_gguf(told: Contact) -> str:
    """The GGUF that a repository's name alone means: the only one, else that of the preferred quantisation."""
    files = [path for path in told.files if path.lower().endswith(".gguf") and "mmproj" not in path.lower()]
    first = [path for path in files if _part(path) in (None, 1)]
    for quantisation in PREFERRED:
        fitting = [path for path in first if quantisation in path.lower().replace("-", "_").replace(".", "_")]
        if len(fitting) == 1:
            return fitting[0]
    if len(first) == 1:
        return first[0]
    names = first or list(told.files)
    raise UnknownName("GGUF file", told.repository, names, hint=f"name one: hf:{told.repository}/FILE")


def _part(path: str) -> int | None:
    """Which part of a split file this is."""
    pieces = path.removesuffix(".gguf").rsplit("-", 3)
    is_part = len(pieces) == 4 and pieces[2] == "of" and pieces[1].isdigit() and pieces[3].isdigit()
    return int(pieces[1]) if is_part else None


def _with_parts(path: str, told: Contact) -> tuple[str, ...]:
    """A file and, where it is the first part of several, the others. Raises UnknownName."""
    if path not in told.files:
        raise UnknownName(f"file of {told.repository}", path, told.files)
    if _part(path) != 1:
        return (path,)
    stem, total = path.rsplit("-00001-of-", 1)
    every = tuple(f"{stem}-{number:05}-of-{total}" for number in range(1, int(total.removesuffix(".gguf")) + 1))
    missing = [part for part in every if part not in told.files]
    if missing:
        raise HubError(f"{told.repository}: {path} is one of {len(every)} parts, and {missing[0]} is not there")
    return every


def require_room(plans: Sequence[Plan], root: Path) -> None:
    """Raise DoesNotFit unless the disk holds what is still to come."""
    needed, free = sum(one.to_fetch_bytes for one in plans), room_on_disk(root)
    if needed and free is not None and free < needed + SPARE_BYTES:
        raise DoesNotFit(
            f"{size(needed)} are to be fetched, and {size(free)} are free in {root} ({size(SPARE_BYTES)} stay free)",
            hint="shortlist cache prune --dry-run, or set HF_HUB_CACHE to a place on another disk",
        )


def carry_out(planned: Plan, line: Line, *, at_once: int = 4) -> tuple[Path, ...]:
    """Fetch what is missing, then name all of it. Raises HubError, Unverified, Interrupted, DoesNotFit; OSError."""
    planned.blobs.ready()
    unique = tuple({one.etag: one for one in planned.files}.values())
    inner = replace(line, stop=Event())
    with ThreadPoolExecutor(at_once, thread_name_prefix="download") as pool:
        running = [pool.submit(_bring, one, planned, inner) for one in unique]
        try:
            _wait_for(running, line)
        except OSError as error:
            raise _disk_error(error, planned) from None
        finally:
            inner.stop.set()
            break_off()
            for waiting in running:
                waiting.cancel()
    for one in sorted(planned.files, key=lambda file: PurePosixPath(file.path).name in _MARKS):
        planned.blobs.link(planned.revision, one.path, one.etag)
    if planned.ref is not None:
        planned.blobs.write_ref(planned.ref, planned.revision)
    return planned.paths


def _disk_error(error: OSError, planned: Plan) -> DoesNotFit:
    return DoesNotFit(
        f"{planned.blobs.folder} cannot be written: {error.strerror or error}; what came before it is kept",
        hint="make room (shortlist cache prune --dry-run), then the same command goes on",
    )


def fetch_again(repository: str, file: str, revision: str | None, root: Path, line: Line) -> Path:
    """One file of the cache from the Hub anew: what is there stays until the new one is whole and verified.

    Raises HubError, Unverified, Interrupted, DoesNotFit.
    """
    told = contact(repository, revision)
    if file not in told.files:
        raise UnknownName(f"file of {repository}", file, told.files)
    (one,), blobs = wanted((file,), told), Blobs(root, repository)
    planned = Plan(repository, blobs, told.revision, (one,))
    blobs.ready()
    try:
        with blobs.locked(one.etag, line.watcher, line.stop):
            _fetch_and_keep(one, planned, line)
    except OSError as error:
        raise _disk_error(error, planned) from None
    return blobs.link(told.revision, file, one.etag)


def _wait_for(running: Sequence[Future[None]], line: Line) -> None:
    """Until all are done or one has failed; the main thread stays open to Ctrl-C. Raises what a file raised."""
    left: set[Future[None]] = set(running)
    while left:
        line.watcher.ticked()
        if line.stop.is_set():
            raise Interrupted("interrupted")
        done, left = wait(left, timeout=_POLL_S, return_when=FIRST_EXCEPTION)
        for one in done:
            one.result()


def _bring(one: Wanted, planned: Plan, line: Line) -> None:
    """One file, from whatever is there of it to a whole blob. What another process brought meanwhile is taken."""
    blobs = planned.blobs
    if blobs.has_blob(one.etag, one.size_bytes):
        return
    with blobs.locked(one.etag, line.watcher, line.stop):
        if blobs.has_blob(one.etag, one.size_bytes):
            line.watcher.moved(one.path, one.size_bytes)
            return
        _fetch_and_keep(one, planned, line)


def _fetch_and_keep(one: Wanted, planned: Plan, line: Line) -> None:
    """The lock is held: the partial file is made whole, looked at, and is the blob from then on."""
    partial = planned.blobs.partial(one.etag)
    if planned.by_xet:
        _bring_by_xet(one, partial)
    fetch(one, partial, line)
    try:
        check_content(one.path, partial)
    except Unverified:
        partial.unlink()
        raise
    planned.blobs.keep(one.etag)


def _bring_by_xet(one: Wanted, partial: Path) -> None:
    """The library's own download into the partial file, which is then verified like any other."""
    aside = partial.with_suffix(".xet")
    fetch_by_xet(one.repository, one.path, one.revision, aside).replace(partial)
    with suppress(OSError):
        for place in sorted(aside.rglob("*"), reverse=True):
            place.unlink() if place.is_file() else place.rmdir()
        aside.rmdir()
