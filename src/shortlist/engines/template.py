"""A program of the user's that opens an OpenAI port, as it is told to us: the command, and what stands around it.

    [engines.my-vllm]                # in the shortlist.toml of SHORTLIST_HOME, and nowhere else
    command = "vllm serve {model} --host 127.0.0.1 --port {port}"

The text is split into arguments once, by shell rules, and never given to a shell; only then placeholders are filled in,
so that a path with a space, a quote or a semicolon stays one argument.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from shortlist.engines.command_child import PLACEHOLDER
from shortlist.errors import BadInput, InvalidFile
from shortlist.files import convert
from shortlist.records import Json, content_id
from shortlist.units import parse_duration_ns

PLACEHOLDERS = ("model", "port", "context", "gpu_layers", "key", "parallel", "threads", "total_context")
"""What a command or a variable's value may hold in braces; `{key}` in `env` alone, where `ps` shows it to nobody."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?")


class _Section(msgspec.Struct, forbid_unknown_fields=True):
    """`[engines.NAME]`, as TOML decodes it."""

    command: str | list[str]
    opens: Literal["file", "name"] = "file"
    model: str | None = None
    ready: str = "/v1/models"
    ready_timeout: str | None = None
    base: str = "/v1"
    api_key_file: str | None = None
    env: dict[str, str] = {}
    pass_env: list[str] = []
    body: Json = {}
    caches_prompts: bool = True
    listens_itself: bool = True


@dataclass(frozen=True, slots=True)
class Template:
    """A checked command. `opens`: whether `{model}` becomes the path of a model file of ours, or the name as typed.

    `model`: the id that requests carry; None: asked of the program. `pass_env`: variables of ours that it may see
    beside the usual ones, `NAME` or `PREFIX*`. `body`: keys that each request gets. `caches_prompts`: whether it may
    answer from a prompt cache that `body` does not switch off. `listens_itself` is false where the port is opened by a
    process that is none of its children (a container). `version`: arguments that print its version at once.
    """

    name: str
    argv: tuple[str, ...]
    opens: Literal["file", "name"] = "file"
    model: str | None = None
    ready: str = "/v1/models"
    ready_timeout_ns: int | None = None
    base: str = "/v1"
    api_key_file: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    pass_env: tuple[str, ...] = ()
    body: Json = field(default_factory=dict)
    caches_prompts: bool = True
    listens_itself: bool = True
    version: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ("chat", "stream")

    @property
    def text(self) -> str:
        """The command as one line to paste, placeholders unfilled."""
        return " ".join(_quoted(argument) for argument in self.argv)

    @property
    def stamp(self) -> str:
        """The command as plans keep it: what is beside it and moves answers is in a digest at its end."""
        beside = {"env": self.env, "body": self.body, "model": self.model}
        return f"{self.text}  # {content_id(beside)[:8]}" if any(beside.values()) else self.text

    def uses(self, placeholder: str) -> bool:
        """Whether the command or a variable holds this placeholder."""
        return any(f"{{{placeholder}}}" in text for text in (*self.argv, *self.env.values()))


def _quoted(argument: str) -> str:
    """For a shell, as `shlex.quote` does; braces of placeholders need none."""
    plain = PLACEHOLDER.sub("x", argument)
    return argument if shlex.quote(plain) == plain else shlex.quote(argument)


def from_flag(command: str) -> Template:
    """What `--command` says. Raises BadInput."""
    try:
        return _checked(Template("command", _split(command)), Path.cwd())
    except ValueError as error:
        raise BadInput(f"--command: {error}", hint=_HINT) from None


def from_section(name: str, section: object, file: Path) -> Template:
    """`[engines.NAME]` of a file. Raises InvalidFile naming the place."""
    place = f"engines.{name}"
    if not _NAME.fullmatch(name):
        raise InvalidFile(file, place, "an engine's name is of small letters, digits, dots and dashes")
    told = convert(section, _Section, file, place)
    try:
        key = Path(told.api_key_file).expanduser() if told.api_key_file else None
        return _checked(
            Template(
                name,
                _split(told.command),
                opens=told.opens,
                model=told.model,
                ready=told.ready,
                ready_timeout_ns=parse_duration_ns(told.ready_timeout) if told.ready_timeout else None,
                base="/" + told.base.strip("/") if told.base.strip("/") else "",
                api_key_file=key,
                env=told.env,
                pass_env=tuple(told.pass_env),
                body=told.body,
                caches_prompts=told.caches_prompts,
                listens_itself=told.listens_itself,
            ),
            file.parent,
        )
    except (ValueError, BadInput) as error:
        raise InvalidFile(file, place, str(error), hint=_HINT) from None


_HINT = "write it like 'llama-server -m {model} --port {port}'"


def _split(command: str | list[str]) -> tuple[str, ...]:
    return tuple(command) if isinstance(command, list) else tuple(shlex.split(command))


def _checked(template: Template, folder: Path) -> Template:
    """The template, if it can be started; a relative program counts from the folder. Raises ValueError."""
    if not template.argv or not template.argv[0].strip():
        raise ValueError("the command names no program")
    for text in (*template.argv, *template.env.values()):
        if "\0" in text:
            raise ValueError("a command holds no NUL character")
        for name in PLACEHOLDER.findall(text):
            if name not in PLACEHOLDERS:
                raise ValueError(
                    f"{{{name}}} is no placeholder: there are {', '.join(f'{{{p}}}' for p in PLACEHOLDERS)}"
                )
    if any("{key}" in argument for argument in template.argv):
        raise ValueError("{key} in an argument can be read by every user of this host: put it into a variable, in env")
    if PLACEHOLDER.search(template.argv[0]):
        raise ValueError("the program itself is named, not filled in")
    if not template.uses("port"):
        raise ValueError("the command says nowhere which {port} to open")
    for name in (*template.env, *template.pass_env):
        if not _VARIABLE.fullmatch(name) or (name in template.env and name.endswith("*")):
            raise ValueError(f"{name!r} is no name of a variable")
    if not template.ready.startswith("/"):
        raise ValueError(f"ready is a path such as /health, not {template.ready!r}")
    program = template.argv[0]
    if "/" in program or "\\" in program:  # the place that it was written for, whatever folder a bench starts in
        place = folder.absolute() / Path(program).expanduser()
        return replace(template, argv=(str(place), *template.argv[1:]))
    return template


def filled(template: Template, values: Mapping[str, Any]) -> dict[str, str]:
    """Values of all placeholders but the port, as texts. Raises BadInput for a name that would be read as an option."""
    model = str(values["model"])
    if model.startswith("-") or not model.isprintable() or not model:
        raise BadInput(f"{model!r} is not given to {template.name}: it would be read as an option of it")
    return {name: str(value) for name, value in values.items()}
