"""What a bench notes beside its requests: the roof, energy, prices, and whether a load was cold."""

import asyncio
import mmap
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.benches import prompts, quiet, run, session, stored
from shortlist import demo
from shortlist.bench import dimensions
from shortlist.bench.dimensions import Dimensions, Tariff, drop_model, roofline_facts
from shortlist.bench.roster import Opening, make_roster
from shortlist.bench.session import Connection, Session, new_session, run_session
from shortlist.measure.bandwidth import Bandwidth
from shortlist.measure.energy import Declared, Sources, find_rapl
from shortlist.pagecache import cached_share
from shortlist.records import EngineOptions, Json, LoadShape, Run, Sample, Suite
from shortlist.results.energy import Prices
from shortlist.results.store import Store
from shortlist.results.summary import summarise

SECOND = 10**9
NOTHING = Sources((), ())


class StillClock:
    """A clock that moves when it is told to, or slept on."""

    def __init__(self) -> None:
        self.ns = 0
        self.on_sleep: Callable[[], None] = lambda: None

    def now_ns(self) -> int:
        return self.ns

    async def sleep_ns(self, duration_ns: int) -> None:
        self.ns += duration_ns
        self.on_sleep()


def request(phase: str) -> Sample:
    return Sample("s", None, "b", "e", phase, "ok", 7, 0)  # type: ignore[arg-type]


def rapl_tree(root: Path) -> Path:
    folder = root / "intel-rapl:0"
    folder.mkdir()
    for name, text in (("name", "package-0"), ("max_energy_range_uj", "1000000000"), ("energy_uj", "0")):
        (folder / name).write_text(text)
    return folder / "energy_uj"


# --- energy -----------------------------------------------------------------------------------------------------------


