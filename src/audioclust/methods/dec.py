"""DEC (Xie, Girshick and Farhadi, ICML 2016, arXiv 1511.06335): codes of an autoencoder are drawn to cluster centres.

A stacked autoencoder learns codes of the clips, k-means finds centres of the codes, and then encoder and centres are
trained together: Student's t assigns codes softly to centres, the sharpened assignments of all clips are the target,
refreshed at intervals, and the Kullback-Leibler divergence from it is minimised: sure assignments become surer. It ends
when hardly any clip changes its cluster between two refreshes.

What differs from the official code (piiswrong/dec):

- Embeddings are standardised: the code wants inputs of unit mean square.
- The autoencoder is trained by Adam from torch's own start, as in ClustPy; there by 300,000 steps of SGD.
- On few clips the batch is smaller and passes are more: see ``Codes``.
- The target is refreshed in each pass; there every 160 batches (MNIST), 40 (STL) or 20 (Reuters).

Shapes: n clips, b of a batch, d dims of an embedding, z of a code, k clusters.
"""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import torch
from pydantic import Field
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from audioclust.devices import memory_hint, seeded
from audioclust.networks.stacked import Stacked
from audioclust.networks.standardise import Standardise
from audioclust.parameters import Count, Natural, Positive, Probability, validate
from audioclust.points.checks import points
from audioclust.points.kmeans import kmeans
from audioclust.training import saving
from audioclust.training.autoencoding import fit_stacked
from audioclust.training.loop import Run, batches, epochs, optimise
from audioclust.training.schedules import batch_size, passes

BATCH, LAYER_EPOCHS, WHOLE_EPOCHS, EPOCHS = 256, 300, 500, 100  # of the port to torch (vlukiyanov/pt-dec), for MNIST
HIDDEN = [500, 500, 2000]  # published
RESTARTS = 20  # of k-means
BLOCK = 4096  # clips per forward pass without gradient

# The loss


def soft_assignment(codes: Tensor, centres: Tensor, alpha: float = 1.0) -> Tensor:
    """Return log q(j | i) (b, k) of codes (b, z), Eq. 1: Student's t with ``alpha`` degrees of freedom."""
    squared = (codes[:, None] - centres).square().sum(2)
    return (-(alpha + 1) / 2 * torch.log1p(squared / alpha)).log_softmax(1)


def target(log_q: Tensor) -> Tensor:
    """Return the target p(j | i) (n, k), Eq. 3: squared assignments over the clusters' sizes, those of all clips."""
    return (2 * log_q - log_q.logsumexp(0)).softmax(1)


def divergence(p: Tensor, log_q: Tensor) -> Tensor:
    """Return KL(P || Q), Eq. 2, the mean over b of (b, k)."""
    return (torch.special.xlogy(p, p) - p * log_q).sum(1).mean()


class Soft(nn.Module):
    """An encoder and the centres (k, z) of its codes: (b, d) -> log q (b, k)."""

    def __init__(self, encoder: nn.Module, k: int, z: int, alpha: float):
        super().__init__()
        self.encoder, self.alpha = encoder, alpha
        self.centres = nn.Parameter(torch.zeros(k, z))

    def forward(self, x: Tensor) -> Tensor:
        return soft_assignment(self.encoder(x), self.centres, self.alpha)


# The method


