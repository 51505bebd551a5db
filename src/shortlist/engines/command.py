"""Any program that opens an OpenAI port, as an engine: started by a supervisor of ours, asked until it serves, ended.

Its command comes from `--command`, from `[engines.NAME]` of the shortlist.toml in SHORTLIST_HOME, or from a preset;
never from a models.json, a request, a stored run or a file of the working folder. See `template`, `command_child`.
"""

import asyncio
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from shortlist import settings
from shortlist.engines import COMMAND, EngineContext, EngineInfo, LoadSpec, refuse_options
from shortlist.engines.child_engine import ChildEngine
from shortlist.engines.presets import PRESETS, SERVICES, on_path, version_of
from shortlist.engines.remote import read_key
from shortlist.engines.template import Template, filled, from_flag, from_section
from shortlist.environment import foreign_environment
from shortlist.errors import BadInput
from shortlist.machine import default_threads
from shortlist.records import Endpoint, EngineOptions, Generation

MODULE = "shortlist.engines.command_child"
_DEFAULT_CONTEXT = 4096
_ALL_LAYERS = 999
_OPTIONS = {"threads": ("threads",), "context": ("context", "total_context"), "gpu_layers": ("gpu_layers",)}


class Command(ChildEngine):
    """A foreign program. A class made by `named` has its template; the bare one takes `--command`."""

    name: ClassVar[str] = "command"
    needs_nonce: ClassVar[bool] = True
    takes_names: ClassVar[bool] = False
    told: ClassVar[Template | None] = None

    def __init__(self, context: EngineContext) -> None:
        super().__init__()
        self.template = self.told or (from_flag(context.command) if context.command else None)
        self._key_file = self.template.api_key_file if self.template else None
        if self.told is None and context.api_key_file is not None:
            self._key_file = context.api_key_file
        self._headers: Mapping[str, str] = {}

    @property
    def command(self) -> str | None:
        """The command as it stands in plans: with its placeholders."""
        return self.template.stamp if self.template else None

    def probe(self) -> EngineInfo:
        """Whether the program is there; its version where it tells that at once. What it computes on is not known."""
        if self.template is None:
            return EngineInfo(self.name, available=False, reason="no --command was given")
        program = self.template.argv[0]
        if shutil.which(program) is None:
            return EngineInfo(self.name, available=False, reason=f"there is no program {program}")
        return EngineInfo(self.name, True, version_of(self.template))

    async def open(self, spec: LoadSpec) -> Endpoint:
        """Start the program and wait until it serves. Raises BadInput, EngineNotReady with its log, DeviceMismatch."""
        self._refuse_second()
        if self.template is None:
            raise BadInput("engine command starts a program, and none was named", hint=_HINT)
        template, values = self.template, self._values(self.template, spec)
        key = values["key"] if template.uses("key") else read_key(self._key_file) if self._key_file else None
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        version = await asyncio.to_thread(version_of, template)
        config = {
            "argv": template.argv,
            "env": {**foreign_environment(template.pass_env), **template.env},
            "values": values,
            "ready": template.ready,
            "base": template.base,
            "headers": self._headers,
            "wanted": list(dict.fromkeys((spec.model, values["model"]))),
            "model": None if template.model is None else template.model.replace("{model}", values["model"]),
            "listens_itself": template.listens_itself,
        }
        child, ready = await self._open_child(MODULE, _patient(spec, template), config)
        self._settings = {**self._settings, "model_id": ready.model or "", "start_ns": ready.start_ns or 0}
        return Endpoint(
            base_url=ready.url,
            model=ready.model or spec.model,
            pid=next(iter(self.pids()), child.pid),
            engine=self.name,
            engine_version=version or ready.version,
            device=ready.device,
            capabilities=template.capabilities,
        )

    def request_headers(self) -> Mapping[str, str]:
        """The key, if it wants one."""
        return self._headers

    def extra_body(self, generation: Generation) -> Mapping[str, Any]:
        """What the template says, and a fixed length in the words that such servers share."""
        body = dict(self.template.body) if self.template else {}
        if generation.fixed_tokens is not None:
            body |= {"ignore_eos": True, "min_tokens": generation.fixed_tokens}
        return body

    def pids(self) -> tuple[int, ...]:
        """The program and its children, adopted ones too; not our supervisor, whose memory is none of the engine's."""
        return super().pids()[1:]

    def _values(self, template: Template, spec: LoadSpec) -> dict[str, str]:
        """What the placeholders stand for. Raises BadInput for an option that the command has no place for."""
        options = spec.options
        allowed = {option for option, places in _OPTIONS.items() if any(template.uses(p) for p in places)}
        why = f"its command has no place for it: {template.text}"
        # The device is not the command's to promise: it is checked against what the endpoint says.
        refuse_options(self.name, options, why, frozenset({"device", COMMAND, *allowed}))
        _check_stamp(self.name, template, options)
        if template.opens == "file" and spec.path is None:
            raise BadInput(f"{spec.label}: engine {self.name} opens a model file, and there is none")
        context = options.context or _trained(spec.path)
        values: dict[str, int] = {
            "context": context,
            "total_context": context * spec.parallel,
            "parallel": spec.parallel,
            "threads": options.threads or default_threads(),
            "gpu_layers": 0
            if options.device == "cpu"
            else _ALL_LAYERS
            if options.gpu_layers is None
            else options.gpu_layers,
        }
        used = {name: value for name, value in values.items() if template.uses(name)}
        self._settings = {"command": template.text, **used}
        model = str(spec.path) if template.opens == "file" else spec.model
        return filled(template, {**values, "model": model, "key": secrets.token_urlsafe(32)})


