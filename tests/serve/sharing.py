"""Two models that are asked all the time, with memory for one: who is served how often, and who waits how long."""

import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psutil

from serve.services import Daemon
from shortlist.clock import monotonic_ns, sleep_blocking_ns
from shortlist.demo import demo_model_path

OPTIONS = ("--memory-limit", "90MB", "--parallel", 4, "--threads", 1)
"""Memory for one demo model."""

Pair = tuple[str, str]


@dataclass(slots=True)
class Shared:
    """What each client had. Even ones ask the first model, odd ones the second."""

    models: Pair
    seconds: float
    served: Counter[int] = field(default_factory=Counter)
    longest_ns: Counter[int] = field(default_factory=Counter)
    most_engines: int = 0
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def swaps(self) -> int:
        return sum(row["evictions"] for row in self.rows.values())

    def of(self, model: str) -> list[int]:
        """What the clients of one model had, each."""
        return [count for number, count in sorted(self.served.items()) if self.models[number % 2] == model]

    def told(self) -> list[str]:
        """The figures, a line each."""
        loading_s = sum(row["loading_ns"] for row in self.rows.values()) / 1e9
        each = [(model, self.of(model), self._longest_s(model)) for model in self.models]
        swaps = f"{self.swaps} swaps in {self.seconds:g} s"
        return [
            *(
                f"{model}: {sum(had)} answers, {min(had)} to {max(had)} a client, longest wait {longest_s:.1f} s"
                for model, had, longest_s in each
            ),
            f"{swaps}; loads took {loading_s:.1f} s; engines at once: {self.most_engines}",
        ]

    def _longest_s(self, model: str) -> float:
        return max(ns for number, ns in self.longest_ns.items() if self.models[number % 2] == model) / 1e9


def twins(service: Daemon) -> Pair:
    """Two models that cost the same: a demo model and a copy of it."""
    copy = service.home / "twin.gguf"
    shutil.copyfile(demo_model_path("notes-large"), copy)
    added = service.run("model", "add", "twin", copy)
    assert added.code == 0, added.err
    return "notes-large", "twin"


def share(service: Daemon, models: Pair, clients: int, seconds: float) -> Shared:
    """Ask until the time is over. An answer that is not the asked model's raises AssertionError."""
    found = Shared(models, seconds)
    end = monotonic_ns() + round(seconds * 1e9)

    def client(number: int) -> None:
        while monotonic_ns() < end:
            began = monotonic_ns()
            answer = service.chat(models[number % 2], max_tokens=16)
            assert answer.status == 200, answer.body
            assert answer.headers["x-shortlist-model"] == models[number % 2]
            found.served[number] += 1
            found.longest_ns[number] = max(found.longest_ns[number], monotonic_ns() - began)

    with ThreadPoolExecutor(clients + 1) as threads:
        most = threads.submit(_most_engines, service, end)
        for done in [threads.submit(client, number) for number in range(clients)]:
            done.result()
    found.most_engines, found.rows = most.result(), service.rows()
    return found


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
