"""Tuned settings: what `shortlist tune` found fastest for a model on this host, kept for everybody who opens it.

    settled = profiles.settle(home, variant, "llamacpp", version, options)
    settled.options     # open the engine with these
    settled.profile     # whose they are; None: nothing was tuned, `options` are as they came
    settled.notes       # for people: why a profile that is there is not used

Call it at the one place where options are settled, with the options that the *user* gave: what they set stays, and a
profile fills only what they left at its default. `find` gives the bare options. Nothing here raises for a damaged or a
foreign file but `load_profiles` and what writes.

A profile belongs to a host (its hardware's fingerprint, the processors that may be used), a variant (by its files'
SHA-256) and an engine of one version. Any of them another: it is not used, and a note says so. One file in
SHORTLIST_HOME, written whole, oldest first; the newest of a key counts, so that taking it away brings the older back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

from shortlist.errors import InvalidFile, InvalidModel, StoreError
from shortlist.files import convert_strict, read_json, write_whole
from shortlist.machine import default_threads, fingerprint, host_facts
from shortlist.modelfile import sha256_file
from shortlist.records import SCHEMA_VERSION, EngineOptions, Interval, ModelFile, Variant, content_id, to_json

FILE_NAME = "profiles.json"
FLAG = "profile"
"""The stamp of a run with a candidate that was opened by a profile."""

Version = str | Callable[[], str | None] | None
"""An engine's version as its endpoints report it, or what finds it out."""

_MOST_KEPT = 20  # of one variant on one host: what --undo can go back over


@dataclass(frozen=True, slots=True)
class Profile:
    """What was found. `options` hold the tuned ones alone, and the device that was asked for while it was tuned.

    `ratio` is the speed over what it replaced, above 1 where it is faster; `run` the run that says so. `threads` are
    the default threads of the host at that time: other processors to use, another host. `size_bytes` of the files
    tells without reading them that others are meant.
    """

    host: str
    threads: int
    variant: str
    engine: str
    engine_version: str
    options: EngineOptions
    model: str
    objective: str
    at: str
    run: str
    ratio: Interval | None = None
    size_bytes: int = 0
    schema_version: int = SCHEMA_VERSION

    @property
    def changes(self) -> tuple[str, ...]:
        """`threads=1`, `ubatch=128`: what differs from the engine's defaults; empty where those were the fastest."""
        return changes(self.options)


@dataclass(frozen=True, slots=True)
class Settled:
    """What an engine is to be opened with, whose settings these are, and what people should know."""

    options: EngineOptions
    profile: Profile | None = None
    notes: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """`threads=1`, `ubatch=128`: what of the profile is used."""


def changes(options: EngineOptions) -> tuple[str, ...]:
    """The options that a profile may hold, as people read them; empty for an engine's defaults."""
    plain = {"threads": options.threads, "kv_type": options.kv_type, "gpu_layers": options.gpu_layers}
    told = {name: value for name, value in plain.items() if value is not None}
    return tuple(f"{name}={value}" for name, value in {**told, **dict(sorted(options.extra.items()))}.items())


def variant_digest(variant: Variant) -> str | None:
    """The SHA-256 of a variant's file, or a digest over several; None where a file's is not known."""
    digests = [file.sha256 for file in variant.files]
    if not digests or None in digests:
        return None
    return digests[0] if len(digests) == 1 else content_id(sorted(map(str, digests)))


@cache
def this_host() -> str:
    """The fingerprint of this host's hardware."""
    return fingerprint(host_facts())


# --- using one --------------------------------------------------------------------------------------------------------


def settle(home: Path, variant: Variant, engine: str, version: Version, options: EngineOptions) -> Settled:
    """The options with what was tuned in place of what the user left at its default. Never raises.

    `version` may be a function: it is called only where something was tuned.
    """
    profile, notes = _newest(home, variant, engine, version, options)
    if profile is None or not profile.changes:
        return Settled(options, None, notes)
    settled = over(options, profile.options)
    used = tuple(one for one in changes(settled) if one not in changes(options))
    return Settled(settled, profile, notes, used) if used else Settled(options, None, notes)


def settle_files(
    home: Path, variant: Variant, files: Sequence[Path], engine: str, version: Version, options: EngineOptions
) -> Settled:
    """As `settle`, for a variant whose files lie here and may have no digest yet. Never raises.

    They are read only where a profile is for files of their size, and once as long as they do not change.
    """
    if variant_digest(variant) is None:
        try:
            states = [(file, file.stat()) for file in files]
            size = sum(state.st_size for _, state in states)
            if not any(one.size_bytes == size for one in _kept_quietly(home)[0]):
                return Settled(options)
            digests = [_digest(file, state.st_size, state.st_mtime_ns) for file, state in states]
        except (OSError, InvalidModel) as error:
            return Settled(options, None, (f"no profile is looked for: {error}",))
        told = (ModelFile(file.name, None, digest) for file, digest in zip(files, digests, strict=True))
        variant = replace(variant, files=tuple(told))
    return settle(home, variant, engine, version, options)


