"""One real chat with a model, as a finding: opened in an engine, asked, and an answer came."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from shortlist.cli.doctor_checks import Finding
from shortlist.errors import DoesNotFit, InvalidModel, LicenceRefused, NotDownloaded, ShortlistError
from shortlist.records import Generation
from shortlist.settings import Settings

if TYPE_CHECKING:
    from shortlist.chat.conversation import Answer
    from shortlist.engines import Engine, LoadSpec

_QUESTION = "Reply with the word ready."
_MAX_TOKENS = 16


def check_chat(settings: Settings, model: str) -> Finding:
    """Resolve, admit, open, ask; what fails is told with what mends it."""
    from shortlist.cli.model_run import prepare
    from shortlist.units import duration, rate

    try:
        engine, spec = prepare(settings, model)
        spec = replace(spec, options=replace(spec.options, prefix_cache=False))
        answer, load_ns, device = asyncio.run(_chat(engine, spec, settings))
    except ShortlistError as error:
        return Finding("chat", "fail", f"{model}: {error.message}", error.hint or _fix(error, model))
    if not answer.completion_tokens and not answer.text:
        return Finding("chat", "fail", f"{model}: an empty answer", f"shortlist model run {model}")
    speed = f", {rate(answer.tokens_per_s)} tok/s" if answer.tokens_per_s else ""
    loaded = f"loaded in {duration(load_ns)}, " if load_ns else ""
    tokens = answer.completion_tokens if answer.completion_tokens is not None else "uncounted"
    return Finding("chat", "ok", f"{model}: {loaded}{tokens} tokens{speed}, on {device or 'a device it does not name'}")


def _fix(error: ShortlistError, model: str) -> str:
    if isinstance(error, NotDownloaded):
        return f"shortlist model download {model}"
    if isinstance(error, DoesNotFit):
        return "shortlist model list --fits"
    if isinstance(error, LicenceRefused):
        return f"shortlist model info {model} --licence"
    if isinstance(error, InvalidModel):
        return f"shortlist cache verify {model}"
    return f"shortlist model run {model}"


async def _chat(engine: "Engine", spec: "LoadSpec", settings: Settings) -> "tuple[Answer, int | None, str | None]":
    from shortlist.chat.conversation import Asking, Conversation

    asking = Asking(Generation(_MAX_TOKENS), silence_ns=settings.timeout)
    try:
        endpoint = await engine.open(spec)
        answer = await Conversation(engine, endpoint, asking).ask(_QUESTION, lambda _: None)
        return answer, engine.load_ns, endpoint.device
    finally:
        await engine.close()