_HINT = "--engine command --command 'llama-server -m {model} --port {port}', or [engines.NAME] in SHORTLIST_HOME"


def _patient(spec: LoadSpec, template: Template) -> LoadSpec:
    return spec if template.ready_timeout_ns is None else replace(spec, timeout_ns=template.ready_timeout_ns)


def _check_stamp(name: str, template: Template, options: EngineOptions) -> None:
    """Raise BadInput for options that are not ours, or for a plan that was made with another command."""
    for key, value in options.extra.items():
        if key != COMMAND:
            raise BadInput(f"engine {name} has no option {key!r}", hint="write it into the command")
        if value != template.stamp:
            raise BadInput(f"engine {name} was {value} when this was planned, and is {template.stamp}")


def _trained(path: Path | None) -> int:
    """Tokens of context where nobody says: the model's own where its header tells, 4096 at most."""
    from shortlist.gguf import read_header

    if path is None or path.suffix.lower() != ".gguf":
        return _DEFAULT_CONTEXT
    return min(read_header(path).context_length or _DEFAULT_CONTEXT, _DEFAULT_CONTEXT)


# --- by name ----------------------------------------------------------------------------------------------------------


def names() -> tuple[str, ...]:
    """Engines that a user's file or the PATH adds: sections first. Raises InvalidFile."""
    _, sections = settings.engine_sections()
    return tuple(dict.fromkeys((*sections, *on_path())))


def named(name: str) -> type[Command] | None:
    """The engine of a section or of a preset; None where there is neither. Raises InvalidFile, BadInput."""
    file, sections = settings.engine_sections()
    if name in sections:
        template = from_section(name, sections[name], file)
    elif name in PRESETS:
        template = PRESETS[name]
    elif name in SERVICES:
        raise BadInput(f"{name} cannot be an engine: {SERVICES[name]}")
    else:
        return None
    told = {
        "name": name,
        "told": template,
        "needs_nonce": template.caches_prompts,
        "takes_names": template.opens == "name",
        "__doc__": f"The program {template.argv[0]}.",
    }
    return type("Command", (Command,), told)
