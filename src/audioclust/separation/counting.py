"""How many sources a mixture has, from the embeddings of its bins.

Embeddings whose affinities are those of s sources, VV' = YY', have V'V with s eigenvalues above 0, the sizes of the
sources. How far a trained network is from that depends on the network, so a model learns to count after its training:
from mixtures of known numbers of its own training sources, by multinomial logistic regression on V'V itself and on the
logarithms of its eigenvalues and of the means of those of its segments.

Shapes: t frames, f bins, k dimensions, g segments, e features, c numbers of sources.
"""

from dataclasses import dataclass

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

SEGMENT = 100  # frames
LEAST = 50  # active bins of a segment that counts
SMALLEST = 1e-6  # eigenvalue
MOST = 4  # sources that are told apart
INVERSE_PENALTY = 0.3  # of the regression's weights: scikit-learn's C


def grams(v: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
    """Return V'V of the active bins of each segment (..., g, k, k), float64, and how many there are (..., g).

    Args:
        v: embeddings (..., t, f, k).
        active: (..., t, f) bool.
    """
    missing = -v.shape[-3] % SEGMENT
    points = torch.nn.functional.pad(v * active[..., None], (0, 0, 0, 0, 0, missing))
    inside = torch.nn.functional.pad(active, (0, 0, 0, missing))
    points = points.unflatten(-3, (-1, SEGMENT)).flatten(-3, -2)  # (..., g, n, k)
    return (points.mT @ points).double(), inside.unflatten(-2, (-1, SEGMENT)).sum((-2, -1))


def features(grams: Tensor, counts: Tensor) -> Tensor:
    """Return what the number of sources is told by, (..., e), from the ``grams`` of a mixture's segments.

    The logarithms of the eigenvalues of V'V / n, those of the means of its segments' eigenvalues, and the upper
    triangle of V'V / n: a network has places of its own for kinds of sources.
    """
    whole = grams.sum(-3) / counts.sum(-1).clamp_min(1)[..., None, None]
    each = torch.linalg.eigvalsh(grams / counts.clamp_min(1)[..., None, None])  # (..., g, k)
    heard = (counts >= counts.amax(-1, keepdim=True).clamp_max(LEAST))[..., None]
    mean = (each * heard).sum(-2) / heard.sum(-2)
    values = torch.cat([torch.linalg.eigvalsh(whole), mean], -1).clamp_min(SMALLEST).log()
    rows, columns = torch.triu_indices(*whole.shape[-2:], device=whole.device)
    return torch.cat([values, whole[..., rows, columns]], -1)


@dataclass(eq=False)
class Counter:
    """Tells the number of sources, 1 to c, by a linear function of the features."""

    mean: Tensor  # (e,) of the features
    std: Tensor
    weight: Tensor  # (c, e)
    bias: Tensor  # (c,)

    @classmethod
    def fit(cls, features: Tensor, numbers: Tensor) -> "Counter":
        """Return one that has learned from features (n, e) of mixtures of 1 to c sources, ``numbers`` (n,)."""
        x = features.double().cpu()
        mean, std = x.mean(0), x.std(0, correction=0).clamp_min(1e-6)
        model = LogisticRegression(C=INVERSE_PENALTY, max_iter=2000).fit(((x - mean) / std).numpy(), numbers.numpy())
        weight, bias = torch.from_numpy(model.coef_), torch.from_numpy(model.intercept_)
        if len(weight) == 1:  # of two numbers scikit-learn has the second one's alone
            weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
        return cls(mean, std, weight, bias)

    def tensors(self) -> dict[str, Tensor]:
        """Return all that it is made of, for ``Counter(**tensors)``."""
        return dict(vars(self))

    def __call__(self, features: Tensor) -> tuple[int, float]:
        """Return the most likely number of sources, and its probability."""
        chances = (self.weight @ ((features.double().cpu() - self.mean) / self.std) + self.bias).softmax(0)
        number = int(chances.argmax())
        return number + 1, float(chances[number])
