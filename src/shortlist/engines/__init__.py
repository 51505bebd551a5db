"""Engines: what opens a model and gives an endpoint. Found by entry point, loaded on demand.

    engine = find_engine("llamacpp")(EngineContext())
    endpoint = await engine.open(spec)      # a child process serves now
    ...                                     # requests carry engine.request_headers() and engine.extra_body(generation)
    await engine.close()

One engine object opens one model at a time; it may be opened again after `close`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points
from importlib.metadata import version as metadata_version
from pathlib import Path
from typing import Any, ClassVar, Protocol

from shortlist.errors import BadInput, DeviceMismatch, EngineCrashed, EngineError, UnknownName
from shortlist.records import Endpoint, EngineOptions, Format, Generation, Variant

GROUP = "shortlist.engines"

COMMAND = "command"
"""The key in a candidate's `options.extra` that holds the command of a program which is not ours, as it was planned."""

ADAPTER: Format = "adapter"
"""The engine, and the format, of a Python class of the user's."""

_ARTICLED = {"gguf": "a GGUF", "onnx": "an ONNX"}

_OURS = {
    "llamacpp": "shortlist.engines.llamacpp:LlamaCpp",
    "onnx_genai": "shortlist.engines.onnx_genai:OnnxGenai",
    "remote": "shortlist.engines.remote:Remote",
    "fake": "shortlist.engines.fake:Fake",
    "command": "shortlist.engines.command:Command",
    "adapter": "shortlist.engines.adapter:Adapter",
}


_FORMATS: Mapping[str, Format] = {"llamacpp": "gguf", "onnx_genai": "onnx", "adapter": "adapter"}
ENGINE_OF: Mapping[str, str] = {form: name for name, form in _FORMATS.items()}
"""The engine of ours for each format that one alone opens."""


@dataclass(frozen=True, slots=True)
class EngineContext:
    """What a user says of engines as a whole: an endpoint and its secrets, a command. Never stored, never printed."""

    endpoint_url: str | None = None
    api_key_file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: str | None = None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What `probe` found: devices by name (`cpu: AMD EPYC`), what speeds them up, and why the engine cannot be used."""

    name: str
    available: bool
    version: str | None = None
    devices: tuple[str, ...] = ()
    acceleration: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """What to open. `label` names the log; `parallel` requests run at once, each with the whole asked context.

    `data_bytes`: what the process may take at most beside mapped files; None: as much as it wants.
    """

    label: str
    model: str
    variant: Variant
    options: EngineOptions
    path: Path | None
    log_dir: Path
    parallel: int = 1
    timeout_ns: int = 120 * 10**9
    data_bytes: int | None = None


class Engine(Protocol):
    """The contract of an engine; a class of this kind is called with an `EngineContext`."""

    name: ClassVar[str]
    needs_nonce: ClassVar[bool]
    """Whether it may keep prompts in a cache that we cannot switch: then each prompt needs a beginning of its own."""

    def __init__(self, context: EngineContext) -> None: ...

    def probe(self) -> EngineInfo:
        """What is there, without loading a model. Never raises for a missing engine: `available` and `reason` tell."""
        ...

    async def open(self, spec: LoadSpec) -> Endpoint:
        """Open a model. Raises BadInput for what cannot be asked, EngineError or EndpointError for what did not work.

        Nothing is left running when it raises.
        """
        ...

    async def close(self) -> None:
        """End what `open` started; may be called again, and before `open`."""
        ...

    def request_headers(self) -> Mapping[str, str]:
        """Headers that each request needs, secrets among them: for the wire only."""
        ...

    def extra_body(self, generation: Generation) -> Mapping[str, Any]:
        """Keys that this engine wants in each request beside the standard ones."""
        ...

    @property
    def load_ns(self) -> int | None:
        """How long the model took to open, warm-up pass included, process start excluded. None: not measured."""
        ...

    @property
    def settings(self) -> Mapping[str, int | str | bool]:
        """What the last `open` settled on where options left it open: threads, context, ..."""
        ...

    def pids(self) -> tuple[int, ...]:
        """The process tree whose memory is the engine's; empty where it is not ours."""
        ...

    async def crash(self, within_ns: int = 0) -> EngineCrashed | None:
        """The error, if the engine's process ended by itself; waits up to `within_ns` for one that is just dying."""
        ...

    def log_tail(self) -> str:
        """The last lines of the engine's log; empty where there is none."""
        ...


