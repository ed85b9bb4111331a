"""How well estimates match their sources: SDR of BSSEval v3 and SI-SDR, and how much both gain over the mixture.

The SDR is that of the projection on the reference delayed by 0 to 511 samples (Vincent, Gribonval and Fevotte 2006),
computed by fast_bss_eval in float64 and solved directly: its conjugate gradients are off by decibels where sources are
well separated. The SI-SDR (Le Roux et al. 2019) is that of the projection on the reference alone, after the means of
both are removed, as in asteroid and nussl; fast_bss_eval and torchmetrics leave them by default. Both ignore scale.

Shapes: estimates and references (s, n) of s sources and n samples, mixture (n,).
"""

from collections.abc import Sequence

import fast_bss_eval
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from audioclust.threads import one_thread

TAPS = 512
LIMIT = 100.0  # dB: a perfect estimate has this, a silent one its negative


def score(estimates: Tensor, references: Tensor, mixture: Tensor) -> dict[str, Tensor]:
    """Return scores of each reference, (s,) on the CPU; the improvement is that over the mixture as an estimate.

    ``sdr``, ``sdr_improvement``, ``mixture_sdr``, ``si_sdr``, ``si_sdr_improvement``, ``mixture_si_sdr`` in dB, within
    +-``LIMIT`` each; ``permutation``: the estimate of each reference, that of the largest sum of SDRs; ``silent``:
    which references have no sound. Those have NaN for every score, and the estimates that the others leave. A silent
    estimate has -``LIMIT``. Equal references get their estimates in any order. With fewer than 512 samples the filter
    is longer than the signal, and flatters.

    Raises:
        ValueError: other shapes than those, no sample, or a sample that is not finite.
    """
    return score_all([estimates], references, mixture)[0]


def score_all(estimates: Sequence[Tensor], references: Tensor, mixture: Tensor) -> list[dict[str, Tensor]]:
    """Return the ``score`` of each of several sets of estimates (s, n) of the same references.

    Most of the time goes into the filters' equations, which are those of the references: all sets share them.
    """
    for each in estimates:
        _check(each, references, mixture)
    silent = ~references.any(1).cpu()
    found = torch.cat([*estimates, mixture[None]])
    tables = [pairwise(references, found).cpu() for pairwise in (sdr, si_sdr)]  # (s, e s + 1), the mixture last
    return [_best(*(table[:, columns] for table in tables), *(table[:, -1] for table in tables), silent)
            for columns in torch.arange(len(found) - 1).split(len(references))]  # fmt: skip


def _best(
    sdr: Tensor, si_sdr: Tensor, mixture_sdr: Tensor, mixture_si_sdr: Tensor, silent: Tensor
) -> dict[str, Tensor]:
    """Return the scores of one set of estimates from those of all pairs (s, s) and of the mixture (s,)."""
    permutation = torch.from_numpy(linear_sum_assignment((-sdr).masked_fill(silent[:, None], 0).numpy())[1])
    scores: dict[str, Tensor] = {}
    for name, table, mixed in (("sdr", sdr, mixture_sdr), ("si_sdr", si_sdr, mixture_si_sdr)):
        ours = table.gather(1, permutation[:, None])[:, 0]
        scores |= {name: ours, f"{name}_improvement": ours - mixed, f"mixture_{name}": mixed}
    return scores | {"permutation": permutation, "silent": silent}


def sdr(references: Tensor, estimates: Tensor) -> Tensor:
    """Return the SDR (s, e) in dB of each of the references (s, n) and each of the estimates (e, n)."""
    # fast_bss_eval's correlations wrap around in signals shorter than the filter; and it scales loud signals only.
    missing = max(0, TAPS - references.shape[1])
    ours, theirs = (_unit(torch.nn.functional.pad(x.double(), (0, missing))) for x in (references, estimates))
    sound = references.any(1)
    table = ours.new_full((len(ours), len(theirs)), torch.nan)
    if sound.any():
        with one_thread():  # on two, torch 2.11 solves several systems at once with pivots that MKL refuses
            found = fast_bss_eval.sdr_loss(theirs, ours[sound], filter_length=TAPS, clamp_db=LIMIT, pairwise=True)
        table[sound] = -found
    return table


def si_sdr(references: Tensor, estimates: Tensor, *, zero_mean: bool = True) -> Tensor:
    """Return the SI-SDR (s, e) in dB of each of the references (s, n) and each of the estimates (e, n)."""
    ours, theirs = references.double(), estimates.double()
    if zero_mean:
        ours, theirs = ours - ours.mean(1, keepdim=True), theirs - theirs.mean(1, keepdim=True)
    ours, theirs = _unit(ours), _unit(theirs)
    cosine = ours @ theirs.T
    rest = (theirs - cosine[..., None] * ours[:, None]).square().sum(2)  # (s, e)
    least = 10 ** (-LIMIT / 10)
    table = 10 * torch.log10((cosine.square() / rest.clamp_min(1e-300)).clamp(least, 1 / least))
    return table.masked_fill(~references.any(1)[:, None], torch.nan)


def _unit(x: Tensor) -> Tensor:
    """Scale each row to energy 1; a silent one stays."""
    norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return torch.where(norm > 0, x / norm.clamp_min(1e-300), 0)


def _check(estimates: Tensor, references: Tensor, mixture: Tensor) -> None:
    shapes = tuple(references.shape), tuple(estimates.shape), tuple(mixture.shape)
    if references.ndim != 2 or not references.numel() or shapes != (shapes[0], shapes[0], shapes[0][1:]):
        raise ValueError(
            "references and estimates must be (s, n) and the mixture (n,), of one length: got references "
            f"{shapes[0]}, estimates {shapes[1]}, mixture {shapes[2]}; cut them to one length first"
        )
    for name, x in (("reference", references), ("estimate", estimates), ("mixture", mixture[None])):
        bad = (~x.isfinite().all(1)).nonzero()[:, 0].tolist()
        if bad:
            raise ValueError(f"{name} {bad[0]} has samples that are not finite: NaN or infinite")
