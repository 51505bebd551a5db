"""`shortlist selftest` as a user runs it: a real server, the real client, a table that fits a terminal."""

from pathlib import Path

import pytest

from cli.commands import shortlist


def test_it_prints_bias_spread_and_tail_for_every_number_of_streams(tmp_path: Path) -> None:
    done = shortlist("selftest", "--streams", "1,3", "--duration", "200ms", cwd=tmp_path)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[1].split() == ["streams", "n", *["bias", "sd", "99", "%"] * 3, "99", "%"]
    assert [line.split()[0] for line in lines[2:4]] == ["1", "3"]
    assert all(len(line) <= 80 for line in lines)
    assert "at 3 streams (a known server," in done.out
    assert "3 streams, about" in done.err


def test_json_has_the_figures_and_what_a_bench_will_use(tmp_path: Path) -> None:
    told = shortlist("selftest", "--streams", "2", "--duration", "200ms", "--json", cwd=tmp_path).json
    assert (told["schema"], told["version"]) == ("shortlist-selftest", 1)
    (one,) = told["data"]
    assert one["streams"] == 2
    assert one["error_ns"] == max(one["ttft"]["p95_ns"], one["e2e"]["p95_ns"]) > 0
    assert one["stamps"] in ("kernel", "socket read")


@pytest.mark.parametrize(
    "args", [("--streams", "0"), ("--streams", "1,x"), ("--streams", "9999"), ("--duration", "0s"), ("--duration", "x")]
)
def test_nonsense_is_refused_with_what_to_type(tmp_path: Path, args: tuple[str, ...]) -> None:
    done = shortlist("selftest", *args, cwd=tmp_path)
    assert done.code == 2
    assert "error:" in done.err
    assert len(done.err.splitlines()) == 2
