"""What the statistics are computed from: finite numbers, and scores by cluster and prompt."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.errors import NotEnoughSamples

FloatArray = NDArray[np.float64]

ClusteredScores = Mapping[str, Mapping[str, Sequence[float]]]
"""Cluster → prompt → the score of every repeat of that prompt. A prompt without a cluster is its own."""


def numbers(values: Iterable[float], what: str) -> FloatArray:
    """Floats as an array, infinities allowed. Raises NotEnoughSamples where one is not a number."""
    array = np.asarray(list(values), dtype=np.float64)
    if np.isnan(array).any():
        raise NotEnoughSamples(f"{what}: {int(np.isnan(array).sum())} of {array.size} values are not numbers")
    return array


def finite(values: Iterable[float], what: str) -> FloatArray:
    """Floats as an array. Raises NotEnoughSamples where one is infinite or not a number."""
    array = numbers(values, what)
    if not np.isfinite(array).all():
        raise NotEnoughSamples(f"{what}: {int(np.isinf(array).sum())} of {array.size} values are infinite")
    return array


def logs(values: Iterable[float], what: str) -> FloatArray:
    """Natural logarithms. Raises NotEnoughSamples where a value is zero, negative, infinite or not a number."""
    array = finite(values, what)
    if (array <= 0).any():
        raise NotEnoughSamples(f"{what}: a ratio needs values above zero, the smallest is {array.min():g}")
    return np.log(array)


def sample_sd(array: FloatArray, resolution: float = 0.0) -> float:
    """Standard deviation (n - 1), never below what reading on a grid of step `resolution` adds: step / √12.

    Values that are equal to within rounding count as equal, so that the spread of 0.1 + 0.2 and 0.3 is zero.
    """
    spread = float(np.std(array, ddof=1))
    if spread <= 1e-12 * float(np.abs(array).max()):
        spread = 0.0
    return max(spread, resolution / math.sqrt(12))


def prompt_means(scores: ClusteredScores) -> dict[str, dict[str, float]]:
    """Cluster → prompt → mean over its repeats; prompts without a score and clusters without a prompt are left out.

    Raises NotEnoughSamples where a score is infinite or not a number.
    """
    means = {
        cluster: {prompt: _mean(values, prompt) for prompt, values in prompts.items() if len(values)}
        for cluster, prompts in scores.items()
    }
    return {cluster: prompts for cluster, prompts in means.items() if prompts}


def _mean(values: Sequence[float], prompt: str) -> float:
    if not all(map(math.isfinite, values)):
        raise NotEnoughSamples(f"prompt {prompt}: a score is infinite or not a number")
    return mean_of(values)


def mean_of(values: Collection[float]) -> float:
    """Mean of at least one number, rounded once."""
    return math.fsum(values) / len(values)


def cluster_means(scores: ClusteredScores) -> FloatArray:
    """One mean per cluster: repeats inside the prompt first, then prompts inside the cluster, equal weights."""
    return np.array([mean_of(prompts.values()) for prompts in prompt_means(scores).values()], dtype=np.float64)


def each_its_own(scores: Mapping[str, Sequence[float]]) -> ClusteredScores:
    """Scores by prompt where no cluster was given: each prompt is its own."""
    return {prompt: {prompt: values} for prompt, values in scores.items()}
