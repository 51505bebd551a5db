"""What the engines that own a child process have in common: one child at a time, and what is asked of it."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from shortlist.engines import EngineInfo, LoadSpec, check_device
from shortlist.environment import child_environment
from shortlist.errors import EngineCrashed, EngineError
from shortlist.process import Child, ChildSpec, Ready, module_argv
from shortlist.records import Endpoint, Generation

_PROBE_LIMIT_S = 60


def probe_child(name: str, module: str, library: str) -> EngineInfo:
    """What a short-lived child says of its library (`module --probe`): it prints version, devices and acceleration."""
    argv = [*module_argv(module), "--probe"]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_PROBE_LIMIT_S, env=child_environment(), check=False
        )
        found = json.loads(done.stdout)
        return EngineInfo(name, True, found["version"], tuple(found["devices"]), tuple(found["acceleration"]))
    except subprocess.TimeoutExpired:
        reason = f"{library} did not answer within {_PROBE_LIMIT_S} s"
    except (ValueError, KeyError, TypeError):
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = f"{library} cannot be used: {lines[-1] if lines else f'exit status {done.returncode}'}"
    return EngineInfo(name, available=False, reason=reason)


class ChildEngine:
    """Opens, watches and ends one child at a time; an engine adds what the child is told and what it can do."""

    name: ClassVar[str]
    needs_nonce: ClassVar[bool] = False

    def __init__(self) -> None:
        self._child: Child | None = None
        self._load_ns: int | None = None
        self._key = ""
        self._settings: Mapping[str, int | str | bool] = {}

    def _refuse_second(self) -> None:
        """Raise EngineError while a model is open; before `open` changes anything that belongs to it."""
        if self._child is not None:
            raise EngineError(f"{self.name} has a model open; close it first")

    async def _open_child(self, module: str, spec: LoadSpec, config: Mapping[str, Any]) -> tuple[Child, Ready]:
        """Start `module` and wait until it serves on the device asked for. Nothing is left when this raises."""
        self._load_ns = None
        told = ChildSpec(spec.label, module_argv(module), spec.log_dir, config, data_bytes=spec.data_bytes)
        self._child = child = await Child.start(told)
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

    def _endpoint(self, spec: LoadSpec, child: Child, ready: Ready, capabilities: Sequence[str]) -> Endpoint:
        """Where the child serves, as it said itself."""
        return Endpoint(
            base_url=f"{ready.url}/v1",
            model=spec.model,
            pid=child.pid,
            engine=self.name,
            engine_version=ready.version,
            device=ready.device,
            capabilities=tuple(capabilities),
        )

    def request_headers(self) -> Mapping[str, str]:
        """The key that this process made up for its child, where it made one."""
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    def extra_body(self, generation: Generation) -> Mapping[str, Any]:
        """No stop at the end token for a fixed length."""
        return {} if generation.fixed_tokens is None else {"ignore_eos": True}

    @property
    def settings(self) -> Mapping[str, int | str | bool]:
        """What `open` settled on, as the child was told."""
        return self._settings

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
