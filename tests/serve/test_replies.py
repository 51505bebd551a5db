"""Errors as replies: each kind has a status and a code, and says when to come again where that helps."""

import json
import subprocess
import sys

import msgspec
import pytest

from shortlist import errors
from shortlist.environment import child_environment
from shortlist.serve.replies import problem

EXAMPLES = [
    (errors.UnknownName("model", "gpt", ["a"]), 404, "model_not_found"),
    (errors.NotDownloaded("known, not here"), 404, "model_not_found"),
    (errors.InvalidModel("cut short"), 400, "invalid_model"),
    (errors.BadInput("wrong"), 400, "invalid_request"),
    (errors.BadRequest("wrong", param="n", code="invalid_value", status=413), 413, "invalid_value"),
    (errors.ContextOverflow("too long", status=400), 400, "context_length_exceeded"),
    (errors.LicenceRefused("no"), 403, "licence_refused"),
    (errors.DoesNotFit("5 GB needed"), 507, "does_not_fit"),
    (errors.QueueFull("full", 7), 429, "queue_full"),
    (errors.HostBusy("a bench"), 503, "host_busy"),
    (errors.EngineCrashed("gone"), 502, "engine_crashed"),
    (errors.EngineNotReady("no"), 502, "engine_failed"),
    (errors.RequestTimeout("slow"), 504, "engine_timeout"),
    (errors.BrokenStream("odd"), 502, "engine_failed"),
    (errors.ErrorReply("it says no", status=400), 400, "invalid_request"),
    (errors.ErrorReply("it has no such model", status=404), 404, "model_not_found"),
    (errors.ErrorReply("it is full", status=429), 429, "queue_full"),
    (errors.ErrorReply("our key is wrong", status=401), 502, "engine_failed"),
    (errors.ErrorReply("it fails", status=500), 502, "engine_failed"),
    (errors.StoreError("disk"), 500, "internal_error"),
]


@pytest.mark.parametrize(("error", "status", "code"), EXAMPLES, ids=[f"{type(e).__name__}-{s}" for e, s, _ in EXAMPLES])
def test_each_error_has_its_status_and_code(error: errors.ShortlistError, status: int, code: str) -> None:
    reply = problem(error).reply()
    told = json.loads(reply.body)["error"]
    assert (reply.status, told["code"]) == (status, code)
    assert error.message in told["message"]
    assert told["type"].endswith("_error")


def test_who_has_to_wait_is_told_how_long() -> None:
    assert (b"retry-after", b"7") in problem(errors.QueueFull("full", 7)).headers
    assert any(name == b"retry-after" for name, _ in problem(errors.HostBusy("a bench")).headers)
    assert problem(errors.EngineCrashed("gone")).headers == ()


def test_the_hint_is_told_too() -> None:
    told = problem(errors.NotDownloaded("known, not here", hint="shortlist model download x")).message
    assert told == "known, not here (shortlist model download x)"


def test_the_serving_process_imports_nothing_heavy() -> None:
    heavy = ("numpy", "sqlalchemy", "rich", "huggingface_hub", "xllamacpp", "jsonschema")
    program = f"import shortlist.serve.service, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True, env=child_environment()
    )
    assert msgspec.json.decode(done.stdout.replace("'", '"')) == []