@dataclass(repr=False, eq=False)
class Codes(ClusterMixin, BaseEstimator):
    """What DEC and IDEC share: an autoencoder of an embedding, centres of its codes, and their training.

    Of few clips, and only where they are null, ``batch`` and the passes are sized by the number of clips
    (``training.schedules``); a value that is given stands.
    """

    k: Count  # clusters
    hidden: Annotated[list[Count], Field(min_length=1)] | None = None  # layers before the code; null: 500, 500, 2000
    d: Count = 10  # dimensions of a code
    corruption: Probability = 0.2  # share of a layer's inputs that are set to 0 while it is trained by itself
    # Passes over the clips that train each layer; null: 300 or, if it is more, as many as give 1000 steps
    layer_epochs: Natural | None = None
    # Passes that train the whole autoencoder; null: 500 or, if it is more, as many as give 1000 steps
    whole_epochs: Count | None = None
    autoencoder_lr: Positive = 1e-3  # of Adam, in both
    alpha: Positive = 1.0  # degrees of freedom of Student's t
    # Passes of the clustering at most; null: 100 or, if it is more, as many as give 1000 steps
    epochs: Count | None = None
    tolerance: Probability = 1e-3  # the clustering ends when a smaller share of the clips changed its cluster in a pass
    batch: Count | None = None  # clips per step; null: 256 or, if it is less, n / 8 (at least 32). At most n
    lr: Positive = 0.01  # of the clustering
    _: KW_ONLY
    device: str = "cpu"  # or "cuda"
    random_state: int = 0  # seeds everything

    input = "embedding"

    def fit(
        self,
        X: np.ndarray,
        y: Any = None,
        *,
        frames: Any = None,
        encoder: Any = None,
        embedding: Any = None,
        run: Run | None = None,
    ) -> Self:
        """Set ``proba_`` (n, k) float32, ``labels_`` (n,) int32, its largest columns, ``network_`` and ``batch_``.

        Args:
            X: embedding (n, d).
            y, frames, encoder, embedding: ignored.
            run: keeps curves and checkpoints.

        Raises:
            ValueError: a wrong parameter, fewer clips than ``k``, or one that is not finite.
            RuntimeError: the loss is not finite.
        """
        validate(self)
        x = torch.tensor(points(X, self.k, self), dtype=torch.float32).to(self.device)
        self.standardise_ = Standardise(x.shape[1]).to(self.device).fit(x)
        x = self.standardise_(x)
        self._size(len(x))
        with (
            seeded(self.random_state, self.device),
            memory_hint(f"{type(self).__name__.lower()}.batch = {self.batch_}"),
        ):
            autoencoder = Stacked(self._dims).to(self.device)
            fit_stacked(
                autoencoder, x, batch=self.batch_, layer_epochs=self.layer_epochs_, whole_epochs=self.whole_epochs_,
                lr=self.autoencoder_lr, corruption=self.corruption, run=run,
            )  # fmt: skip
            self.network_ = Soft(autoencoder.encoder, self.k, self.d, self.alpha).to(self.device)
            with torch.no_grad():
                codes = torch.cat([autoencoder.encoder(block) for block in x.split(BLOCK)])
                self.network_.centres.copy_(kmeans(codes, self.k, restarts=RESTARTS, iterations=100).centres)
            self._train(x, autoencoder.decoder, run)
        self.network_.requires_grad_(False)
        self.proba_ = self._log_q(x).exp().cpu().numpy()
        self.labels_ = self.proba_.argmax(1).astype(np.int32)
        return self

    def _train(self, x: Tensor, decoder: nn.Module, run: Run | None) -> None:
        """Train encoder and centres on embeddings (n, d), until hardly any label changes from pass to pass."""
        network, before = self.network_, {"labels": torch.full((len(x),), -1, device=x.device)}
        modules = nn.ModuleList([network, decoder])
        optimiser = self._optimiser(modules)
        for epoch in epochs(
            self.epochs_, {"modules": modules, "optimiser": optimiser, "before": before}, run, "cluster"
        ):
            log_q = self._log_q(x)
            labels = log_q.argmax(1)
            changed = (labels != before["labels"]).double().mean()
            if changed < self.tolerance:
                break
            before["labels"] = labels
            p = target(log_q)
            for rows in batches(len(x), self.batch_):
                rows = rows.to(x.device, non_blocking=True)
                loss = self._loss(x[rows], p[rows], decoder)
                optimise(loss, optimiser, self.lr)
                epoch.add(loss=loss)
            epoch.add(changed=changed, confidence=log_q.amax(1).exp().mean())

    def _optimiser(self, modules: nn.ModuleList) -> torch.optim.Optimizer:
        """Return the optimiser of the clustering, for ``network_`` and the decoder."""
        raise NotImplementedError

    def _loss(self, x: Tensor, p: Tensor, decoder: nn.Module) -> Tensor:
        """Return the loss of embeddings (b, d) with targets (b, k)."""
        raise NotImplementedError

    def _size(self, n: int) -> None:
        """Set what depends on the number of clips."""
        self.batch_ = min(self.batch or batch_size(n, BATCH), n)
        published = {"layer_epochs": LAYER_EPOCHS, "whole_epochs": WHOLE_EPOCHS, "epochs": EPOCHS}
        for name, count in published.items():
            given = getattr(self, name)
            setattr(self, f"{name}_", passes(n, self.batch_, count) if given is None else given)

    @property
    def _dims(self) -> list[int]:
        return [self.n_features_in_, *(self.hidden or HIDDEN), self.d]

    def _log_q(self, x: Tensor) -> Tensor:
        """Return log q (n, k) of standardised embeddings (n, d)."""
        with torch.no_grad():
            return torch.cat([self.network_(block) for block in x.split(BLOCK)])

    def predict(self, X: np.ndarray, *, frames: Any = None, front_end: Any = None) -> np.ndarray:
        """Return the clusters (n,) int32 of an embedding (n, d); ``frames`` and ``front_end`` are ignored.

        Raises:
            NotFittedError: ``fit`` was not called.
            ValueError: another number of dimensions, or a row that is not finite.
        """
        check_is_fitted(self, "network_")
        x = points(validate_data(self, X, reset=False, ensure_all_finite=False))
        x = self.standardise_(torch.tensor(x, dtype=torch.float32).to(self.device))
        return self._log_q(x).argmax(1).cpu().numpy().astype(np.int32)

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and ``model.safetensors``, all that ``load`` and ``predict`` need."""
        check_is_fitted(self, "network_")
        saving.save(folder, self, {**self.network_.state_dict(), **self.standardise_.state_dict()})

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """Return a saved model, ready for ``predict``."""
        model, tensors, _ = saving.load(folder, cls, device)
        model.n_features_in_ = len(tensors["mean"])
        model.standardise_ = Standardise(model.n_features_in_).to(device)
        model.standardise_.load_state_dict({name: tensors.pop(name) for name in ("mean", "std")})
        with torch.device("meta"):  # no random weights are drawn
            model.network_ = Soft(Stacked(model._dims).encoder, model.k, model.d, model.alpha)
        model.network_.load_state_dict(tensors, assign=True)
        return model


@dataclass(repr=False, eq=False)
class DEC(Codes):
    """Cluster an embedding by DEC; the defaults are the paper's network and MNIST's settings, see ``Codes``."""

    backprop: bool = True  # false: the clusters are those of k-means on the codes, the paper's row without training

    def _train(self, x: Tensor, decoder: nn.Module, run: Run | None) -> None:
        if self.backprop:
            super()._train(x, decoder, run)

    def _optimiser(self, modules: nn.ModuleList) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.network_.parameters(), self.lr, momentum=0.9)

    def _loss(self, x: Tensor, p: Tensor, decoder: nn.Module) -> Tensor:
        return divergence(p, self.network_(x))
