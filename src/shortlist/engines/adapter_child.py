"""The process that holds a user's class: imported here and nowhere else, served by `wire_child`.

What the class raises is told with its traceback in the log; what it prints goes there too. It ends with its parent, as
every child does, and its own children with it.
"""

import asyncio
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from shortlist.clock import monotonic_ns
from shortlist.engines.adapter_answer import Answers, Taking
from shortlist.engines.command_child import adopt_orphans, kill_descendants
from shortlist.engines.wire_child import serve
from shortlist.errors import EngineNotReady
from shortlist.lifeline import Report, run_child


def _module(config: Mapping[str, Any]) -> ModuleType:
    """The module with the class. Raises whatever its import raises."""
    if config["file"] is None:
        return importlib.import_module(config["module"])
    path = Path(config["file"])
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise EngineNotReady(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses and pickles look their module up there
    spec.loader.exec_module(module)
    return module


def _make(config: Mapping[str, Any]) -> Any:
    """An instance of the class, nothing loaded. Raises EngineNotReady."""
    found: Any = _module(config)
    for part in config["class"].split("."):
        found = getattr(found, part, None)
    if not inspect.isclass(found):
        raise EngineNotReady(f"there is no class {config['class']} in {config['file'] or config['module']}")
    missing = [name for name in ("load", "generate") if not callable(getattr(found, name, None))]
    if missing:
        raise EngineNotReady(f"{config['class']} has no method {' and no '.join(missing)}")
    return found()


def _load(adapter: Any, config: Mapping[str, Any]) -> None:
    """Call `load` with the weights and the options that it takes. Raises EngineNotReady for one that it does not."""
    taking = Taking(adapter.load)
    refused = [name for name in config["options"] if not taking.takes(name)]
    if refused:
        raise EngineNotReady(
            f"{config['class']}.load takes no {', '.join(refused)}: leave that option out, or give it the parameter"
        )
    result = adapter.load(config["weights"], **config["options"])
    if inspect.isawaitable(result):
        asyncio.run(_await(result))


async def _await(result: Any) -> Any:
    return await result


def _main(config: dict[str, Any], report: Report) -> None:
    adopt_orphans()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # what it printed last must be in the log
    try:
        adapter = _make(config)
        began = monotonic_ns()
        _load(adapter, config)
        load_ns = monotonic_ns() - began
        answers = Answers(adapter, config["alias"], config["parallel"])
    except SystemExit as error:
        raise EngineNotReady(f"{config['class']} called sys.exit({error.code!r}) while it was loaded") from None
    device = getattr(adapter, "device", None)

    def tell(url: str) -> None:
        report(
            url,
            device=device if device in ("cpu", "gpu") else None,
            version=config["version"],
            load_ns=load_ns,
            context=answers.wire.context,
            capabilities=list(answers.wire.capabilities),
        )

    serve(answers, config["key"], tell)
    _end(adapter)


def _end(adapter: Any) -> None:
    """Its own `close`, if it has one; then no thread of it keeps the process."""
    close = getattr(adapter, "close", None)
    if callable(close):
        with suppress(Exception):  # it is ended in any case
            close()
    kill_descendants()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    run_child(_main, before_end=kill_descendants)
