"""Memory for one model only, two that are asked all the time by sixteen clients, real engines: nobody starves."""

import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from serve.services import Daemon, daemon
from shortlist.clock import monotonic_ns, sleep_blocking_ns

log = logging.getLogger(__name__)

CLIENTS, SECONDS, TURN_S = 16, 30, 3
MODELS = ("notes-small", "notes-large")

pytestmark = [pytest.mark.slow, pytest.mark.engine]


def test_two_models_that_share_the_memory_of_one_are_swapped_within_bounds(tmp_path: Path) -> None:
    options = ("--memory-limit", "90MB", "--turn", f"{TURN_S}s", "--parallel", 4, "--threads", 1)
    with daemon(tmp_path, *options) as service:
        end = monotonic_ns() + SECONDS * 10**9
        served: Counter[int] = Counter()
        longest: Counter[int] = Counter()

        def client(number: int) -> None:
            while monotonic_ns() < end:
                began = monotonic_ns()
                answer = service.chat(MODELS[number % 2], max_tokens=16)
                assert answer.status == 200, answer.body
                assert answer.headers["x-shortlist-model"] == MODELS[number % 2]
                served[number] += 1
                longest[number] = max(longest[number], monotonic_ns() - began)

        with ThreadPoolExecutor(CLIENTS + 1) as threads:
            most = threads.submit(_most_engines, service, end)
            for done in [threads.submit(client, number) for number in range(CLIENTS)]:
                done.result()
        rows = service.rows()
        swaps = sum(row["evictions"] for row in rows.values())
        took = sum(row["loading_ns"] for row in rows.values()) / 1e9
        log.info(
            "%d answers, %d to %d a client; %d swaps in %d s, loads took %.1f s; longest wait %.1f s",
            served.total(), min(served.values()), max(served.values()), swaps, SECONDS, took,
            max(longest.values()) / 1e9,
        )  # fmt: skip
        assert most.result() == 1, "one engine at a time fits"
        assert set(served) == set(range(CLIENTS)), "every client was served"
        assert 2 <= swaps <= SECONDS / TURN_S + 1
        assert "so far" in service.run("service", "ps").out


def _most_engines(service: Daemon, end: int) -> int:
    """The most engines that were up at once, looked at ten times a second."""
    most = 0
    while monotonic_ns() < end:
        engines = [child for child in service.children() if "llamacpp_child" in " ".join(_command(child))]
        most = max(most, len(engines))
        sleep_blocking_ns(100_000_000)
    return most


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
