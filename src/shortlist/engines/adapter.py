"""A Python class of the user's as an engine: imported, loaded and asked in a child of its own, behind the same wire.

    class CustomModelAdapter:
        def load(self, weights_path: str): ...
        def generate(self, prompt: str, **params) -> str: ...

The parent reads the adapter file and finds the class's source; it never imports it. See `adapter_child`.
"""

import secrets
from dataclasses import fields
from typing import Any, ClassVar

from shortlist import __version__
from shortlist.engines import EngineContext, EngineInfo, LoadSpec
from shortlist.engines.child_engine import ChildEngine
from shortlist.errors import BadInput, EngineNotReady
from shortlist.models.adapters import adapter_variant, entry_adapters, is_adapter, read_adapter
from shortlist.records import Endpoint, EngineOptions

MODULE = "shortlist.engines.adapter_child"


class Adapter(ChildEngine):
    """Whoever has `load` and `generate`."""

    name: ClassVar[str] = "adapter"

    def __init__(self, context: EngineContext) -> None:  # noqa: ARG002 - engines are constructed alike
        super().__init__()

    def probe(self) -> EngineInfo:
        """Always there; what installed packages offer stands among the devices, as `adapter NAME: module:Class`."""
        found = tuple(f"adapter {name}: {target}" for name, target in sorted(entry_adapters().items()))
        return EngineInfo(self.name, True, __version__, found)

    async def open(self, spec: LoadSpec) -> Endpoint:
        """Import and load the class in a fresh child. Raises BadInput for what is no adapter, EngineNotReady."""
        self._refuse_second()
        if spec.path is None or not is_adapter(spec.path):
            raise BadInput(
                f"{spec.label}: engine adapter opens adapter files, and this is none",
                hint="shortlist model add NAME WEIGHTS --adapter module:Class",
            )
        told = read_adapter(spec.path)
        now = adapter_variant(told)
        planned = {file.path: file.sha256 for file in spec.variant.files}
        changed = [f.path for f in now.files if planned.get(f.path, f.sha256) not in (None, f.sha256)]
        if changed:
            raise EngineNotReady(f"{spec.label}: {changed[0]} has changed since this was planned")
        self._key = secrets.token_urlsafe(32)
        config = {
            "key": self._key,
            "alias": spec.model,
            "module": told.module,
            "class": told.name,
            "file": None if told.file is None else str(told.file),
            "weights": None if told.weights is None else str(told.weights),
            "options": _given(spec.options),
            "parallel": spec.parallel,
            "version": now.source or f"sha256:{(now.files[0].sha256 or '')[:12]}",
        }
        child, ready = await self._open_child(MODULE, spec, config)
        facts: dict[str, int | str | bool | None] = {"adapter": told.title, "context": ready.context}
        self._settings = {name: value for name, value in facts.items() if value is not None}
        return self._endpoint(spec, child, ready, ready.capabilities)


def _given(options: EngineOptions) -> dict[str, Any]:
    """Options that somebody asked for: `load` takes them by their names, or they are refused."""
    plain = EngineOptions()
    named = {f.name: getattr(options, f.name) for f in fields(options) if f.name != "extra"}
    return {name: value for name, value in named.items() if value != getattr(plain, name)} | dict(options.extra)
