"""Energy, cost and cold loads from outside: set, benched, decided on and reported with later prices."""

import csv
import io
from pathlib import Path

import pytest

from cli.commands import shortlist
from shortlist.machine import boot_id
from shortlist.measure.bandwidth import FILE_NAME, Bandwidth
from shortlist.records import to_json

MODEL = "ttft=3ms,gap=1ms,chunks=4"
QUICK = ("--engine", "fake", "--warmup", "0", "--rounds", 3)
HOST = {"SHORTLIST_WATTS": "100", "SHORTLIST_IDLE_WATTS": "40"}


@pytest.mark.slow
def test_a_bench_with_watts_and_a_price_decides_on_cost_and_later_prices_replace_it(tmp_path: Path) -> None:
    needs = ("--need", "cost<100", "--need", "energy<100kJ")
    done = shortlist("bench", MODEL, *QUICK, *needs, cwd=tmp_path, **HOST, SHORTLIST_PRICE_PER_HOUR="2")
    assert done.code == 0, done.err
    assert "as declared: 100 W at work, 40 W idle" in done.err
    assert "Prices  2 EUR/h" in done.err
    assert "cost per 1000 < 100.00" in done.out
    assert "energy per 1000" in done.out
    assert "< 100 kJ" in done.out
    assert done.out.startswith("Ship ")
    dear = shortlist("choose", "last", "--need", "cost<1", cwd=tmp_path, SHORTLIST_PRICE_PER_HOUR="1000000")
    assert dear.code == 3, dear.out
    shortlist("report", "last", "--format", "csv", "--out", "later", cwd=tmp_path, SHORTLIST_PRICE_PER_HOUR="4")
    (first,) = tmp_path.glob("shortlist-*")
    before, after = (
        next(csv.DictReader(io.StringIO((folder / "report.csv").read_text(encoding="utf-8"))))
        for folder in (first, tmp_path / "later")
    )
    assert float(after["cost_per_1000_requests"]) == pytest.approx(2 * float(before["cost_per_1000_requests"]))
    assert float(before["energy_joules_per_1000_requests"]) == pytest.approx(
        0.6 * float(before["energy_gross_joules_per_1000_requests"])
    )


def test_a_cold_load_is_refused_where_nothing_can_be_dropped_and_said_where_there_is_no_file(tmp_path: Path) -> None:
    remote = shortlist("bench", "m", "--endpoint", "http://127.0.0.1:9/v1", "--cold", cwd=tmp_path)
    assert remote.code == 2
    assert "--cold is for engines of ours" in remote.err
    fake = shortlist("bench", MODEL, *QUICK, "--cold", "--name", "cold", cwd=tmp_path)
    assert fake.code == 0
    assert "Loads   cold" in fake.err
    assert "loaded warm: it has no file of ours" in fake.err
    resumed = shortlist("bench", "--resume", "cold", "--cold", cwd=tmp_path)
    assert resumed.code == 2
    assert "cold would change it" in resumed.err


def test_a_wrong_price_names_the_setting(tmp_path: Path) -> None:
    done = shortlist("config", "set", "currency", "euros", cwd=tmp_path)
    assert done.code == 2
    assert "three letters" in done.err
    assert shortlist("config", "set", "price_per_kwh", "-1", cwd=tmp_path).code == 2


def test_model_info_says_what_memory_allows_once_the_bandwidth_is_known(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    before = shortlist("model", "info", "qwen2.5-0.5b", cwd=tmp_path, SHORTLIST_HOME=str(home))
    assert before.code == 0
    assert "tokens/s" not in before.out
    reading = Bandwidth(30e9, 2, 1 << 28, is_steady=True)
    (home / FILE_NAME).write_bytes(to_json({"boot": boot_id(), "readings": [reading]}))
    told = shortlist("model", "info", "qwen2.5-0.5b", cwd=tmp_path, SHORTLIST_HOME=str(home))
    assert "30.0 GB/s to 2 threads" in " ".join(told.out.split())
    data = shortlist("model", "info", "qwen2.5-0.5b", "--json", cwd=tmp_path, SHORTLIST_HOME=str(home)).json["data"]
    assert data["tokens_per_s_at_most"]["2"] == pytest.approx(
        30e9 / (data["fit"]["weights_bytes"] + data["fit"]["kv_bytes"] / 2)
    )
