"""A running service picks the model: by tag, by what is loaded, measured and fails, and by a choice that was kept."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from choose.scored_run import scored_run
from serve.services import ECHO, Daemon, daemon
from shortlist.records import Run
from shortlist.results.store import Store

QUICK = "fake:ttft=2ms,gap=1ms,chunks=4"
MODELS = {
    "a-never": {"source": "fake:fail=start", "capabilities": ["poetry"]},
    "b-quick": {"source": QUICK, "capabilities": ["poetry"]},
    "a-dies": {"source": "fake:ttft=2ms,gap=1ms,chunks=4,fail=crash", "capabilities": ["drama"]},
    "b-lives": {"source": QUICK, "capabilities": ["drama"]},
    **{name: {"source": QUICK, "capabilities": ["chat"]} for name in ("tiny", "small", "large")},
}
NOTE = "Summarise: Ana sends the report by Friday."


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("routing"), models=MODELS) as found:
        yield found


def named(run: Run) -> Run:
    """Its candidates by the names that they have here."""
    candidates = tuple(replace(one, model=one.label) for one in run.info.plan.candidates)
    return replace(run, info=replace(run.info, plan=replace(run.info.plan, candidates=candidates)))


def test_auto_reads_the_tag_off_the_question_and_says_why(service: Daemon) -> None:
    answer = service.chat("auto", NOTE, max_tokens=8)
    assert (answer.status, answer.headers["x-shortlist-model"]) == (200, "notes-small")
    assert answer.headers["x-shortlist-route"].startswith("auto (read as summarise): not measured; not loaded, ")
    assert answer.json["model"] == "notes-small"


def test_a_loaded_model_is_taken_before_one_that_must_be_loaded(service: Daemon) -> None:
    service.run("model", "unload", "--all")
    service.run("model", "load", "notes-medium")
    answer = service.chat("auto:summarise", "anything", max_tokens=8)
    assert answer.headers["x-shortlist-model"] == "notes-medium"
    assert "auto:summarise: not measured; loaded" in answer.headers["x-shortlist-route"]
    told = service.run("route", "explain", NOTE, "--json").json["data"]
    assert (told["pick"], told["service_runs"]) == ("notes-medium", True)


def test_a_need_that_the_loaded_one_cannot_meet_goes_before_that_it_is_loaded(service: Daemon) -> None:
    refused = service.chat("auto:summarise,context=2000", "anything")
    assert (refused.status, refused.error["code"]) == (404, "model_not_found")
    assert "its context is 1024, and about 2000 tokens are needed" in refused.error["message"]


def test_one_that_does_not_start_passes_the_request_on(service: Daemon) -> None:
    answer = service.chat("auto:poetry", stream=True)
    assert (answer.status, answer.headers["x-shortlist-model"]) == (200, "b-quick")
    assert "passed over a-never: " in answer.headers["x-shortlist-route"]
    assert answer.events[-1] == "[DONE]"


def test_one_that_dies_before_its_first_byte_is_replaced_by_the_next(service: Daemon) -> None:
    answer = service.chat("auto:drama")
    assert (answer.status, answer.headers["x-shortlist-model"]) == (200, "b-lives")
    assert "passed over a-dies: " in answer.headers["x-shortlist-route"]


def test_where_every_model_fails_the_client_is_told_of_each(service: Daemon) -> None:
    service.run("route", "set", "doomed", "a-never", "a-dies")
    answer = service.chat("doomed")
    assert answer.status == 502
    told = answer.error["message"]
    assert told.startswith("doomed: every model failed: ")
    assert "a-never: " in told
    assert "a-dies: " in told


def test_a_python_class_is_routed_like_the_rest(service: Daemon) -> None:
    (service.home / "echoes.py").write_text(ECHO)
    added = service.run("model", "add", "echo", "--adapter", "echoes:Echo", "--capability", "parrot")
    assert added.code == 0, added.err
    answer = service.chat("auto:parrot", "Polly wants a cracker")
    assert (answer.status, answer.headers["x-shortlist-model"]) == (200, "echo")
    assert "Polly" in answer.json["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("model", "status", "told"),
    [
        ("auto:cooking", 404, "unknown capability in 'auto:cooking': 'cooking'"),
        ("auto:context=x", 400, "neither a tag nor a need"),
    ],
)
def test_a_wish_that_nobody_understands_is_refused(service: Daemon, model: str, status: int, told: str) -> None:
    answer = service.chat(model)
    assert answer.status == status
    assert told in answer.error["message"]


def test_a_choice_becomes_a_route_that_clients_see_and_ask(service: Daemon) -> None:
    with Store.open(service.home / "results.db") as store:
        store.add_run(named(scored_run()))
    chosen = service.run("choose", "last", "--need", "memory<100MB", "--need", "latency<1s", "--json")
    assert chosen.json["data"]["choice"]["verdict"] == "ship"
    done = service.run("route", "set", "team", "--from-choice", "last")
    assert done.code == 0, done.err
    assert done.out.startswith("team: small (run ")
    assert "team" in {model["id"] for model in service.ask("/v1/models").json["data"]}
    answer = service.chat("team")
    assert (answer.headers["x-shortlist-model"], answer.json["model"]) == ("small", "small")
    assert answer.headers["x-shortlist-route"].startswith("team: ")
    told = service.run("route", "explain", "hello", "--model", "team", "--json").json["data"]
    assert (told["pick"], told["verdict"]) == ("small", "ship")


def test_what_a_run_measured_is_looked_at(service: Daemon) -> None:
    told = service.run("route", "explain", "hello", "--json").json["data"]
    why = {place["model"]: place["why"] for place in told["order"]}
    assert why["small"].startswith("could be the best; ")
    assert "in run " in why["small"]
    assert why["tiny"].startswith("measured as worse; ")
    assert [place["model"] for place in told["order"]].index("small") == 0


def test_a_run_that_picks_nothing_is_no_route(service: Daemon) -> None:
    service.run("choose", "last", "--need", "memory<1MB")
    done = service.run("route", "set", "none", "--from-choice", "last")
    assert done.code == 3
    assert "picks nothing: none qualifies" in done.out
    assert "none" not in {row["name"] for row in service.run("route", "list", "--json").json["data"]}


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("set", "team2"), "from a choice or from named models"),
        (("set", "small", "large"), "small is a model's name"),
        (("set", "auto", "large"), "cannot be a route's name"),
        (("set", "x", "nobody"), "unknown model 'nobody'"),
        (("remove", "nobody"), "unknown route 'nobody'"),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(service: Daemon, args: tuple[str, ...], told: str) -> None:
    done = service.run("route", *args)
    assert done.code == 2
    assert told in done.err


def test_without_a_service_nothing_counts_as_loaded(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text(json.dumps(MODELS))
    alone = Daemon(tmp_path).run("route", "explain", NOTE)
    assert alone.code == 0, alone.err
    assert "1. notes-small: not measured; not loaded" in alone.out
    assert "no service runs: nothing counts as loaded" in alone.out
    assert Daemon(tmp_path).run("route", "explain", "x", "--model", "notes-small").code == 2
