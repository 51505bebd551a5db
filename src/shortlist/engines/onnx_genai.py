"""ONNX folders (Foundry Local's format) through ONNX Runtime GenAI, in a child process behind our own wire.

One process per load: the library keeps memory after a model is let go. The child is told by `onnxfolder` alone what the
folder holds; nothing in it is run as code.
"""

import importlib.util
import secrets
from typing import Any, ClassVar

from shortlist.engines import EngineContext, EngineInfo, LoadSpec, refuse_options
from shortlist.engines.asking import plain
from shortlist.engines.child_engine import ChildEngine, probe_child
from shortlist.errors import BadInput, EngineNotReady
from shortlist.machine import default_threads
from shortlist.onnxfolder import OnnxFolder, read_folder
from shortlist.records import Endpoint

MODULE = "shortlist.engines.onnx_genai_child"
INSTALL = "pip install 'shortlist[onnx]'"
MAX_DEFAULT_CONTEXT = 4096
CAPABILITIES = (
    "cached_tokens", "chat", "ignore_eos", "json_object", "json_schema", "repeat_penalty", "seed", "stop", "stream",
    "top_k", "usage",
)  # fmt: skip
_PACKAGE = "onnxruntime_genai"
_HONOURED = frozenset({"device", "threads", "context"})


class OnnxGenai(ChildEngine):
    """ONNX Runtime GenAI. Execution providers other than the processor's were never run by us."""

    name: ClassVar[str] = "onnx_genai"
    package: ClassVar[str] = "onnxruntime-genai"
    tunable: ClassVar[tuple[str, ...]] = ("threads",)  # what `tune` may try

    def __init__(self, context: EngineContext) -> None:  # noqa: ARG002 - engines are constructed alike
        super().__init__()

    def probe(self) -> EngineInfo:
        """Asked of a short-lived child: the library is large, and a driver that it wakes may take its process down."""
        if importlib.util.find_spec(_PACKAGE) is None:
            return EngineInfo(self.name, available=False, reason=f"not installed: {INSTALL}")
        return probe_child(self.name, MODULE, "onnxruntime-genai")

    async def open(self, spec: LoadSpec) -> Endpoint:
        """Read the folder's manifests within bounds, then load it in a fresh child."""
        self._refuse_second()
        if spec.path is None or not spec.path.is_dir():
            raise BadInput(f"{spec.label}: engine {self.name} opens ONNX folders, and this is none")
        if importlib.util.find_spec(_PACKAGE) is None:
            told = f"{spec.label} is an ONNX model, and onnxruntime-genai is not installed: {INSTALL}"
            raise EngineNotReady(told, hint=INSTALL)
        config = self._configure(spec, read_folder(spec.path))
        child, ready = await self._open_child(MODULE, spec, config)
        return self._endpoint(spec, child, ready, CAPABILITIES)

    def _configure(self, spec: LoadSpec, folder: OnnxFolder) -> dict[str, Any]:
        options = plain(spec.options)
        refuse_options(self.name, options, "ONNX Runtime GenAI has no such setting", _HONOURED)
        context = options.context or min(folder.context_length, MAX_DEFAULT_CONTEXT)
        if not 1 <= context <= folder.context_length:
            raise BadInput(f"{spec.label}: a context of {context} was asked, the model has {folder.context_length}")
        self._settings = {
            "threads": options.threads or default_threads(),
            "context": context,
            "parallel": spec.parallel,
        }
        self._key = secrets.token_urlsafe(32)
        return {
            **self._settings,
            "path": str(folder.path.resolve()),
            "template": folder.template,
            "providers": folder.providers,
            "device": options.device,
            "key": self._key,
            "alias": spec.model,
        }
