"""A laboratory without engines: settings with true speeds, noise of a host, and time that passes on a virtual loop."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from shortlist.choose.evidence import CandidateEvidence
from shortlist.clock import LoopClock
from shortlist.profiles import changes
from shortlist.tune.grid import Setting
from shortlist.tune.lab import Ask, Phase

SECOND = 10**9
FIGURE = "tokens_per_s"


@dataclass
class DrawnLab:
    """`effects`: a change such as `threads=1` → its factor on the speed; what changes the text is in `altering`.

    `shared_sd` is the noise of a round that all its blocks have, `own_sd` that of one block. `broken` do not start.
    """

    effects: Mapping[str, float]
    seed: int = 0
    altering: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()
    broken_default: bool = False
    block_s: float = 3.0
    shared_sd: float = 0.05
    own_sd: float = 0.02
    asked: list[Ask] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock, self.rng = LoopClock(), np.random.default_rng(self.seed)

    def truth(self, setting: Setting) -> float:
        effects = {"threads_batch=2": 0.9, **self.effects}
        return float(np.prod([effects.get(one, 1.0) for one in (setting.model, *changes(setting.tuned))]))

    def _is_broken(self, one: Setting) -> bool:
        return bool(self.broken & set(changes(one.tuned))) or (self.broken_default and one.is_default)

    def guess_ns(self, setting: Setting) -> float:
        return self.block_s * SECOND

    async def measure(self, ask: Ask) -> Phase:
        self.asked.append(ask)
        values: dict[str, dict[int, dict[str, float]]] = {}
        failed = {one.label: "it broke" for one in ask.settings if self._is_broken(one)}
        for number in range(1, ask.rounds + 1):
            shared = self.rng.normal(0.0, self.shared_sd)
            for one in ask.settings:
                speed = self.truth(one)
                took_ns = round(self.block_s * SECOND / speed)
                left_ns = ask.until_ns - self.clock.now_ns()
                await self.clock.sleep_ns(min(took_ns, left_ns))
                if took_ns > left_ns:
                    return self._phase(ask, values, failed)
                if one.label not in failed:
                    value = 30.0 * speed * float(np.exp(shared + self.rng.normal(0.0, self.own_sd)))
                    values.setdefault(one.label, {})[number] = {"p/0": value}
        return self._phase(ask, values, failed)

    def _phase(
        self, ask: Ask, values: Mapping[str, Mapping[int, Mapping[str, float]]], failed: Mapping[str, str]
    ) -> Phase:
        by_label = {one.label: one for one in ask.settings if one.label in values}
        return Phase(
            ask.phase,
            f"run-{len(self.asked)}",
            ask.rounds,
            {label: CandidateEvidence(label, label, {}, {FIGURE: values[label]}) for label in by_label},
            {label: {"p": (self._text(one),)} for label, one in by_label.items()},
            {label: self.block_s * SECOND / self.truth(one) for label, one in by_label.items()},
            failed,
        )

    def _text(self, one: Setting) -> str:
        return "the same until here, then more" if self.altering & set(changes(one.tuned)) else "the same until then"
