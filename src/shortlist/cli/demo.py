"""`shortlist demo`: the whole job on three built-in models, offline."""

from pathlib import Path
from typing import Any

import click

from shortlist import demo, settings
from shortlist.cli.bench import run_bench
from shortlist.cli.choose import AskedNeeds
from shortlist.cli.output import say
from shortlist.cli.planning import Asked

NEEDS = AskedNeeds(typed=("p95<2s", "memory<1GB"), prefer="quality,latency")
"""What the demo asks of a note-taking model."""


@click.command(name="demo")
@click.option("--rounds", type=int, help="Rounds; each starts a fresh engine per model. [3]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the report. [shortlist-RUN]")
@click.option("--ascii/--no-ascii", "is_ascii", default=None, help="Plain ASCII output.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(*, rounds: int | None, out: Path | None, is_ascii: bool | None, as_json: bool) -> int:
    """Bench three small models of our own on thirty meeting notes, offline.

    They show the method; they are not a taste of local LLMs.
    """
    flags: dict[str, Any] = {
        "rounds": 3 if rounds is None else rounds,
        "max_tokens": 48,
        "temperature": 0,
        "stream": True,
        "engine": "llamacpp",
        "ascii": is_ascii,
    }
    loaded = settings.load().with_flags(flags)
    # The demo is about our own three models, whatever the environment says of endpoints, prompts and loads.
    loaded = loaded.without("endpoint", "prompt", "context", "concurrency", "rate")
    say("Three small models of our own read meeting notes: decision, owner, deadline.")
    say("They show the method; they are not a taste of local LLMs.")
    asked = Asked(
        models=demo.demo_names(), prompts=demo.demo_prompts_path(), name="demo", out=out, as_json=as_json, needs=NEEDS
    )
    return run_bench(loaded, asked)
