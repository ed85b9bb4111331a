"""DECAR's front end, as near as log-mels come to it: log magnitudes of a waveform of norm 1.

DECAR divides a waveform by its L2 norm and takes the logarithm of mel sums of magnitudes, clipped below at 1e-5. A
log-mel here is the logarithm of a mel sum of powers. Half of it, the logarithm of a root of summed powers, stands for
the sum of magnitudes; the norm is that of the bands' powers.

What only the recordings would give, and differs: the sum of magnitudes itself; windows of 400 samples in 1,024 points
(here those of the section logmel); HTK's bands without area norm (``logmel.mel_scale=htk`` has them); what lies outside
of the bands, in the norm. DECAR pads the clips of a batch with zeros at their ends, here a clip is repeated.
"""

import math

import torch

# Sum of the squared magnitudes of a waveform of norm 1 (Parseval): half of the FFT's points times the squares of a Hann
# window of 400 samples, over the hop
ENERGY = 1024 / 2 * (3 / 8 * 400) / 160
LEAST = 1e-5  # magnitude


def log_magnitudes(x: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """Return log magnitudes of log-mels; how loud a clip is does not matter.

    Args:
        x: (b, 1, f, t) in nats, the signal of a clip repeated to t frames or stretched to them.
        frames: (b,) frames of the signal itself.
    """
    energy = x.logsumexp((1, 2, 3)) + torch.log(frames / x.shape[3])  # (b,)
    return (0.5 * (x - energy.view(-1, 1, 1, 1) + math.log(ENERGY))).clamp_min(math.log(LEAST))
