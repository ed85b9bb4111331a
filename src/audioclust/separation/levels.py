"""How loud speech is while it lasts: the active speech level of ITU-T P.56, by which mixtures are balanced."""

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.signal import lfilter

SMOOTHING = 0.03  # seconds: time constant of both stages of the envelope
HANGOVER = 0.2  # seconds for which a moment above the threshold counts as active
MARGIN = 15.9  # dB by which the level lies above its threshold
STEPS = 40  # thresholds, 3 dB apart


def active_level(x: np.ndarray, rate: int) -> float:
    """Return the power of a signal (n,) in its active parts (ITU-T P.56, method B); 0 for silence.

    The envelope is the magnitude, smoothed twice; a sample is active where the envelope was above a threshold within
    the last 0.2 s. The threshold is the one that lies 15.9 dB below the power of what it makes active. Thresholds hang
    from the signal's own maximum instead of full scale, so that ``active_level(a * x) == a**2 * active_level(x)``.
    """
    x = np.asarray(x, np.float64)
    energy = float(np.sum(x**2))
    if energy == 0:
        return 0.0
    decay = np.exp(-1 / (SMOOTHING * rate))
    envelope = np.abs(x)
    for _ in range(2):
        envelope = lfilter([1 - decay], [1, -decay], envelope)
    reach = 1 + round(HANGOVER * rate)
    held = maximum_filter1d(envelope, reach, mode="constant", origin=(reach - 1) // 2)  # of the last samples alone
    thresholds = held.max() * 2.0 ** (-np.arange(STEPS) / 2)
    levels = 10 * np.log10(energy / np.array([np.count_nonzero(held >= threshold) for threshold in thresholds]))
    margins = levels - 20 * np.log10(thresholds)  # rise as the threshold falls
    return float(10 ** (np.interp(MARGIN, margins, levels) / 10))
