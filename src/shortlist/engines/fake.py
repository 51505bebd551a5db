"""An engine without a model: a server of our own whose every write is scheduled and logged, to check clients against.

The model's name is its script (`fake_script`). The log is JSON Lines, one write each: `request` (X-Request-Id, else
`request_id` in the body, else a number), `index` and `kind` of the frame, `scheduled_ns`, `written_ns`, `bytes`.
It is complete when the engine was closed, and whenever no reply is under way.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import ClassVar

from shortlist import __version__
from shortlist.engines import EngineContext, EngineInfo, LoadSpec, refuse_options
from shortlist.engines.child_engine import ChildEngine
from shortlist.engines.fake_script import FakeScript
from shortlist.process import log_stem
from shortlist.records import Endpoint

MODULE = "shortlist.engines.fake_child"
CAPABILITIES = ("cached_tokens", "chat", "ignore_eos", "seed", "stop", "stream", "usage")


class Fake(ChildEngine):
    """The known-truth engine."""

    name: ClassVar[str] = "fake"

    def __init__(self, context: EngineContext) -> None:  # noqa: ARG002 - engines are constructed alike
        super().__init__()
        self.write_log: Path | None = None

    def probe(self) -> EngineInfo:
        """Always there."""
        return EngineInfo(self.name, available=True, version=__version__, devices=("cpu: none needed",))

    async def open(self, spec: LoadSpec) -> Endpoint:
        """Start the server. Raises BadInput for a script that cannot be read."""
        self._refuse_second()
        why = "it computes nothing; its script says what it does"
        # Threads are taken: it answers alike on any number of them.
        refuse_options(self.name, spec.options, why, frozenset({"device", "context", "threads"}))
        script = FakeScript.parse(spec.model)
        if spec.options.context is not None:
            script = replace(script, context=spec.options.context)
        self.write_log = Path(script.log or spec.log_dir / f"{log_stem(spec.label)}.writes.jsonl")
        context = {"context": script.context} if script.context else {}
        self._settings = {"write_log": str(self.write_log), **context}
        config = {"script": asdict(script), "log": str(self.write_log), "version": __version__}
        child, ready = await self._open_child(MODULE, spec, config)
        return self._endpoint(spec, child, ready, CAPABILITIES)
