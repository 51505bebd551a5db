"""`shortlist init`: a prompts.json, models.json and needs.toml that work as they are."""

import json
from pathlib import Path

import click

from shortlist import demo
from shortlist.cli.output import emit, say
from shortlist.errors import BadInput

NEEDS = """\
# What the model must meet; each is judged by its interval: pass, fail or cannot tell.
needs = [
  "latency.p95 < 2s",      # 95 of 100 summaries are there within two seconds
  "memory < 1GB",          # peak resident memory, so that the notes app keeps its share
  "licence = commercial",  # permissive and attribution licences pass
  # "facets >= 0.85",      # with 13 meetings even perfect answers prove no more than 0.75: bring more notes first
]

[prefer]
order = ["quality", "latency"]  # what comes first, once the needs are met

[margins]                       # within these, two candidates are called equivalent
speed = 0.05
memory = 0.05
facets = 0.05
rating = 0.25
"""


def _models() -> str:
    models = {
        name: {
            "capabilities": ["chat", "summarise"],
            "size_mb": round(demo.demo_model_path(name).stat().st_size / 1e6, 2),
            "source": name,
        }
        for name in demo.demo_names()
    }
    return json.dumps({"version": 1, "models": models, "prompts": "prompts.json"}, indent=2) + "\n"


@click.command(name="init")
@click.argument("folder", default=".", type=click.Path(path_type=Path))
def command(*, folder: Path) -> None:
    """Write prompts.json, models.json and needs.toml to start from.

    The scenario: which small model should summarise meeting notes offline? The thirty notes, the three demo models and
    the needs work as they are; replace them by your own, one after the other.
    """
    files = {
        "prompts.json": demo.demo_prompts_path().read_text(encoding="utf-8"),
        "models.json": _models(),
        "needs.toml": NEEDS,
    }
    there = [name for name in files if (folder / name).exists()]
    if there:
        raise BadInput(f"{folder / there[0]} is there already", hint="shortlist init ANOTHER-FOLDER")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
            emit(str(folder / name))
    except OSError as error:
        raise BadInput(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    say(f"next: shortlist bench --models {folder / 'models.json'} --needs {folder / 'needs.toml'}")
