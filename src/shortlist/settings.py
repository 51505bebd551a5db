"""Every setting: its type, default, environment names and where its value came from.

Flags > environment > `shortlist.toml` in this folder > `shortlist.toml` in SHORTLIST_HOME > defaults.
`SHORTLIST_<SETTING>` always works and wins over the workshop's `BENCH_*` and `FOUNDRY_LOCAL_ENDPOINT`.
"""

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from shortlist.errors import BadInput, InvalidFile, UnknownName
from shortlist.values import currency as _currency
from shortlist.values import duration as _duration
from shortlist.values import flag as _flag
from shortlist.values import names as _names
from shortlist.values import number as _number
from shortlist.values import one_of as _one_of
from shortlist.values import path as _path
from shortlist.values import size as _size
from shortlist.values import text as _text
from shortlist.values import url as _url

FILE_NAME = "shortlist.toml"
ENGINES = "engines"
"""The table of a file that says which programs are engines; read from SHORTLIST_HOME's file alone."""

_STARTS_PROGRAMS = ("command", ENGINES)
_OPENS_DOORS = ("host", "keys_file", "tls_cert", "tls_key", "allow_host", "allow_origin", "log_prompts")
_AS_TYPED = ("timeout", "memory_limit", "idle_timeout", "keep_alive", "turn", "drain")
"""Settings that a file keeps as they were written, `2m` and `4GB`, and not as the number that they stand for."""


def _default_home() -> Path:
    from platformdirs import user_data_path

    return user_data_path("shortlist", appauthor=False)


# --- the table -------------------------------------------------------------------------------------------------------


