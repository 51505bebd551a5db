"""Real files of GuideLLM 0.8.1 as runs: its numbers come out again where definitions agree; where not, it is said."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shortlist.errors import BadInput, InvalidFile, NotComparable
from shortlist.records import LoadShape, Run
from shortlist.results import metrics
from shortlist.results.accepted import requests_by_candidate
from shortlist.results.compare import Asked, compare_runs
from shortlist.results.export import export_run, import_run
from shortlist.results.gate import judge_gate
from shortlist.results.imports import read_runs
from shortlist.results.store import Store
from shortlist.results.summary import summarise

FILES = Path(__file__).parent / "guidellm"


def content(name: str) -> tuple[str, bytes]:
    return name, (FILES / name).read_bytes()


def runs(*names: str) -> tuple[Run, ...]:
    return read_runs([content(name) for name in names])


def raw(name: str) -> Any:
    return json.loads((FILES / name).read_bytes())


def warnings(run: Run) -> str:
    return "\n".join(summarise(run).warnings)


def test_benchmarks_of_one_load_are_the_rounds_of_one_run() -> None:
    (run,) = runs("rounds.json")
    summary = summarise(run)
    assert (summary.rounds, summary.load, run.info.plan.suite.warmup) == (3, LoadShape(), 3)
    assert run.info.flags[0] == "imported:guidellm 0.8.1"
    assert "3 benchmarks of one load are its rounds; nobody started the engine afresh" in warnings(run)
    (both,) = runs("rounds.json", "rounds-again.json")
    assert summarise(both).rounds == 6


def test_each_load_is_a_run_of_its_own_with_the_load_in_its_name() -> None:
    found = read_runs([content("sweep.json")], name="monday")
    assert [run.info.plan.suite.load.concurrency for run in found] == [1, 2]
    assert [run.info.name for run in found] == ["monday-notes-small-1-streams", "monday-notes-small-2-streams"]


def test_its_own_numbers_come_out_again_request_by_request() -> None:
    """TTFT and tokens as GuideLLM computed them; its request latency ends with the stream, ours with the last token."""
    (run,) = runs("rounds.json")
    samples = [one for one in run.samples if one.phase == "measure"]
    theirs = [
        request
        for benchmark in raw("rounds.json")["benchmarks"]
        for request in benchmark["requests"]["successful"]
        if request["info"]["timings"]["request_start"] >= benchmark["scheduler_metrics"]["measure_start_time"]
    ]
    assert len(samples) == len(theirs) == 9
    for ours, their in zip(samples, theirs, strict=True):
        timings = their["info"]["timings"]
        ttft, latency, end = metrics.ttft_ns(ours), metrics.latency_ns(ours), metrics.response_end_ns(ours)
        assert ttft == pytest.approx(their["time_to_first_token_ms"] * 1e6, abs=1000)
        assert latency == pytest.approx((timings["last_token_iteration"] - timings["request_start"]) * 1e9, abs=1000)
        assert end == pytest.approx(their["request_latency"] * 1e9, abs=1000)
        assert metrics.completion_tokens(ours) == their["output_tokens"]
        assert metrics.tpot_ns(ours) == pytest.approx(their["inter_token_latency_ms"] * 1e6, rel=1e-3)
        assert ours.text == their["output"]


def test_a_warm_up_is_kept_and_not_counted() -> None:
    (run,) = runs("rounds.json")
    assert sum(one.phase == "warmup" for one in run.samples) == 9
    (requests,) = requests_by_candidate(run).values()
    assert len(requests.items) == 9


def test_chunk_gaps_are_withheld_and_not_made_from_two_stamps() -> None:
    (run,) = runs("rounds.json")
    figures = summarise(run).candidates[0].figures
    assert figures["gap.p99"].point is None
    assert figures["gap.p99"].note == "guidellm 0.8.1 keeps the first and the last chunk of a reply, and none between"
    assert figures["tpot"].point is not None
    assert "chunk gaps are withheld" in warnings(run)


def test_prompts_and_parameters_are_what_was_sent_and_what_was_not_is_a_flag() -> None:
    (run,) = runs("rounds.json")
    suite = run.info.plan.suite
    assert len(suite.prompts) == 3
    assert (
        suite.prompts[0].messages[0].content.startswith("Summarise this meeting note as decision, owner and deadline.")
    )
    assert (suite.generation.max_tokens, suite.generation.stream) == (48, True)
    assert run.info.flags[1:] == ("server's-temperature", "server's-seed")


def test_under_a_rate_times_count_from_when_the_schedule_wanted_the_request() -> None:
    (run,) = runs("errors.json")
    assert run.info.plan.suite.load == LoadShape("open", rate_per_s=3.0, arrivals="poisson")
    (ok,) = (one for one in run.samples if one.status == "ok")
    (their,) = raw("errors.json")["benchmarks"][0]["requests"]["successful"]
    timings = their["info"]["timings"]
    assert metrics.latency_ns(ok) == pytest.approx(
        (timings["last_token_iteration"] - timings["targeted_start"]) * 1e9, abs=1000
    )
    assert "count from sent" not in warnings(run)


def test_requests_that_failed_are_failures_with_their_reason() -> None:
    (run,) = runs("errors.json")
    summary = summarise(run).candidates[0]
    assert (summary.n, summary.failed, summary.status) == (4, 3, "partial")
    assert summary.reason == "3 of 4 requests failed (ConnectError: All connection attempts failed)"
    assert "does not keep the words" in warnings(run)


def test_one_benchmark_is_one_round_and_no_interval_or_verdict_is_made_up() -> None:
    one, two = runs("sweep.json")
    assert summarise(one).candidates[0].figures["latency.mean"].low is None
    found = compare_runs(one, two, Asked(allow=("load",)))
    latency = next(change for _, change in found.changes if change.metric == "latency")
    assert (latency.verdict, latency.change) == ("not told apart", None)
    assert latency.note.startswith("1 round: ")
    assert judge_gate(found).verdict == "cannot tell"


def test_repeated_benchmarks_are_compared_with_what_nobody_knows_told() -> None:
    base, head = (runs(name)[0] for name in ("rounds.json", "rounds-again.json"))
    found = compare_runs(base, head)
    assert found.judged == 3
    assert not found.base.can_grow
    assert not found.head.can_grow
    assert any("hardware of BASE and HEAD is not recorded" in one for one in found.warnings)


def test_the_same_file_gives_the_same_run_and_both_ways_of_storing_it_keep_all(tmp_path: Path) -> None:
    (run,), (again,) = runs("rounds.json"), runs("rounds.json")
    assert run == again
    assert import_run(export_run(run)) == run
    with Store.open(tmp_path / "results.db") as store:
        store.add_run(run)
        assert summarise(store.load_run(run.info.id)) == summarise(run)


def test_a_name_is_not_for_our_own_exports() -> None:
    with pytest.raises(BadInput, match="has its name already"):
        read_runs([("own.json", export_run(runs("rounds.json")[0]))], name="x")


def spoilt(**changes: Any) -> bytes:
    """A real file with parts replaced; `each` and `timings` in every request that succeeded."""
    document = raw("rounds.json")
    benchmark = document["benchmarks"][0]
    places = {"version": document["metadata"], "benchmarks": document, "strategy": benchmark["config"]}
    for name, value in changes.items():
        if name == "backend":
            benchmark["config"]["backend"] |= value
        elif name not in ("each", "timings"):
            places.get(name, benchmark)[name] = value
    for request in benchmark["requests"]["successful"]:
        request.update(changes.get("each", {}))
        if "timings" in changes:
            request["info"]["timings"] = changes["timings"]
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (spoilt(version=1), r"rounds.json, at metadata.version: expected 2, found 1"),
        (spoilt(benchmarks=[]), "no benchmark came to its end"),
        (spoilt(requests={"successful": [], "errored": []}), r"benchmarks\[0\].requests: no request is kept"),
        (spoilt(strategy={"type_": "trace"}), r"benchmarks\[0\].config.strategy: no load of ours is like 'trace'"),
        (spoilt(strategy={"type_": "constant", "rate": -2}), r"no load of ours is like 'constant'"),
        (spoilt(strategy={"type_": "concurrent", "streams": -2}), r"no load of ours is like 'concurrent'"),
        (spoilt(requests={"successful": [{"request_id": 3}]}), r"benchmarks\[0\].requests.successful\[0\]"),
        (spoilt(timings={}), r"benchmarks\[0\].requests: no request says when it was sent"),
        (spoilt(timings={"request_start": 1e300}), r"timings.request_start: expected `float` <= 4"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "expected 'shortlist-run'"),
        (b'{"benchmarks": 3}', "expected 'shortlist-run'"),
    ],
)
def test_what_is_no_such_file_is_refused_with_the_place(data: bytes, said: str) -> None:
    with pytest.raises(InvalidFile, match=said):
        read_runs([("rounds.json", data)])


def test_what_can_be_left_out_is_left_out_and_everything_else_is_taken(tmp_path: Path) -> None:
    """An address that is none, numbers that are not finite, one id for all requests: no reason to take nothing."""
    body = json.dumps({"body": {"max_tokens": float("nan"), "temperature": float("inf"), "seed": 7}})
    data = spoilt(backend={"target": "http://[::1"}, each={"request_id": "same", "request_args": body})
    (run,) = read_runs([("rounds.json", data)])
    assert run.blocks[0].endpoint is not None
    assert run.blocks[0].endpoint.base_url == ""
    assert run.info.plan.suite.generation.seed == 7
    assert {"server's-max_tokens", "server's-temperature"} <= set(run.info.flags)
    with Store.open(tmp_path / "results.db") as store:
        store.add_run(run)
        assert store.load_run(run.info.id).samples == run.samples


def test_beside_a_run_of_ours_it_is_refused_and_let_pass_with_all_that_its_definitions_do_not_allow() -> None:
    (theirs,) = runs("rounds.json")
    (again,) = runs("rounds-again.json")
    ours = replace(again, info=replace(again.info, flags=theirs.info.flags[1:]), events=())
    with pytest.raises(NotComparable, match="tool: measured by: shortlist in BASE, guidellm in HEAD"):
        compare_runs(ours, theirs)
    found = compare_runs(ours, theirs, Asked(allow=("tool",)))
    told = [one for one in found.warnings if one.startswith("HEAD: ")]
    assert any("TTFT and latency count from sent" in one for one in told)
    assert any("chunk gaps are withheld" in one for one in told)
