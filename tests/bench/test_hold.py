"""A bench and a service on one host: who refuses whom, told by the ledger that both write."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.benches import QUICK, run, session
from shortlist.bench.hold import ALLOW_SHARED, hold_host
from shortlist.errors import HostBusy
from shortlist.ledger import Ledger, Loaded, own_page
from shortlist.records import RunInfo
from shortlist.results.store import Store


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """One of this test's own, for those that live on this machine are not to be disturbed."""
    monkeypatch.setattr("shortlist.ledger.shared_folder", lambda: tmp_path)
    return Ledger()


LOADED = (Loaded("notes-small", 59_000_000, "measured"),)
SERVICE = replace(own_page("service", "the service", free_with="type this", ports=(5273,)), loads=LOADED)


def info(*flags: str, endpoint: str | None = None) -> RunInfo:
    found = session([QUICK], rounds=1, count=1).info
    if endpoint is not None:
        (one,) = found.plan.candidates
        one = replace(one, options=replace(one.options, extra={"endpoint": endpoint}))
        found = replace(found, plan=replace(found.plan, candidates=(one,)))
    return replace(found, flags=flags)


def test_a_service_with_a_model_loaded_has_the_host(ledger: Ledger) -> None:
    ledger.post(SERVICE)
    expected = r"the service \(pid \d+\) has models loaded.*notes-small 59.0 MB"
    with pytest.raises(HostBusy, match=expected) as caught, hold_host("b", [info()]):
        pass
    assert caught.value.hint == "type this; or go on beside it with --allow-shared"
    assert [page.kind for page in ledger.pages()] == ["service"]


def test_a_service_without_models_disturbs_nobody(ledger: Ledger) -> None:
    ledger.post(replace(SERVICE, loads=()))
    with hold_host("b", [info()]):
        bench = next(page for page in ledger.pages() if page.kind == "bench")
        assert (bench.is_shared, bench.ports) == (False, ())
    assert [page.kind for page in ledger.pages()] == ["service"]


def test_a_service_that_is_measured_may_have_models_and_load_more(ledger: Ledger) -> None:
    ledger.post(SERVICE)
    with hold_host("b", [info(endpoint="http://localhost:5273/v1")]):
        bench = next(page for page in ledger.pages() if page.kind == "bench")
        assert (bench.is_shared, bench.ports) == (False, (5273,))


@pytest.mark.parametrize("url", ["http://localhost:5274/v1", "http://192.0.2.7:5273/v1"])
def test_another_endpoint_is_no_excuse(ledger: Ledger, url: str) -> None:
    ledger.post(SERVICE)
    with pytest.raises(HostBusy), hold_host("b", [info(endpoint=url)]):
        pass


def test_allow_shared_goes_on_and_lets_services_load(ledger: Ledger) -> None:
    ledger.post(SERVICE)
    with hold_host("b", [info(ALLOW_SHARED)]):
        assert next(page for page in ledger.pages() if page.kind == "bench").is_shared


def test_a_bench_writes_down_what_it_has_loaded_and_takes_it_out(ledger: Ledger, tmp_path: Path) -> None:
    seen: list[tuple[str, ...]] = []

    def watch(_told: object) -> None:
        seen.append(tuple(load.basis for page in ledger.pages() for load in page.loads if load.label))

    with Store.open(tmp_path / "results.db") as store:
        assert run(session([QUICK], rounds=1, count=2), store, watch) == "done"
    assert ("measured",) in seen
    assert ledger.pages() == ()
