"""Values far from the rest are named, never removed."""

from collections.abc import Sequence

import numpy as np

from shortlist.stats.samples import finite

THRESHOLD = 3.5


def modified_z_scores(values: Sequence[float]) -> tuple[float, ...]:
    """0.6745 (x - median) / MAD for every value; for a MAD of zero (x - median) / (1.2533 mean absolute deviation).

    Zero for all where nothing deviates. Finite values only: a failed request is a failure, not an outlier (raises
    NotEnoughSamples). Source: Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993), 3.3; the second form as
    the documentation of IBM Cognos Analytics restates it ("modified z score").
    """
    array = finite(values, "values")
    if not array.size:
        return ()
    deviations = array - np.median(array)
    spread = float(np.median(np.abs(deviations))) / 0.6745
    if spread == 0:
        spread = float(np.mean(np.abs(deviations))) * 1.253314
    return tuple((deviations / spread).tolist()) if spread > 0 else (0.0,) * array.size


def outliers(values: Sequence[float], threshold: float = THRESHOLD) -> tuple[int, ...]:
    """Indices of the values whose modified z-score is beyond `threshold`, in order; none of fewer than three values."""
    if len(values) < 3:
        return ()
    return tuple(i for i, score in enumerate(modified_z_scores(values)) if abs(score) > threshold)
