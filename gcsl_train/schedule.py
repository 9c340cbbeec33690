"""The learning rate of each step: a linear warmup, then a fall to nearly zero, or none."""

import math

from gcsl_train.config import Schedule


def rate(step: int, *, total: int, peak: float, warmup: float, schedule: Schedule) -> float:
    """The rate of optimizer step `step` (from 1) of `total`; no step before the end has rate 0 unless the peak is 0.

    The warmup takes the first `round(warmup * total)` steps and ends at the peak. After it, cosine and linear fall so that
    the step after the last one would have rate 0.
    """
    warm = round(warmup * total)
    if step <= warm:
        return peak * step / warm
    done = (step - 1 - warm) / max(total - warm, 1)
    if schedule == "cosine":
        return peak * 0.5 * (1.0 + math.cos(math.pi * done))
    return peak * (1.0 - done) if schedule == "linear" else peak
