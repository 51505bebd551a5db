"""`shortlist route explain`: which model would answer, and why."""

import asyncio
from pathlib import Path
from typing import Any

import click

from shortlist import settings as settings_file
from shortlist.cli.output import emit, emit_json


@click.command(name="explain")
@click.argument("text")
@click.option("--model", default="auto", show_default=True, metavar="NAME", help="auto, auto:TAG,..., or a route.")
@click.option("--max-tokens", type=click.IntRange(1), help="Tokens that the answer may take.")
@click.option("--json-schema", "wants_json", is_flag=True, help="The answer must follow a JSON Schema.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, text: str, model: str, max_tokens: int | None, wants_json: bool, as_json: bool) -> int:
    """Which model would answer TEXT, who is next when it fails, and why the others are not asked.

    Asks the running service, which knows what is loaded; without one, nothing is. Exit code 1: no model can answer.
    """
    features = ["chat", *(["json_schema"] if wants_json else [])]
    request = {"text": text, "model": model, "max_tokens": max_tokens, "features": features}
    told, is_running = _ask(request)
    if as_json:
        emit_json("shortlist-route", {**told, "service_runs": is_running})
    else:
        _show(told, is_running=is_running)
    return 0 if told["pick"] else 1


def _ask(request: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    from shortlist.serve import client
    from shortlist.serve.files import Files

    settings = settings_file.load()
    found = client.find(Files(settings.home))
    if found is not None:
        return found.route(request), True
    from shortlist.serve.explaining import RouteRequest, explain_alone

    return asyncio.run(explain_alone(settings, Path.cwd(), RouteRequest(**request))), False


def _show(told: dict[str, Any], *, is_running: bool) -> None:
    wanted = [*told["tags"], *([f"{told['context']} tokens"] if told["context"] else [])]
    wanted += [name for name in told["features"] if name != "chat"] + (["commercial use"] if told["commercial"] else [])
    emit(f"{told['model']}: {', '.join(wanted) or 'any model'}")
    if told["from_run"]:
        emit(f"  set from run {told['from_run']} ({told['verdict']})")
    for number, place in enumerate(told["order"], 1):
        emit(f"  {number}. {place['model']}: {place['why']}")
    for one in told["excluded"]:
        emit(f"  -  {one['model']}: {one['reason']}")
    if not told["order"]:
        emit("  no model can answer")
    if not is_running:
        emit("no service runs: nothing counts as loaded")
