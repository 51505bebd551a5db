"""The service under requests that are not meant well: it answers the good ones throughout."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from serve.exposed import families
from serve.services import Daemon, daemon, until
from serve.siege import Tally, asked_throughout, fuzz, slow_clients
from shortlist.serve.limits import connections_possible

WORKERS = 8
MODELS_REASONS = {"engine_failed", "shutting_down", "too_many_connections"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Daemon]:
    with daemon(tmp_path, "--parallel", 8, "--connections", 200) as found:
        assert found.chat("quick").status == 200
        yield found


def resident(service: Daemon) -> int:
    return int(psutil.Process(service.pid).memory_info().rss)


def at_rest(service: Daemon) -> bool:
    """One connection, which asks this, and no request but that."""
    found = families(service.ask("/metrics").body.decode())
    return found["shortlist_connections"].value("") <= 1 and found["shortlist_requests_active"].value("") <= 1


def show(told: str) -> None:
    """A figure, for whoever runs this with -s."""
    sys.stderr.write(f"\n{told}\n")


def besiege(service: Daemon, count: int) -> Tally:
    tally = Tally()
    with asked_throughout(service, tally), ThreadPoolExecutor(WORKERS) as threads:
        for done in [threads.submit(fuzz, service.port, count // WORKERS, seed, tally) for seed in range(WORKERS)]:
            done.result()
    return tally


def check(tally: Tally) -> None:
    assert tally.bad == []
    assert tally.good > 0
    for part in tally.failed:
        code = json.loads(part.partition(b"\r\n\r\n")[2])["error"]["code"]
        assert code in MODELS_REASONS, part[:400]
    assert {200, 400} <= set(tally.statuses)


def test_it_answers_while_it_is_sent_what_no_client_means(service: Daemon) -> None:
    check(besiege(service, 320))
    until(lambda: at_rest(service))
    assert psutil.Process(service.pid).is_running()
    assert "trace" not in service.run("service", "logs", "-n", 5000).out


def test_slow_clients_make_place_for_good_ones(service: Daemon) -> None:
    tally = Tally()
    with asked_throughout(service, tally):
        assert slow_clients(service.port, 300, 1.5) >= 100
    assert (tally.bad, tally.good > 0) == ([], True)
    until(lambda: at_rest(service))


@pytest.mark.slow
def test_ten_thousand_fuzzed_requests(service: Daemon) -> None:
    besiege(service, 2000)  # what is made once and kept is there then
    until(lambda: at_rest(service))
    before = resident(service)
    tally = besiege(service, 10_000)
    check(tally)
    until(lambda: at_rest(service))
    after = resident(service)
    show(f"replies {dict(sorted(tally.statuses.items()))}; {tally.good} good requests answered, {len(tally.bad)} not")
    show(f"memory {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after")
    assert after - before < 8e6
    assert "trace" not in service.run("service", "logs", "-n", 5000).out


@pytest.mark.slow
def test_a_thousand_slow_clients(tmp_path: Path) -> None:
    """With the default limits: each is cut off, within the time that a head or a body has."""
    assert connections_possible(1200) == 1200
    with daemon(tmp_path, "--parallel", 8) as service:
        service.chat("quick")
        before, tally = resident(service), Tally()
        with asked_throughout(service, tally):
            gone = slow_clients(service.port, 1000, 60)
        until(lambda: at_rest(service))
        show(f"{gone} of 1000 cut off; {tally.good} good requests answered, {len(tally.bad)} not")
        show(f"memory {before / 1e6:.1f} MB before, {resident(service) / 1e6:.1f} MB after")
        assert (gone, tally.bad) == (1000, [])
        assert resident(service) - before < 15e6