def counted(tmp_path: Path, told: list[tuple[str, Json]]) -> tuple[Dimensions, StillClock, Path]:
    """A host whose package draws 10 W idle, with a counter in a real file."""
    count, clock = rapl_tree(tmp_path), StillClock()
    source = find_rapl(tmp_path)
    assert not isinstance(source, str)
    clock.on_sleep = lambda: void(count.write_text(str(clock.ns // 100)))
    one = Dimensions(Tariff(), clock, lambda kind, data: told.append((kind, data)), Sources((source,), ()))
    asyncio.run(one.begin(session().info.plan, {}, tmp_path))
    return one, clock, count


def void(_value: object) -> None:
    """Drop a result."""


def advance(clock: StillClock, count: Path, seconds: float, watts: float) -> None:
    clock.ns += round(seconds * SECOND)
    count.write_text(str(int(count.read_text()) + round(seconds * watts * 1e6)))


def test_the_idle_draw_is_read_before_the_first_block_and_warm_ups_do_not_count(tmp_path: Path) -> None:
    told: list[tuple[str, Json]] = []
    one, clock, count = counted(tmp_path, told)
    idle = next(data for kind, data in told if kind == "idle")
    assert idle["watts"] == pytest.approx(10.0)
    one.open_block("b", 2)
    for phase, seconds, watts in (("warmup", 1, 900), ("warmup", 1, 900), ("measure", 2, 50), ("measure", 2, 70)):
        advance(clock, count, seconds, watts)
        one.saw(request(phase))
    one.close_block()
    noted = next(data for kind, data in told if kind == "energy")
    assert noted["block"] == "b"
    assert noted["joules"] == pytest.approx(2 * 50 + 2 * 70)
    assert noted["elapsed_ns"] == 4 * SECOND
    assert noted["idle_watts"] == pytest.approx(10.0)
    assert noted["basis"] == "rapl"


def test_a_long_block_follows_a_counter_that_wraps_many_times(tmp_path: Path) -> None:
    told: list[tuple[str, Json]] = []
    one, clock, count = counted(tmp_path, told)
    one.open_block("b", 0)
    for _ in range(100):  # 70 s at 10 W a request: the counter wraps at 1000 J, every 100 s
        clock.ns += 70 * SECOND
        count.write_text(str((int(count.read_text()) + 700_000_000) % 1_000_000_000))
        one.saw(request("measure"))
    one.close_block()
    assert next(data for kind, data in told if kind == "energy")["joules"] == pytest.approx(70_000)


def test_a_counter_that_is_lost_is_told_once_and_nothing_is_declared_in_its_place(tmp_path: Path) -> None:
    told: list[tuple[str, Json]] = []
    one, clock, count = counted(tmp_path, told)
    one._tariff = Tariff(Declared(100.0, 20.0))
    count.unlink()
    for block in "ab":
        one.open_block(block, 0)
        clock.ns += SECOND
        one.saw(request("measure"))
        one.close_block()
    assert [kind for kind, _ in told if kind in ("warning", "energy")] == ["warning"]


def test_declared_watts_count_the_measured_time(tmp_path: Path) -> None:
    told: list[tuple[str, Json]] = []
    clock = StillClock()
    one = Dimensions(Tariff(Declared(100.0, 20.0)), clock, lambda kind, data: told.append((kind, data)), NOTHING)
    one.open_block("b", 1)
    clock.ns = 5 * SECOND
    one.saw(request("warmup"))
    clock.ns = 8 * SECOND
    one.saw(request("measure"))
    one.close_block()
    expected = {
        "block": "b",
        "last_seq": 7,
        "elapsed_ns": 3 * SECOND,
        "idle_watts": 20.0,
        "basis": "declared",
        "joules": 300.0,
    }
    assert told == [("energy", expected)]


def test_a_bench_with_declared_watts_and_prices_ends_with_energy_and_cost(tmp_path: Path) -> None:
    some = session(rounds=2, warmup=1)
    tariff = Tariff(Declared(100.0, 20.0), Prices(0.3, 1.0, "CHF"))
    with Store.open(tmp_path / "results.db") as store:
        assert asyncio.run(run_session(some, store, Connection(tariff=tariff), quiet)) == "done"
        whole = stored(some, store)
    assert sum(event.kind == "energy" for event in whole.events) == 4
    for one in summarise(whole).candidates:
        assert one.figures["power.work"].point == pytest.approx(100.0)
        ratio = (one.figures["energy.requests"].point or 0) / (one.figures["energy.gross.requests"].point or 1)
        assert ratio == pytest.approx(0.8)
        assert one.figures["cost.requests"].unit == "CHF"


# --- the roof ---------------------------------------------------------------------------------------------------------


def facts_of(some: Session, home: Path) -> Json:
    return roofline_facts(some.info.plan, some.paths, home)[0]


def on_demo(concurrency: int = 1) -> Session:
    opening = Opening("llamacpp", EngineOptions(device="cpu", threads=1))
    return new_session(
        Suite(prompts(2), rounds=1, load=LoadShape(concurrency=concurrency)),
        make_roster(["notes-small"], None, opening),
    )


def test_small_weights_and_requests_at_once_have_no_roof_and_say_why(tmp_path: Path) -> None:
    small = facts_of(on_demo(), tmp_path)
    assert "under 4 times the last cache" in small["reason"] or "not visible" in small["reason"]
    assert "more than one request" in facts_of(on_demo(2), tmp_path)["reason"]
    assert "no GGUF file of ours" in facts_of(session(), tmp_path)["reason"]
    assert not list(tmp_path.iterdir())


def test_a_model_past_the_cache_gets_its_bytes_and_one_reading_for_all_of_as_many_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A model of four times this host's cache would be 128 MB: the cache is said to be small instead.
    asked: list[int] = []

    def reading(_home: Path, threads: int) -> Bandwidth:
        asked.append(threads)
        return Bandwidth(1e10, threads, 1 << 28, is_steady=True)

    monkeypatch.setattr(dimensions, "last_cache_bytes", lambda: 1024)
    monkeypatch.setattr(dimensions, "host_bandwidth", reading)
    opening = Opening("llamacpp", EngineOptions(threads=3, kv_type="q8_0"))
    some = new_session(Suite(prompts(2)), make_roster(["notes-small", "notes-large"], None, opening))
    small, large = roofline_facts(some.info.plan, some.paths, tmp_path)
    assert asked == [3]
    assert 0.9 * 143_680 < small["weights_bytes"] < 1.2 * 143_680  # q8_0: 34 bytes for 32 weights
    assert small["kv_bytes_per_token"] == 2 * 2 * (32 + 32) * 34 / 32
    assert large["weights_bytes"] > small["weights_bytes"]


# --- the load ---------------------------------------------------------------------------------------------------------


def a_file(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(bytes(range(256)) * 4096)
    return path


def test_a_dropped_file_is_cold_and_a_mapped_one_is_warm_and_said_so(tmp_path: Path) -> None:
    path = a_file(tmp_path)
    if cached_share(path) is None:
        pytest.skip("whether a file is in memory cannot be told on this system")
    path.read_bytes()
    if drop_model([path]) != ("cold", ""):
        pytest.skip("this file system keeps its files in memory")
    assert cached_share(path) == 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        assert sum(held[:: mmap.PAGESIZE]) >= 0  # every page is touched, and so mapped
        kind, reason = drop_model([path])
        assert kind == "warm"
        assert "another process has it mapped" in reason


def test_one_part_of_a_split_model_in_memory_makes_the_load_warm(tmp_path: Path) -> None:
    kind, reason = drop_model([a_file(tmp_path), tmp_path / "gone.gguf"])
    assert kind == "warm"
    assert "gone.gguf" in reason


def bench_demo(folder: Path, flags: tuple[str, ...], model: Path) -> Run:
    opening = Opening("llamacpp", EngineOptions(device="cpu", threads=1))
    some = new_session(Suite(prompts(1), rounds=1), make_roster([str(model)], None, opening), None, flags)
    with Store.open(folder / "results.db") as store:
        assert run(some, store) == "done"
        return stored(some, store)


@pytest.mark.slow
@pytest.mark.engine
def test_a_bench_asked_for_cold_loads_stamps_what_it_saw(tmp_path: Path) -> None:
    model = tmp_path / "small.gguf"
    model.write_bytes(demo.demo_model_path("notes-small").read_bytes())
    if drop_model([model])[0] != "cold":
        pytest.skip("this file system keeps its files in memory")
    cold = bench_demo(tmp_path, ("cold",), model)
    assert {block.load for block in cold.blocks} == {"cold"}
    figures = summarise(cold).candidates[0].figures
    assert figures["load.cold"].point is not None
    assert "load.warm" not in figures
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        assert sum(held[:: mmap.PAGESIZE]) >= 0
        warm = bench_demo(tmp_path, ("cold",), model)
    assert {block.load for block in warm.blocks} == {"warm"}
    assert any("loaded warm" in warning for warning in summarise(warm).warnings)
    assert {block.load for block in bench_demo(tmp_path, (), model).blocks} == {"warm"}
