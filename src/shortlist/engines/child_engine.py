"""What the engines that own a child process have in common: one child at a time, and what is asked of it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from shortlist.engines import LoadSpec, check_device
from shortlist.errors import EngineCrashed, EngineError
from shortlist.process import Child, ChildSpec, Ready, module_argv


class ChildEngine:
    """Opens, watches and ends one child at a time; an engine adds what the child is told and what it can do."""

    name: ClassVar[str]
    needs_nonce: ClassVar[bool] = False

    def __init__(self) -> None:
        self._child: Child | None = None
        self._load_ns: int | None = None

    def _refuse_second(self) -> None:
        """Raise EngineError while a model is open; before `open` changes anything that belongs to it."""
        if self._child is not None:
            raise EngineError(f"{self.name} has a model open; close it first")

    async def _open_child(self, module: str, spec: LoadSpec, config: Mapping[str, Any]) -> tuple[Child, Ready]:
        """Start `module` and wait until it serves on the device asked for. Nothing is left when this raises."""
        self._load_ns = None
        self._child = child = await Child.start(ChildSpec(spec.label, module_argv(module), spec.log_dir, config))
        is_open = False
        try:
            ready = await child.ready(spec.timeout_ns)
            check_device(spec.label, spec.options, ready.device)
            is_open = True
        finally:
            if not is_open:
                await self.close()
        self._load_ns = ready.load_ns
        return child, ready

    async def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            await child.stop()

    @property
    def load_ns(self) -> int | None:
        """How long the model took to open inside the child; neither Python's start nor an import."""
        return self._load_ns

    def pids(self) -> tuple[int, ...]:
        """The child and whatever it started."""
        return self._child.tree_pids() if self._child else ()

    async def crash(self, within_ns: int = 0) -> EngineCrashed | None:
        """How the child ended, if untold."""
        return await self._child.crash(within_ns) if self._child else None

    def log_tail(self) -> str:
        """The end of the child's log."""
        return self._child.log_tail() if self._child else ""
