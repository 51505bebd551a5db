"""What `selftest --aa` measured is found by host, engine and figure, and never by another's."""

from dataclasses import replace
from pathlib import Path

import pytest

from shortlist.errors import InvalidFile
from shortlist.results.between_runs import FILE_NAME, HostSpread, between_runs, find_spread, keep_spread, load_spreads

ROUNDS = ((1.0, 1.1), (1.4, 1.5), (1.2, 1.3))
SPREAD = HostSpread("host-a", "llamacpp", "notes-small", 1, "2026-11-26T10:00:00Z", {"latency.mean": ROUNDS}, {})


def test_a_spread_is_found_for_its_host_engine_and_figure_only(tmp_path: Path) -> None:
    assert between_runs(tmp_path, "host-a", "latency.mean") is None
    keep_spread(tmp_path, SPREAD)
    found = between_runs(tmp_path, "host-a", "latency.mean", "llamacpp")
    assert found is not None
    assert (found.runs, found.sd_log > 0.1) == (3, True)
    assert between_runs(tmp_path, "host-b", "latency.mean") is None
    assert between_runs(tmp_path, "host-a", "latency.mean", "onnx_genai") is None
    assert between_runs(tmp_path, "host-a", "throughput", "llamacpp") is None


def test_a_newer_measurement_of_the_same_replaces_the_older_and_another_models_stands_beside_it(tmp_path: Path) -> None:
    keep_spread(tmp_path, SPREAD)
    keep_spread(tmp_path, replace(SPREAD, model="notes-large", at="2026-11-26T11:00:00Z"))
    keep_spread(tmp_path, replace(SPREAD, at="2026-11-26T12:00:00Z", round_means={"latency.mean": ROUNDS[:2]}))
    assert [(one.model, one.runs) for one in load_spreads(tmp_path)] == [("notes-small", 2), ("notes-large", 3)]
    exact = find_spread(tmp_path, "host-a", "llamacpp", "notes-large")
    other = find_spread(tmp_path, "host-a", "llamacpp", "something-else")
    assert exact is not None
    assert other is not None
    assert (exact.model, other.model) == ("notes-large", "notes-small"), "the model's own, else the newest"


def test_the_same_model_at_as_many_streams_goes_before_the_newest(tmp_path: Path) -> None:
    for place, streams in enumerate((4, 1, 8)):
        keep_spread(tmp_path, replace(SPREAD, streams=streams, at=f"2026-11-26T1{place}:00:00Z"))
    keep_spread(tmp_path, replace(SPREAD, model="notes-large", streams=4, at="2026-11-26T19:00:00Z"))
    wanted = {4: 4, 1: 1, 8: 8, 2: 8}
    found = {n: find_spread(tmp_path, "host-a", "llamacpp", "notes-small", n) for n in wanted}
    assert {n: (one.model, one.streams) for n, one in found.items() if one} == {
        n: ("notes-small", kept) for n, kept in wanted.items()
    }


def test_one_run_tells_no_spread(tmp_path: Path) -> None:
    keep_spread(tmp_path, replace(SPREAD, round_means={"latency.mean": ROUNDS[:1]}))
    assert between_runs(tmp_path, "host-a", "latency.mean") is None


@pytest.mark.parametrize("damage", ["", "[{}]", "{", '[{"fingerprint": 3}]'])
def test_a_damaged_file_is_named_not_ignored(tmp_path: Path, damage: str) -> None:
    (tmp_path / FILE_NAME).write_text(damage)
    with pytest.raises(InvalidFile, match=FILE_NAME):
        between_runs(tmp_path, "host-a", "latency.mean")
