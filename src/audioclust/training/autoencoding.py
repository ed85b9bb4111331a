"""How autoencoders are trained: a stacked one layer by layer and as a whole, and the losses of a variational one.

A stacked autoencoder begins as in DEC (Xie et al., ICML 2016, arXiv 1511.06335, section 3.3), after Vincent et al.
(JMLR 2010): each layer is a denoising autoencoder of the codes below it. A variational one is Kingma and Welling's
(ICLR 2014, arXiv 1312.6114), with a learnt variance of the reconstruction (Rybkin et al., ICML 2021, arXiv 2006.13202),
so that its two parts need no weight between them.

Shapes: n vectors, b of a batch, d dimensions, z of a code.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audioclust.networks.stacked import Stacked
from audioclust.training.loop import Run, batches, epochs, optimise


def masked(x: Tensor, share: float) -> Tensor:
    """Return ``x`` with about a ``share`` of its values set to 0, the mean of standardised data."""
    return x * (torch.rand_like(x) >= share)


def reconstruction(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return -log p(x | z) up to a constant, the mean over b: a Gaussian around ``mean`` (b, ...) with one variance."""
    error = (x - mean).square().flatten(1)
    return 0.5 * (error / log_variance.exp() + log_variance).sum(1).mean()


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(q(z | x) || N(0, I)), the mean over b of (b, z)."""
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1).mean()


def drawn(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return codes (b, z) drawn from q(z | x), so that gradients pass."""
    return mean + (0.5 * log_variance).exp() * torch.randn_like(mean)


class Spread(nn.Module):
    """The logarithms of variances: of codes (b, z), from a layer's output (b, hidden), and of the data, a scalar."""

    def __init__(self, hidden: int, z: int):
        super().__init__()
        self.codes = nn.Linear(hidden, z)
        self.data = nn.Parameter(torch.zeros(()))

    def forward(self, h: Tensor) -> Tensor:
        return self.codes(h).float().clamp(-20, 20)


def fit_stacked(
    network: Stacked, x: Tensor, *, batch: int, layer_epochs: int, whole_epochs: int, lr: float, corruption: float,
    run: Run | None = None,
) -> None:  # fmt: skip
    """Train a stacked autoencoder on vectors, in place.

    Args:
        network: in any state.
        x: (n, d), of about unit mean square.
        batch: vectors per step.
        layer_epochs: passes for each layer; 0: none is trained by itself.
        whole_epochs: passes for the whole, without corruption.
        lr: of Adam.
        corruption: share of the inputs, and of the codes, of each layer that are dropped.
        run: keeps curves and checkpoints.

    Raises:
        RuntimeError: the loss is not finite.
    """
    h, pairs = x, network.pairs()
    for place, (encode, decode) in enumerate(pairs):
        inner = nn.Identity() if place == len(pairs) - 1 else nn.ReLU()
        layer = nn.Sequential(
            nn.Dropout(corruption), encode, inner, nn.Dropout(corruption), decode, nn.ReLU() if place else nn.Identity()
        )
        train({"layer": layer}, _squared(layer), h, batch, layer_epochs, lr, run, f"layer-{place}")
        with torch.no_grad():
            h = inner(encode(h))
    train({"network": network}, _squared(network), x, batch, whole_epochs, lr, run, "whole")


def _squared(network: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda x: F.mse_loss(network(x), x)


def fit_denoising(
    network: Stacked, x: Tensor, *, batch: int, count: int, lr: float, corruption: float, run: Run | None = None
) -> None:
    """Train an autoencoder as a whole, for ``count`` passes, to repair vectors (n, d) of which a share is masked."""

    def loss(rows: Tensor) -> Tensor:
        return F.mse_loss(network(masked(rows, corruption)), rows)

    train({"network": network}, loss, x, batch, count, lr, run, "whole")


def fit_variational(network: Stacked, x: Tensor, *, batch: int, count: int, lr: float, run: Run | None = None) -> None:
    """Train an autoencoder as a whole, for ``count`` passes, as a variational one of vectors (n, d)."""
    below, last = network.encoder[:-1], network.encoder[-1]
    spread = Spread(last.in_features, last.out_features).to(x.device)

    def loss(rows: Tensor) -> Tensor:
        h = below(rows)
        mean, log_variance = last(h), spread(h)
        made = network.decoder(drawn(mean, log_variance))
        return (reconstruction(rows, made, spread.data) + divergence(mean, log_variance)) / rows.shape[1]

    train({"network": network, "spread": spread}, loss, x, batch, count, lr, run, "whole")


def train(
    modules: dict[str, nn.Module], loss: Callable[[Tensor], Tensor], x: Tensor, batch: int, count: int, lr: float,
    run: Run | None, phase: str,
) -> None:  # fmt: skip
    """Minimise a loss of vectors by Adam.

    Args:
        modules: what is trained, by name.
        loss: of vectors (b, d).
        x: (n, d).
        batch: vectors per step.
        count: passes.
        lr: of Adam.
        run: keeps curves and checkpoints.
        phase: its name there.
    """
    weights = [weight for module in modules.values() for weight in module.parameters()]
    optimiser = torch.optim.Adam(weights, lr, fused=True)
    for epoch in epochs(count, modules | {"optimiser": optimiser}, run, phase):
        for rows in batches(len(x), batch):
            value = loss(x[rows.to(x.device, non_blocking=True)])
            optimise(value, optimiser)
            epoch.add(loss=value)
