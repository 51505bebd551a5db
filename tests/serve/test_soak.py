"""A minute of the soak, and that its judge sees what it is there for; `make soak` takes ten minutes."""

import json
import logging
from pathlib import Path

import pytest

from serve.soak.soak import Plan, soak, told
from serve.soak.truth import Question
from serve.soak.verdicts import Wrong, of_chat
from serve.soak.watching import line_through
from serve.soak.wire import Got

log = logging.getLogger(__name__)

QUESTION = Question("notes-small", "n-001", "Summarise.", 8)
KNOWN = {"Decision: yes."}
HEADERS = {"x-request-id": "mine", "x-shortlist-model": "notes-small"}
STREAM = HEADERS | {"content-type": "text/event-stream"}


def whole(text: str, **headers: str) -> Got:
    body = {"model": "notes-small", "choices": [{"message": {"content": text}}]}
    return Got(200, HEADERS | headers, json.dumps(body).encode())


def stream(*texts: str, end: str = "[DONE]") -> Got:
    events = [json.dumps({"choices": [{"delta": {"content": text}}]}) for text in texts]
    return Got(200, STREAM, "".join(f"data: {event}\n\n" for event in [*events, end] if event).encode())


def error(code: str, status: int = 200, headers: dict[str, str] = HEADERS) -> Got:
    told = {"message": "it ended", "type": "server_error", "param": None, "code": code}
    return Got(status, headers, json.dumps({"error": told}).encode())


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(600)
def test_a_minute_of_mixed_traffic_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    found = soak(tmp_path, Plan(seconds=60, kill_every_s=10))
    log.info("%s", "\n".join(told(found)))
    assert not found.failures, "\n".join([*told(found), *found.failures])


@pytest.mark.parametrize(
    ("got", "outcome"),
    [
        (whole("Decision: yes."), "answered"),
        (stream("Decision", ": yes."), "streamed"),
        (stream("Decision", end=error("engine_crashed").body.decode()), "engine_crashed in the stream"),
        (Got(200, STREAM, stream("Decision").body, is_left=True), "left"),
        (error("engine_crashed", 502), "engine_crashed"),
        (error("queue_full", 429, HEADERS | {"retry-after": "1"}), "queue_full"),
    ],
)
def test_what_is_right_is_counted(got: Got, outcome: str) -> None:
    assert of_chat(QUESTION, got, "mine", KNOWN) == outcome


@pytest.mark.parametrize(
    "got",
    [
        pytest.param(whole("Decision: no."), id="another text"),
        pytest.param(whole("Decision: yes.", **{"x-request-id": "yours"}), id="another request's reply"),
        pytest.param(whole("Decision: yes.", **{"x-shortlist-model": "notes-large"}), id="another model"),
        pytest.param(stream("Decision"), id="a stream that is short of text"),
        pytest.param(stream("Decision", ": yes.", end=""), id="a stream without an end"),
        pytest.param(Got(200, STREAM, stream("Owner").body, is_left=True), id="a beginning of nothing known"),
        pytest.param(stream("Decision", end=error("internal_error").body.decode()), id="a stream with our own fault"),
        pytest.param(error("internal_error", 500), id="our own fault"),
        pytest.param(error("queue_full", 429), id="a full queue without Retry-After"),
        pytest.param(Got(502, HEADERS, b"<html>"), id="an error in another shape"),
        pytest.param(Got(broken="no answer within 120 s"), id="no answer"),
    ],
)
def test_what_is_wrong_is_seen(got: Got) -> None:
    with pytest.raises(Wrong):
        of_chat(QUESTION, got, "mine", KNOWN)


def test_a_leak_is_seen_through_noise_and_a_warm_up_is_not_taken_for_one() -> None:
    flat = [(at / 60, 50 + (at % 3) - (10 if at < 60 else 0)) for at in range(600)]
    leak = [(at, value + 2 * at) for at, value in flat]
    assert abs(line_through("flat", flat).grown) < 0.1
    assert line_through("leak", leak).grown == pytest.approx(2 * 7.5, rel=0.02)
