"""`shortlist doctor`: what works here, what does not, and the command that mends it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from shortlist import settings as settings_file
from shortlist.cli.output import emit, emit_json, wants_ascii
from shortlist.errors import ShortlistError
from shortlist.settings import Settings

if TYPE_CHECKING:
    from shortlist.cli.doctor_checks import Finding

_GLYPHS = {"ok": ("✓", "+"), "warn": ("!", "!"), "fail": ("✕", "x")}
_WIDTH = 80
_CHECKED = "notes-small"


@click.command(name="doctor")
@click.argument("models", nargs=-1)
@click.option("--no-chat", is_flag=True, help="Load no model.")
@click.option("--no-network", is_flag=True, help="Ask nothing of the Hub.")
@click.option("--timeout", help="Longest silence of a model, as 120s or 2m. [120s]")
@click.option("--ascii/--no-ascii", "ascii", default=None, help="Plain ASCII output.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, models: tuple[str, ...], no_chat: bool, no_network: bool, as_json: bool, **flags: Any) -> int:
    """What works here, what does not, and the command that mends it.

    Settings, disk, memory, port, engines, devices, cache, licence policy, network; then one chat with each MODEL (none
    named: those of the setting `models`, else the smallest demo model). Exit 1 where something fails; a warning is
    none. Works offline.
    """
    from shortlist.cli.doctor_checks import Finding

    settings: Settings | None = None
    found: list[Finding] = []
    try:
        settings = settings_file.load().with_flags(flags)
    except ShortlistError as error:
        found.append(Finding("settings", "fail", error.message, error.hint or "shortlist config list"))
    if settings is None:
        _show(found[0], is_ascii=wants_ascii(asked=False), as_json=as_json)
    else:
        is_ascii, targets = wants_ascii(settings.ascii), () if no_chat else models or settings.models or (_CHECKED,)
        for finding in _findings(settings, targets, asks_hub=not no_network):
            found.append(finding)
            _show(finding, is_ascii=is_ascii, as_json=as_json)
    failed = sum(finding.state == "fail" for finding in found)
    if as_json:
        emit_json("shortlist-doctor", {"findings": found, "failed": failed})
    else:
        warned = sum(finding.state == "warn" for finding in found)
        emit(f"{len(found)} checks: {failed} failed, {warned} to look at")
    return 1 if failed else 0


def _findings(settings: Settings, models: tuple[str, ...], *, asks_hub: bool) -> Iterator["Finding"]:
    from shortlist.cli.doctor_chat import check_chat
    from shortlist.cli.doctor_checks import check_host
    from shortlist.cli.doctor_models import check_models

    yield from check_host(settings)
    yield from check_models(settings, asks_hub=asks_hub)
    for model in models:
        yield check_chat(settings, model)


def _show(finding: "Finding", *, is_ascii: bool, as_json: bool) -> None:
    """One finding, told as soon as it is known: glyph and word, then what to type."""
    import textwrap

    if as_json:
        return
    glyph = _GLYPHS[finding.state][is_ascii]
    head = f"{glyph} {finding.state:<5}{finding.name:<10}"
    shown = textwrap.wrap(finding.told, _WIDTH - len(head)) or [""]
    for number, line in enumerate(shown):
        emit((head if number == 0 else " " * len(head)) + line, asked_ascii=is_ascii)
    if finding.fix:
        for number, line in enumerate(textwrap.wrap(finding.fix, _WIDTH - len(head) - 3, break_on_hyphens=False)):
            emit(f"{'':<{len(head)}}{'→' if number == 0 else ' '} {line}", asked_ascii=is_ascii)