@cache
def _entry_points() -> dict[str, EntryPoint]:
    """Engines of other packages and ours; a package cannot take over one of our names."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    # Without package metadata (a bare checkout on the path) there are no entry points, and ours must still be there.
    return found | {name: EntryPoint(name, target, GROUP) for name, target in _OURS.items()}


def engine_names() -> tuple[str, ...]:
    """Every known engine, sorted: packages', the user's own programs, well-known ones on PATH. Raises InvalidFile."""
    from shortlist.engines.command import names

    return tuple(sorted({*_entry_points(), *names()}))


def find_engine(name: str) -> type[Engine]:
    """The engine's class. Raises UnknownName, or EngineError when its package cannot be imported.

    A program of the user's cannot take over the name of a package's engine; InvalidFile for one that is told wrong.
    """
    entry = _entry_points().get(name)
    if entry is None:
        from shortlist.engines.command import named

        program = named(name)
        if program is None:
            raise UnknownName("engine", name, engine_names())
        return program
    try:
        found: Any = entry.load()
    except (ImportError, AttributeError) as error:
        raise EngineError(f"engine {name!r} ({entry.value}) cannot be loaded: {error}") from error
    return found  # type: ignore[no-any-return]  # a foreign package's word for it


def format_of(name: str) -> Format | None:
    """The one format that an engine of ours opens; None for an engine that is not bound to one, or not ours."""
    return _FORMATS.get(name)


@cache
def installed_version(name: str) -> str | None:
    """The version that an engine's endpoints will report; read from its package where it names one, else by a probe.

    None where it cannot be told. Raises what `find_engine` raises.
    """
    engine = find_engine(name)
    package = getattr(engine, "package", None)
    if package is None:
        return engine(EngineContext()).probe().version
    try:
        return metadata_version(package)
    except PackageNotFoundError:
        return None


def takes_names(name: str) -> bool:
    """Whether an engine wants a model's name as it was typed, and no file of ours."""
    return name == "fake" or bool(getattr(find_engine(name), "takes_names", False))


def command_of(name: str, context: EngineContext) -> str | None:
    """The command that an engine starts, placeholders unfilled; None for an engine of a package."""
    found: str | None = getattr(find_engine(name)(context), "command", None)
    return found


def engine_for(label: str, variant: Variant, engine: str, *, is_asked: bool) -> str:
    """What opens this variant: the engine that was asked for, else the one for its format; a class only its own.

    Raises BadInput where the one asked for is known to open another format.
    """
    if variant.format == ADAPTER:
        return ADAPTER
    fitting = ENGINE_OF.get(variant.format)
    mine = format_of(engine)
    if fitting is None or engine == fitting or mine is None:
        return engine
    if is_asked:
        raise BadInput(
            f"{label} is {_ARTICLED[variant.format]} model, and engine {engine} opens {mine.upper()}",
            hint=f"--engine {fitting}, or leave --engine out: the format decides then",
        )
    return fitting


def check_device(name: str, options: EngineOptions, reported: str | None) -> None:
    """Raise DeviceMismatch unless the engine runs where it was asked to; `auto` accepts anything."""
    if options.device not in ("auto", reported):
        raise DeviceMismatch(
            f"{name} was asked to run on {options.device} and reports {reported or 'none: its device is unknown'}",
            hint="shortlist config list shows the devices found",
        )


def refuse_options(name: str, options: EngineOptions, reason: str, allowed: frozenset[str] = frozenset()) -> None:
    """Raise BadInput for an option that this engine would otherwise ignore in silence."""
    for option, value in options.given.items():
        if option not in allowed:
            raise BadInput(f"engine {name} takes no {option} ({value}): {reason}")
