"""`shortlist service start`."""

from pathlib import Path
from typing import Any

import click

from shortlist import settings as settings_file
from shortlist.cli.output import emit
from shortlist.errors import Interrupted

SETTINGS = ("host", "port", "idle_timeout", "keep_alive", "pin", "parallel", "queue", "turn", "drain", "prompt_cache",
            "context", "threads", "device", "engine", "memory_limit")  # fmt: skip


@click.command(name="start")
@click.option("--foreground", is_flag=True, help="Stay in this terminal, and log there.")
@click.option("--host", help="Address to listen on. [127.0.0.1 and ::1]")
@click.option("--port", type=int, help="Port; 0: the system chooses. [5273]")
@click.option("--pin", help="Models to load now and never to unload, with commas between.")
@click.option("--idle-timeout", help="Unload a model that nobody has used for so long. [10m]")
@click.option("--keep-alive", help="Keep what is loaded, and send it a light prompt this often.")
@click.option("--parallel", type=int, help="Requests that a model works on at once. [4]")
@click.option("--queue", type=int, help="Requests that may wait. [256]")
@click.option("--turn", help="How long a model keeps memory that another waits for. [10s]")
@click.option("--drain", help="How long a stop lets requests finish. [30s]")
@click.option("--prompt-cache/--no-prompt-cache", default=None, help="Keep each slot's last prompt. [keep]")
@click.option("--context", type=int, help="Tokens of context for each request. [the model's, 4096 at most]")
@click.option("--threads", type=int, help="Threads of each engine. [physical cores]")
@click.option("--device", help="cpu, gpu or auto. [auto]")
@click.option("--engine", help="What opens GGUF files. [llamacpp]")
@click.option("--memory-limit", help="Memory that models may take in all, as 4GB. [what is free]")
def command(**options: Any) -> None:
    """Start the service, and return when it answers.

    It listens on this machine alone, on port 5273. A second start changes nothing.
    """
    settings = settings_file.load().with_flags({name: options[name] for name in SETTINGS})
    run_foreground(settings)


def run_foreground(settings: settings_file.Settings) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    import asyncio
    import logging

    from shortlist.serve.server import new_loop
    from shortlist.serve.service import Service

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with asyncio.Runner(loop_factory=new_loop) as runner:

        async def main() -> None:
            await Service(settings, Path.cwd()).run(lambda running: emit(f"running at {', '.join(running.urls)}"))

        try:
            runner.run(main())
        except KeyboardInterrupt:
            raise Interrupted("interrupted") from None
