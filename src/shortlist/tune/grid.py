"""Which settings are tried: each changes one thing of an engine's defaults; what the user set stays as it is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shortlist.profiles import changes
from shortlist.records import EngineOptions

DEFAULT = "default"
LOSSY_KV = ("bf16", "q8_0")
"""KV types that keep less than the default's f16 does: a few equal answers do not prove that the model is the same."""

_KV_TYPES = ("f32", *LOSSY_KV)
_UBATCHES = (256, 128, 64, 1024)
_DEFAULT_UBATCH = 512
_CHARACTERS_PER_TOKEN = 3  # of English; a guess on the high side of tokens


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to open the model. `tuned` holds what differs from the engine's default, and is what a profile keeps.

    `model` names the variant that is opened, where several are tried; `is_lossy` marks less exact arithmetic.
    """

    engine: str
    tuned: EngineOptions = field(default_factory=EngineOptions)
    factor: str = ""
    is_lossy: bool = False
    model: str = ""

    @property
    def label(self) -> str:
        """`llamacpp threads=1`, unlike that of any other setting of a search."""
        return " ".join([*([self.model] if self.model else []), self.engine, ", ".join(changes(self.tuned)) or DEFAULT])

    @property
    def is_default(self) -> bool:
        """Whether nothing is changed."""
        return not changes(self.tuned)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the grid depends on: cores of this host, its default threads, the longest prompt, requests in flight."""

    threads: int
    physical_cores: int
    usable_cores: int
    prompt_characters: int
    concurrency: int = 1


def settings_of(engine: str, tunable: Sequence[str], asked: EngineOptions, here: Conditions) -> tuple[Setting, ...]:
    """The default first, then what promises most. `tunable`: what this engine can be told; what was asked for stays."""
    found = [Setting(engine)]
    for factor, tuned in _changes(asked, here):
        if factor in tunable and set(tuned.extra) <= set(tunable):
            is_lossy = (tuned.kv_type or "") in LOSSY_KV
            found.append(Setting(engine, tuned, factor, is_lossy))
    return tuple(found)


def _changes(asked: EngineOptions, here: Conditions) -> Iterator[tuple[str, EngineOptions]]:
    if asked.threads is None:
        yield from (("threads", one) for one in _threads(asked, here))
    if "speculation" not in asked.extra:
        yield from (("speculation", EngineOptions(extra={"speculation": one})) for one in SPECULATIONS)
    tokens = here.prompt_characters // _CHARACTERS_PER_TOKEN
    if "ubatch" not in asked.extra:
        # Larger than the prompt is as large as the prompt.
        sizes = [one for one in _UBATCHES if one < tokens or here.concurrency > 1]
        yield from (("ubatch", EngineOptions(extra={"ubatch": str(one)})) for one in sizes)
    if "batch" not in asked.extra and (tokens > _DEFAULT_UBATCH or here.concurrency > 1):
        yield "batch", EngineOptions(extra={"batch": str(_DEFAULT_UBATCH)})
    if asked.kv_type is None:
        yield from (("kv_type", EngineOptions(kv_type=one)) for one in _KV_TYPES)


SPECULATIONS = ("ngram",)
"""Ways to guess tokens ahead without a second model."""


def _threads(asked: EngineOptions, here: Conditions) -> Iterator[EngineOptions]:
    """Fewer and more threads than the default; few to decode with all of the cores to read the prompt."""
    cores = here.physical_cores
    counts = (cores, here.usable_cores, 3 * cores // 4, cores // 2, cores // 4, 1 if cores <= 4 else 0)
    for count in dict.fromkeys(counts):
        if count >= 1 and count != here.threads:
            yield EngineOptions(threads=count)
    if "threads_batch" not in asked.extra:
        fewer = max(1, here.threads // 2)
        if fewer < here.threads:
            yield EngineOptions(threads=fewer, extra={"threads_batch": str(cores)})
        elif cores > here.threads:
            yield EngineOptions(extra={"threads_batch": str(cores)})


def combined(parts: Iterable[Setting]) -> Setting:
    """Settings of one engine and model, each with another factor, as one."""
    listed = list(parts)
    whole = EngineOptions()
    for one in listed:
        whole = replace(
            whole,
            threads=one.tuned.threads or whole.threads,
            kv_type=one.tuned.kv_type or whole.kv_type,
            gpu_layers=whole.gpu_layers if one.tuned.gpu_layers is None else one.tuned.gpu_layers,
            extra={**whole.extra, **one.tuned.extra},
        )
    first = listed[0]
    factor = "+".join(one.factor for one in listed)
    return replace(first, tuned=whole, factor=factor, is_lossy=any(one.is_lossy for one in listed))


def by_label(settings: Iterable[Setting]) -> Mapping[str, Setting]:
    """Each setting once, by its label, in the order given."""
    return {one.label: one for one in settings}