@lru_cache(maxsize=256)
def _digest(file: Path, _size_bytes: int, _changed_ns: int) -> str:
    return sha256_file(file)


def find(home: Path, variant: Variant, engine: str, version: Version) -> EngineOptions | None:
    """What was tuned for this variant, engine and version on this host; None where nothing was. Never raises."""
    profile, _ = _newest(home, variant, engine, version, None)
    return None if profile is None else profile.options


def over(asked: EngineOptions, tuned: EngineOptions) -> EngineOptions:
    """The tuned options under those that were asked for: each that was asked stays."""
    extra = dict(tuned.extra)
    if asked.threads is not None:
        extra.pop("threads_batch", None)  # threads that were asked for are meant for all of the work
    return replace(
        asked,
        threads=tuned.threads if asked.threads is None else asked.threads,
        kv_type=tuned.kv_type if asked.kv_type is None else asked.kv_type,
        gpu_layers=tuned.gpu_layers if asked.gpu_layers is None else asked.gpu_layers,
        extra={**extra, **asked.extra},
    )


def fastest_engine(home: Path, variant: Variant, version_of: Callable[[str], str | None]) -> str | None:
    """The engine that the newest tuning of this variant on this host found fastest; None where nothing was tuned.

    `version_of`: an engine's version here; one that has changed since counts for nothing. Never raises.
    """
    mine = [one for one in _kept_quietly(home)[0] if one.variant == variant_digest(variant) and _is_here(one)]
    newest = mine[-1] if mine else None
    return newest.engine if newest is not None and version_of(newest.engine) == newest.engine_version else None


def _newest(
    home: Path, variant: Variant, engine: str, version: Version, options: EngineOptions | None
) -> tuple[Profile | None, tuple[str, ...]]:
    kept, notes = _kept_quietly(home)
    digest = variant_digest(variant)
    mine = [one for one in kept if one.variant == digest and one.engine == engine] if digest else []
    if not mine:
        return None, notes
    version = version() if callable(version) else version
    here = [one for one in mine if _is_here(one)]
    fitting = [one for one in here if one.engine_version == version]
    if not fitting:
        return None, (*notes, _why_not(mine[-1], here[-1] if here else None, version))
    found = fitting[-1]
    if options is not None and options.device != found.options.device and found.changes:
        why = f"it was tuned on device {found.options.device}, and {options.device} is asked"
        return None, (*notes, f"the profile of {found.model} is not used: {why}")
    return found, notes


def _is_here(profile: Profile) -> bool:
    return profile.host == this_host() and profile.threads == default_threads()


def _why_not(newest: Profile, here: Profile | None, version: str | None) -> str:
    if here is not None:
        why = f"it is for {here.engine} {here.engine_version}, and {version or 'no version that is told'} is here"
    elif newest.host != this_host():
        why = "it was tuned on another machine"
    else:
        why = f"it was tuned where {newest.threads} threads were the default, and here {default_threads()} are"
    return f"the profile of {newest.model} is not used: {why}; shortlist tune {newest.model} makes a new one"


def _kept_quietly(home: Path) -> tuple[tuple[Profile, ...], tuple[str, ...]]:
    try:
        return load_profiles(home), ()
    except InvalidFile as error:
        return (), (f"tuned profiles are not used: {error.message}; move the file away, and tune again",)


# --- keeping them -----------------------------------------------------------------------------------------------------


def load_profiles(home: Path) -> tuple[Profile, ...]:
    """Everything that was kept, oldest first; none without a file. Raises InvalidFile for a damaged one."""
    path = home / FILE_NAME
    if not path.exists():
        return ()
    return convert_strict(read_json(path), tuple[Profile, ...], path)


def keep(home: Path, profile: Profile) -> None:
    """Keep it as the newest of its variant. Raises InvalidFile for a damaged file, StoreError."""
    kept = [*load_profiles(home), profile]
    mine = [one for one in kept if _is_beside(one, profile)]
    dropped = mine[: max(0, len(mine) - _MOST_KEPT)]
    _write(home, [one for one in kept if not any(one is old for old in dropped)])


def undo(home: Path, variant: Variant) -> tuple[Profile | None, Profile | None]:
    """Take the newest profile of this variant on this host away; it, and the one that counts now.

    Nothing there: (None, None). Raises InvalidFile for a damaged file, StoreError.
    """
    kept = load_profiles(home)
    mine = [one for one in kept if one.variant == variant_digest(variant) and one.host == this_host()]
    if not mine:
        return None, None
    _write(home, [one for one in kept if one is not mine[-1]])
    return mine[-1], mine[-2] if len(mine) > 1 else None


def _is_beside(one: Profile, other: Profile) -> bool:
    return (one.host, one.variant) == (other.host, other.variant)


def _write(home: Path, kept: list[Profile]) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        write_whole(home / FILE_NAME, to_json(kept) + b"\n")
    except OSError as error:
        raise StoreError(f"{home / FILE_NAME} cannot be written: {error.strerror}") from error