def _setting(parse: Callable[[object], Any], default: object, doc: str, *env: str) -> Any:
    about = {"parse": parse, "doc": doc, "env": env}
    if callable(default):
        return field(default_factory=default, metadata=about)
    return field(default=default, metadata=about)


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked values, and for each where it came from (`default`, an environment name, a file, `flag`)."""

    home: Path = _setting(_path, _default_home, "where results, logs and our own models are kept")
    store: Path | None = _setting(
        _path, None, "where our own copies of models are kept; unset: models in SHORTLIST_HOME"
    )
    endpoint: str | None = _setting(
        _url, None, "measure this OpenAI-compatible URL instead of an engine of ours", "FOUNDRY_LOCAL_ENDPOINT"
    )
    api_key_file: Path | None = _setting(_path, None, "file that holds the endpoint's API key")
    models: tuple[str, ...] = _setting(_names, (), "models to bench when none are named", "BENCH_MODELS")
    prompt: str | None = _setting(_text, None, "one prompt to bench with, instead of a file", "BENCH_PROMPT")
    rounds: int = _setting(
        _number(int, 1, 10_000), 5, "rounds: each a fresh engine process per candidate", "BENCH_ROUNDS"
    )
    stream: bool = _setting(_flag, True, "stream replies; without it there is no first-token time", "BENCH_STREAM")
    max_tokens: int = _setting(_number(int, 1, 1_000_000), 150, "most tokens in an answer", "BENCH_MAX_TOKENS")
    temperature: float = _setting(
        _number(float, 0.0, 10.0), 0.0, "sampling temperature; 0 is greedy", "BENCH_TEMPERATURE"
    )
    concurrency: int = _setting(_number(int, 1, 4096), 1, "requests in flight at once")
    rate: float | None = _setting(
        _number(float, 0.001, 100_000.0),
        None,
        "requests per second, whatever became of those before (an open loop)",
    )
    arrivals: str = _setting(_one_of("constant", "poisson"), "poisson", "how the requests of an open loop are spaced")
    slots: int = _setting(
        _number(int, 1, 4096), 4, "requests that an engine of ours works on at once in an open loop; others queue"
    )
    warmup: int = _setting(_number(int, 0, 1000), 1, "requests before each block that are not counted")
    seed: int = _setting(_number(int, 0, 2**31 - 1), 0, "seed of the sampling and of the order")
    timeout: int = _setting(_duration, 120 * 10**9, "limit of one request, as 120s or 2m")
    engine: str = _setting(_text, "llamacpp", "what opens model files")
    command: str | None = _setting(
        _text, None, "program that `--engine command` starts, with {model} and {port}; not in a project's file"
    )
    device: str = _setting(_one_of("auto", "cpu", "gpu"), "auto", "where the engine computes")
    profile: bool = _setting(_flag, True, "use what `shortlist tune` found for a model where nothing else was asked")
    threads: int | None = _setting(_number(int, 1, 1024), None, "threads of the engine; unset: the physical cores")
    context: int | None = _setting(
        _number(int, 16, 10**8), None, "tokens of context for each request; unset: the model's, 4096 at most"
    )
    kv_type: str | None = _setting(
        _text, None, "type of the numbers in the KV cache, as q8_0; unset: the engine's own (f16)"
    )
    gpu_layers: int | None = _setting(
        _number(int, 0, 10_000), None, "layers of the model that a GPU computes; unset: all, where there is one"
    )
    speculation: str | None = _setting(
        _text, None, "guess tokens ahead and check them at once: off, ngram, or ngram:N:M; unset: off"
    )
    memory_limit: int | None = _setting(
        _size,
        None,
        "memory that models may take in all, as 4GB; unset: what is free, and what control groups allow",
    )
    listing: Path | None = _setting(
        _path, None, "a models.json that counts beside those of SHORTLIST_HOME and of the working folder"
    )
    hub_cache: Path | None = _setting(
        _path,
        None,
        "where downloaded models are kept; HF_HUB_CACHE and HF_HOME go before it; unset: Hugging Face's",
    )
    upstream: str | None = _setting(
        _url,
        None,
        "the service hands everything on to this one, with the key of `api_key_file`, and opens no model",
    )
    host: str = _setting(_text, "127.0.0.1", "address that the service listens on; 127.0.0.1 is ::1 too")
    port: int = _setting(_number(int, 0, 65_535), 5273, "port that the service listens on; 0: the system chooses")
    keys_file: Path | None = _setting(
        _path, None, "file of the API keys that the service asks for, `name:key` a line; needed off this machine"
    )
    tls_cert: Path | None = _setting(_path, None, "certificate (chain) of the service, PEM; with `tls_key` it is HTTPS")
    tls_key: Path | None = _setting(_path, None, "private key of `tls_cert`, PEM, without a password")
    allow_host: tuple[str, ...] = _setting(
        _names,
        (),
        "names beside localhost that the service is asked by, `name` or `name:port`, with commas between",
    )
    allow_origin: tuple[str, ...] = _setting(
        _names, (), "origins whose web pages may use the service, as https://notes.example; unset: none"
    )
    log_prompts: bool = _setting(_flag, False, "the service logs what it is asked; else never")
    connections: int = _setting(_number(int, 1, 100_000), 1024, "connections to the service at once")
    idle_timeout: int = _setting(
        _duration, 600 * 10**9, "the service unloads a model that nobody has used for so long, as 10m"
    )
    keep_alive: int | None = _setting(
        _duration,
        None,
        "keep what is loaded and send it a light prompt this often, as 4m; unset: `idle_timeout` rules",
    )
    pin: tuple[str, ...] = _setting(
        _names, (), "models that the service loads at its start and never unloads, with commas between"
    )
    parallel: int = _setting(
        _number(int, 1, 512),
        4,
        "requests that one model of the service works on at once, each with its own context",
    )
    queue: int = _setting(_number(int, 1, 100_000), 256, "requests that may wait in the service; more are refused")
    turn: int = _setting(
        _duration, 10 * 10**9, "while another model waits for its memory, a model keeps it for this long, as 10s"
    )
    drain: int = _setting(_duration, 30 * 10**9, "how long a stopping service lets requests finish, as 30s")
    prompt_cache: bool = _setting(
        _flag, True, "the service's engines keep the beginning of the last prompt of each slot, and no more"
    )
    licence_policy: Path | None = _setting(
        _path,
        None,
        "file that says which licence classes are allowed, reviewed or refused; unset: nothing is refused",
    )
    hub_hosts: tuple[str, ...] = _setting(
        _names,
        (),
        "hosts that models may be fetched from beside HF_ENDPOINT's and Hugging Face's, with commas between",
    )
    watch: bool = _setting(_flag, True, "watch the host while it measures, and measure again what others disturbed")
    watts: float | None = _setting(
        _number(float, 0.0, 1e6),
        None,
        "watts that the host draws at work, where no counter of energy can be read",
    )
    idle_watts: float | None = _setting(
        _number(float, 0.0, 1e6), None, "watts that the host draws idle, beside `watts`"
    )
    price_per_kwh: float | None = _setting(_number(float, 0.0, 1e9), None, "price of a kilowatt-hour, for cost")
    price_per_hour: float | None = _setting(
        _number(float, 0.0, 1e9), None, "price of the machine for an hour, for cost"
    )
    currency: str = _setting(_currency, "EUR", "what prices are counted in; a name, never converted")
    selftest: bool = _setting(
        _flag, True, "before a bench, two seconds against a known server, so that the measuring error is known"
    )
    ascii: bool = _setting(_flag, False, "plain ASCII instead of ✓ ± █")
    sources: Mapping[str, str] = field(default_factory=dict)

    def source(self, name: str) -> str:
        """Where a setting's value came from."""
        return self.sources.get(name, "default")

    @property
    def is_home_own(self) -> bool:
        """Whether the user chose `home`, and not a file of the working folder, which may be somebody else's."""
        return self.source("home") in ("default", "flag", *environment_names("home"))

    def with_flags(self, flags: Mapping[str, object]) -> "Settings":
        """These settings under what was typed; a flag that is None was not typed. Raises BadInput."""
        given = {name: value for name, value in flags.items() if value is not None}
        values = {name: parse_value(name, value, f"--{name.replace('_', '-')}") for name, value in given.items()}
        if "command" in values:
            values.setdefault("engine", "command")  # a typed command says which engine is meant
        return replace(self, **values, sources={**self.sources, **dict.fromkeys(values, "flag")})

    def without(self, *names: str) -> "Settings":
        """These settings with some at their defaults, whatever the environment or a file says."""
        plain = Settings()
        kept = {name: source for name, source in self.sources.items() if name not in names}
        return replace(self, **{name: getattr(plain, name) for name in names}, sources=kept)


