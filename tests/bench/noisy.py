"""A watch that is told what the host did, so that what a bench makes of it is the same on every machine."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

import pytest

from shortlist.bench.again import Watch
from shortlist.clock import Clock
from shortlist.measure.disturbance import Conditions
from shortlist.records import Sample

CAUSE = "apt took 1.4 cores"
Script = Callable[[str, int, int], float]
"""Prompt, attempt at its cell (1 is the first), round's count of blocks → how disturbed; from 1 on it is."""


@dataclass
class Noise:
    """What is to happen, and how often the bench waited for quiet."""

    script: Script
    settled: int = 0
    blocks: int = 0
    seen: Counter[str] = field(default_factory=Counter)


def install(monkeypatch: pytest.MonkeyPatch, script: Script) -> Noise:
    noise = Noise(script)

    class ScriptedWatch(Watch):
        def __enter__(self) -> Self:
            super().__enter__()
            noise.blocks += 1
            noise.seen.clear()
            return self

        def judge(self, samples: Sequence[Sample]) -> list[Conditions]:
            super().judge(samples)
            found = []
            for sample in samples:
                noise.seen[sample.cell or ""] += 1
                severity = noise.script(sample.prompt or "", noise.seen[sample.cell or ""], noise.blocks)
                found.append(Conditions((CAUSE,) if severity >= 1 else (), severity))
            return found

        async def settle(self, clock: Clock, passed_ns: int, is_over: Callable[[], bool]) -> None:
            noise.settled += 1

    monkeypatch.setattr("shortlist.bench.blocks.Watch", ScriptedWatch)
    return noise
