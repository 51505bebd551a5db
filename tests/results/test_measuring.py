"""Which numbers of a run our own error moves, and by how much; and which runs know it at all."""

from dataclasses import replace

import pytest

from results.made_run import make_run
from shortlist.records import ErrorFigures, Event, Executor, MeasuringError, Run, to_builtins
from shortlist.results.export import export_golden, export_run, import_run
from shortlist.results.measuring import SELFTEST, figure_error, measuring_error, ratio_error
from shortlist.results.summary import summarise

MS = 10**6


def found(error_ns: int, tail_ns: int = 0) -> MeasuringError:
    one = ErrorFigures(20, 0, error_ns // 2, error_ns, tail_ns or 2 * error_ns)
    gap = ErrorFigures(300, 0, 1000, 3000, 4000)
    return MeasuringError(1, 20, 320, 0, one, gap, one, one, 1000, "kernel", "2026-11-02T08:00:00.000Z", "boot-1")


def with_error(run: Run, *errors: tuple[str, MeasuringError]) -> Run:
    events = tuple(
        Event(executor, 100 + place, 5, SELFTEST, data=to_builtins(error))
        for place, (executor, error) in enumerate(errors)
    )
    return replace(run, events=(*run.events, *events))


def taken_up(run: Run) -> Run:
    """The same, its last block run by a second process."""
    second = Executor("exec-2", "f00d", "boot-1", "monotonic", {}, {})
    blocks = (*run.blocks[:-1], replace(run.blocks[-1], executor="exec-2"))
    return replace(run, executors=(*run.executors, second), blocks=blocks)


def test_a_run_knows_its_error_and_keeps_it_over_export_and_import_but_not_in_a_golden_export() -> None:
    run = with_error(make_run(), ("exec-1", found(MS)))
    assert measuring_error(run) == found(MS)
    assert measuring_error(import_run(export_run(run))) == found(MS)
    assert export_golden(run) == export_golden(make_run())
    assert summarise(run).measuring_error == found(MS)
    assert measuring_error(make_run()) is None


def test_of_several_processes_the_largest_error_counts_and_one_without_leaves_it_unknown() -> None:
    run = taken_up(make_run())
    assert measuring_error(with_error(run, ("exec-1", found(MS)), ("exec-2", found(3 * MS)))) == found(3 * MS)
    assert measuring_error(with_error(run, ("exec-1", found(MS)))) is None
    garbled = with_error(make_run(), ("exec-1", found(MS)))
    event = replace(garbled.events[-1], data={"streams": "many"})
    assert measuring_error(replace(garbled, events=(event,))) is None


def test_each_figure_is_off_in_its_own_unit_and_figures_without_our_stamps_are_not() -> None:
    figures = summarise(make_run()).candidates[0].figures
    assert figure_error("latency.p99", figures, found(MS)) == 0.0, "withheld: there is nothing to be off"
    figures = {**figures, "latency.p99": figures["latency.max"]}
    latency, tokens = (figures[name].point or 0.0 for name in ("latency.mean", "output_tokens"))

    def off(figure: str) -> float:
        return figure_error(figure, figures, found(MS, 5 * MS))

    assert {off(name) for name in ("latency.mean", "latency.p95", "ttft.mean", "ttft.p50", "latency.max")} == {MS}
    assert off("latency.p99") == 5 * MS
    assert (off("gap.p50"), off("gap.p99")) == (3000, 4000)
    assert off("tokens_per_s") == pytest.approx((figures["tokens_per_s"].point or 0.0) * MS / latency)
    assert off("tpot") == pytest.approx(MS / (tokens - 1))
    prefill, decode = (figures[name].point or 0.0 for name in ("prefill_tokens_per_s", "decode_tokens_per_s"))
    service, each = (figures[name].point or 0.0 for name in ("ttft.service", "tpot"))
    assert off("prefill_tokens_per_s") == pytest.approx(prefill * MS / service) != 0
    assert off("decode_tokens_per_s") == pytest.approx(decode * MS / (tokens - 1) / each) != 0
    assert {off(name) for name in ("memory.peak", "footprint", "error_rate", "load.warm", "not there")} == {0.0}
    assert figure_error("latency.mean", figures, None) == 0.0


def test_a_ratio_is_off_by_the_error_over_the_smaller_side() -> None:
    assert ratio_error(2.0, 100.0, 2.0, 10.0) == pytest.approx(0.1823, abs=1e-4)
    assert ratio_error(0.0, 100.0, 0.0, 10.0) == 0.0
    assert ratio_error(2.0, 0.0, 0.0, 10.0) == 0.0


def test_a_speed_verdict_that_rests_on_less_than_the_error_is_withheld_with_the_reason() -> None:
    run = make_run()
    plain = {(c.figure, summarise(run).label_of(c.candidate)): c for c in summarise(run).comparisons}
    blurred = summarise(with_error(run, ("exec-1", found(450 * MS))))
    told = {(c.figure, blurred.label_of(c.candidate)): c for c in blurred.comparisons}
    assert plain["latency.mean", "large"].verdict == "worse"
    assert told["latency.mean", "large"].verdict == "not told apart"
    assert "measuring error" in told["latency.mean", "large"].note
    sharp = summarise(with_error(run, ("exec-1", found(MS))))
    assert {c.verdict for c in sharp.comparisons if sharp.label_of(c.candidate) == "large"} == {"worse"}