NAMES = tuple(f.name for f in fields(Settings) if f.name != "sources")
_ABOUT = {f.name: f.metadata for f in fields(Settings) if f.name != "sources"}


def describe(name: str) -> str:
    """One line on what the setting does. Raises UnknownName."""
    return str(_about(name)["doc"])


def environment_names(name: str) -> tuple[str, ...]:
    """The environment variables that set it, strongest first."""
    return (f"SHORTLIST_{name.upper()}", *_about(name)["env"])


def _about(name: str) -> Mapping[str, Any]:
    if name not in _ABOUT:
        raise UnknownName("setting", name, NAMES, hint="shortlist config list")
    return _ABOUT[name]


def parse_value(name: str, value: object, origin: str) -> Any:
    """Check one value; an error names where it was written. Raises BadInput, UnknownName."""
    try:
        return _about(name)["parse"](value)
    except BadInput as error:
        if name not in _ABOUT:
            raise
        raise BadInput(f"{origin}: {error.message}", hint=error.hint) from None


# --- reading and writing ---------------------------------------------------------------------------------------------


def load(env: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """Settings of this environment and folder. Raises BadInput naming the variable, or InvalidFile the place."""
    env = os.environ if env is None else env
    folder = _here() if folder is None else folder
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}

    def take(name: str, value: object, origin: str) -> None:
        values[name] = parse_value(name, value, origin)
        sources[name] = origin

    here = folder / FILE_NAME
    from_here, from_env = _read_file(here), _read_environment(env)
    home = from_env.get("home", (from_here.get("home"), ""))[0] or _default_home()
    shared = _path(str(home)) / FILE_NAME
    from_home = {} if shared == here else _read_file(shared)
    _refuse_foreign(
        here, from_here, shared, from_home, is_home_named_here="home" in from_here and "home" not in from_env
    )
    for path, content in ((shared, from_home), (here, from_here)):
        for name, value in content.items():
            if name != ENGINES:
                take(name, value, str(path))
    for name, (text, variable) in from_env.items():
        take(name, text, variable)
    return Settings(**values, sources=sources)


def engine_sections(
    env: Mapping[str, str] | None = None, folder: Path | None = None
) -> tuple[Path, Mapping[str, object]]:
    """SHORTLIST_HOME's file and its `[engines.NAME]` tables, undecoded. Raises InvalidFile.

    No other file may name a program to start: a folder that was downloaded may hold a shortlist.toml too.
    """
    path = load(env, folder).home / FILE_NAME
    found = _read_file(path).get(ENGINES, {})
    if not isinstance(found, dict):
        raise InvalidFile(path, ENGINES, "expected tables, as [engines.my-server]")
    return path, found


def _refuse_foreign(
    here: Path,
    from_here: Mapping[str, object],
    shared: Path,
    from_home: Mapping[str, object],
    *,
    is_home_named_here: bool,
) -> None:
    """Raise InvalidFile for what only the user's own file may say: programs to start, and whom the service lets in.

    Neither the working folder's file may, nor that of a `home` that it names.
    """
    if here.resolve() == shared.resolve() and not is_home_named_here:
        return
    for path, content in ((here, from_here), *(((shared, from_home),) if is_home_named_here else ())):
        for name in (*_STARTS_PROGRAMS, *_OPENS_DOORS):
            if name in content:
                what = "programs to start are" if name in _STARTS_PROGRAMS else "whom the service lets in is"
                why = "this file" if path == here else f"a home that {here} names"
                raise InvalidFile(
                    path,
                    name,
                    f"{what} not taken from {why}: a folder may be somebody else's",
                    hint=f"put it into the {FILE_NAME} of your own SHORTLIST_HOME, or export SHORTLIST_HOME",
                )


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise BadInput(f"this folder is gone: {error.strerror}", hint="cd to one that exists") from None


def _read_environment(env: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    found = {}
    for name in NAMES:
        for variable in environment_names(name):
            if env.get(variable, "").strip():
                found[name] = (env[variable], variable)
                break
    return found


def _read_file(path: Path) -> dict[str, object]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidFile(path, "", f"cannot be read as TOML: {error}") from None
    for name in content:
        if name not in _ABOUT and name != ENGINES:
            unknown = UnknownName("setting", name, NAMES)
            raise InvalidFile(path, name, unknown.message, hint=unknown.hint)
    return content


def write_value(path: Path, name: str, value: str | None) -> None:
    """Set one setting in a TOML file, or drop it (None); comments and order stay. Raises BadInput, InvalidFile."""
    import tomlkit

    _read_file(path)
    checked = None if value is None else parse_value(name, value, f"shortlist config set {name}")
    _about(name)
    document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
    if value is None:
        document.pop(name, None)
    else:
        plain = checked if isinstance(checked, bool | int | float) and name not in _AS_TYPED else value
        document[name] = list(checked) if isinstance(checked, tuple) else plain
    partial = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(tomlkit.dumps(document), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None
