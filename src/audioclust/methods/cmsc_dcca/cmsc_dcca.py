"""CMSC-DCCA (Gao, Hu, Zhu and Zhou, AAAI 2020): cross-modal subspace clustering by deep canonical correlation analysis.

Two views of the same clips, log-mels and an embedding or two embeddings. An autoencoder of each view learns codes Z;
one self-expression matrix S for both writes every clip as a mixture of the other clips, Z ~ S Z, and the decoders have
to make the clips from these mixtures; what the codes of both views have in common, their canonical correlation, is
maximised. Clips of one subspace express each other: spectral clustering of (|S| + |S'|) / 2 finds them.

No code of the authors is public. The loss is that of the paper's abstract and figures with the conventions of DSC-Net
(Ji et al., NIPS 2017), from which it descends; the weights are ours:

    mean squared error of both reconstructions from S Z, a view's dimensions weighted alike,
    + expression x the mean square of Z - S Z + penalty x ||S||^2 / n - correlation x the mean canonical correlation.

S has a diagonal of 0. Unlike DSC-Net, whose S starts near 0, it starts at the least squares of the pre-trained codes,
which has a closed form; from there all is trained together. The gradient is that of all clips at once, computed in
blocks.

Shapes: n clips, d dims of an embedding, z of a code, f bands, m clips that express each other: all, or the anchors.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from audioclust.clusterers.kmeans import KMeans
from audioclust.clusterers.spectral import embed
from audioclust.devices import memory_hint, seeded
from audioclust.methods.cmsc_dcca.autoencoders import Convolutional, Vectors, parts
from audioclust.methods.cmsc_dcca.correlation import correlation
from audioclust.networks.standardise import Standardise
from audioclust.parameters import Count, NonNegative, Positive, validate
from audioclust.points.checks import by_appearance, points
from audioclust.pretext._encoder import alike
from audioclust.training import saving
from audioclust.training.autoencoding import train
from audioclust.training.loop import Run, epochs
from audioclust.training.schedules import batch_size, passes
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips

BATCH, PRETRAIN = 256, 50  # of the autoencoders; DSC-Net says that long training of them makes clusters worse
PARTS = 16  # of a clip's signal in time, each a mean
BLOCK = 1024  # clips per forward pass
# Bytes per entry of S: it, its gradient, two moments of Adam, a product; then the affinity in float64 and as a graph
BYTES = 40

# The loss


def least_squares(z: Tensor, ridge: float) -> Tensor:
    """Return the S (m, m) of least ||Z - S Z||^2 + ridge ||S||^2 with a diagonal of 0, for Z (m, z).

    Row i is -P_ij / P_ii with P = (Z Z' + ridge I)^-1 (Lu et al., ECCV 2012, least squares regression), here by the
    inverse of a matrix (z, z). Computed in float64.
    """
    z = z.double()
    inner = torch.linalg.solve(z.mT @ z + ridge * torch.eye(z.shape[1], dtype=z.dtype, device=z.device), z.mT)
    p = torch.eye(len(z), dtype=z.dtype, device=z.device) - z @ inner  # times the ridge, which drops out
    s = -p / p.diagonal()[:, None].clamp_min(torch.finfo(z.dtype).tiny)
    return s.fill_diagonal_(0)


def affinity(s: Tensor, keep: float = 1.0) -> Tensor:
    """Return (|S| + |S'|) / 2 (m, m), after all but the largest entries of each column are set to 0.

    Args:
        s: self-expression (m, m).
        keep: share of each column's sum of absolute values that is kept, as DSC-Net's ``thrC``; 1: all.
    """
    s = s.abs()
    if keep < 1:
        ordered, order = s.sort(0, descending=True)
        before = ordered.cumsum(0) - ordered
        s = torch.zeros_like(s).scatter_(0, order, ordered * (before <= keep * ordered.sum(0)))
    return (s + s.mT) / 2


# The method


@dataclass(repr=False, eq=False)
class CMSCDCCA(ClusterMixin, BaseEstimator):
    """Cluster clips by two views of them.

    S has an entry for each pair of clips: of more than ``most`` clips, ``anchors`` of them express each other, and each
    other clip takes the cluster of the anchor with the nearest codes. So does a new clip.

    Of few clips, and only where they are null, the passes of the pre-training are sized by the number of clips
    (``training.schedules``).
    """

    k: Count  # clusters
    d: Annotated[int, Field(ge=2)] = 16  # dimensions of each view's code, z
    channels: Count = 8  # of the first convolution, of log-mels
    hidden: Annotated[list[Count], Field(min_length=1)] | None = (
        None  # layers before the code of an embedding; null: 256
    )
    # Passes over the clips that train each autoencoder; null: 50 or, if it is more, as many as give 1000 steps
    pretrain_epochs: Count | None = None
    epochs: Count = 100  # steps of all clips at once
    batch: Count | None = None  # clips per step of the pre-training; null: 256 or, if it is less, n / 8 (at least 32)
    lr: Positive = 1e-3  # of Adam
    expression: NonNegative = 1.0  # weight of the self-expression of the codes
    penalty: Positive = 1.0  # weight of the square of S
    correlation: NonNegative = 0.1  # weight of the canonical correlation
    keep: Annotated[float, Field(gt=0, le=1)] = 1.0  # share of each column of S that the affinity has, see ``affinity``
    anchors: Count | None = None  # clips that express each other, drawn at random; null: all
    most: Count = 5000  # of them
    _: KW_ONLY
    device: str = "cpu"  # or "cuda"
    random_state: int = 0  # seeds everything

    input = "views"

    def fit(
        self,
        X: Sequence[Any],
        y: Any = None,
        *,
        frames: np.ndarray | None = None,
        encoder: Any = None,
        embedding: Any = None,
        run: Run | None = None,
    ) -> Self:
        """Set ``labels_`` (n,) int32, ``expression_`` (m, m) float32, ``codes_`` and ``network_``.

        Args:
            X: two views, each log-mels (n, f, t) in nats, ``Clips``, or an embedding (n, d).
            y, encoder, embedding: ignored.
            frames: (n,) frames of signal of the log-mels; None: all.
            run: keeps curves and checkpoints.

        Raises:
            ValueError: a wrong parameter; not two views of the same clips; fewer clips than ``k``; more than ``most``
                express each other; or a clip that is not finite.
            RuntimeError: the loss is not finite.
        """
        validate(self)
        views = self._opened(X, frames)
        n = len(views[0])
        m = min(n, self.anchors or n)
        self._check(n, m)
        with seeded(self.random_state, self.device), memory_hint(f"cmsc_dcca.anchors = {m} of {n} clips"):
            self.shapes_, self.standardise_ = [], nn.ModuleList()
            inputs = [self._fitted_input(view) for view in views]
            self.network_ = self._fresh()
            self.batch_ = min(self.batch or batch_size(n, BATCH), n)
            count = self.pretrain_epochs or passes(n, self.batch_, PRETRAIN)
            for place, (part, x) in enumerate(zip(self.network_, inputs, strict=True)):
                train({"network": part}, _reconstruction(part), x, self.batch_, count, self.lr, run, f"view-{place}")
            rows = torch.arange(n) if m == n else torch.randperm(n)[:m].sort().values
            chosen = [x[rows.to(x.device)] for x in inputs]
            self._express(chosen, run)
            self.network_.requires_grad_(False)
            self.codes_ = self._codes(chosen)
            clusters = self._cluster()
            self.clusters_ = torch.from_numpy(clusters).to(self.device)
            self.labels_ = self._nearest(self._codes(inputs))
        return self

    def _check(self, n: int, m: int) -> None:
        """Raise where there are too few clips, or too many for one matrix."""
        if m < self.k:
            name = "n_samples" if m == n else "anchors"
            raise ValueError(
                f"{name}={m} should be >= k={self.k}: lower k or give more {'clips' if m == n else 'of them'}"
            )
        if m > self.most:
            raise ValueError(
                f"{m} clips that express each other need {BYTES * m**2 / 2**30:.1f} GiB; cmsc_dcca.most = {self.most} "
                f"allows {BYTES * self.most**2 / 2**30:.1f}: set cmsc_dcca.anchors to a number of clips, from whose "
                "clusters the others take theirs, or raise cmsc_dcca.most"
            )

    # Views

    def _opened(self, X: Sequence[Any], frames: np.ndarray | None) -> list[Clips | np.ndarray]:
        """Return the two views, log-mels as ``Clips`` and embeddings as checked arrays."""
        if not isinstance(X, list | tuple) or len(X) != 2:
            raise ValueError("X must be a list of two views, each log-mels (n, f, t), Clips, or an embedding (n, d)")
        views = [Clips.of(x, frames, self.device) if _is_logmel(x) else points(x) for x in X]
        if len(views[0]) != len(views[1]):
            raise ValueError(f"views of {len(views[0])} and {len(views[1])} clips: both must be of the same clips")
        return views

    def _fitted_input(self, view: Clips | np.ndarray) -> Tensor:
        """Add what describes a view, and return what its autoencoder sees, (n, f, t) or (n, d), standardised."""
        if isinstance(view, Clips):
            self.augment_ = Augment()
            self.mean_, self.std_, self.front_end_, self.bands_ = view.mean, view.std, view.front_end, view.f
            x = parts(view, PARTS)
            self.shapes_.append([view.f, PARTS])
        else:
            x = torch.tensor(view, dtype=torch.float32).to(self.device)
            self.shapes_.append([x.shape[1]])
        columns = x if x.ndim == 2 else x.mT.flatten(0, 1)  # dimensions, or bands
        self.standardise_.append(Standardise(columns.shape[1]).to(self.device).fit(columns))
        return self._standardised(-1, x)

    def _input(self, place: int, view: Any, frames: np.ndarray | None, front_end: dict[str, Any] | None) -> Tensor:
        """Return what the autoencoder of a view sees of new clips."""
        shape = self.shapes_[place]
        if len(shape) == 2:
            if not _is_logmel(view):
                raise ValueError(f"view {place} must be log-mels (n, {shape[0]}, t), as in fit")
            x = parts(alike(self, view, frames, front_end), PARTS)
        else:
            x = points(view)
            if x.shape[1] != shape[0]:
                raise ValueError(f"view {place} has {x.shape[1]} dimensions: this model was fitted to {shape[0]}")
            x = torch.tensor(x, dtype=torch.float32).to(self.device)
        return self._standardised(place, x)

    def _standardised(self, place: int, x: Tensor) -> Tensor:
        """Standardise bands (n, f, t) or dimensions (n, d)."""
        layer = self.standardise_[place]
        return layer(x) if x.ndim == 2 else layer(x.mT).mT

    def _fresh(self) -> nn.ModuleList:
        """Return an autoencoder for each view, with random weights."""
        networks = [
            Convolutional(*shape, self.d, self.channels) if len(shape) == 2
            else Vectors([*shape, *(self.hidden or [256]), self.d])
            for shape in self.shapes_
        ]  # fmt: skip
        return nn.ModuleList(networks).to(self.device)

    @torch.no_grad()
    def _codes(self, inputs: list[Tensor]) -> Tensor:
        """Return the codes of both views side by side (n, 2 z)."""
        return torch.cat([_encoded(part, x) for part, x in zip(self.network_, inputs, strict=True)], 1)

    # Training

    def _express(self, inputs: list[Tensor], run: Run | None) -> None:
        """Train autoencoders and S on clips that express each other; set ``expression_``."""
        networks = self.network_
        s = nn.Parameter(self._start(inputs))
        module = nn.ParameterDict({"s": s})
        weights = [*networks.parameters(), s]
        optimiser = torch.optim.Adam(weights, self.lr, fused=True)
        state = {"networks": networks, "s": module, "optimiser": optimiser}
        for epoch in epochs(self.epochs, state, run, "express"):
            optimiser.zero_grad(set_to_none=True)
            epoch.add(**self._backward(inputs, s))
            optimiser.step()
            with torch.no_grad():
                s.fill_diagonal_(0)
        self.expression_ = s.detach()

    def _start(self, inputs: list[Tensor]) -> Tensor:
        """Return the S that is best for the codes as they are."""
        codes = [_encoded(part, x) for part, x in zip(self.network_, inputs, strict=True)]
        # Each view's error is a mean over its dimensions, with half of the weight; see ``_backward``.
        z = torch.cat(codes, 1) * (self.expression / (2 * self.d)) ** 0.5
        return least_squares(z, self.penalty).float()

    def _backward(self, inputs: list[Tensor], s: Tensor) -> dict[str, Tensor]:
        """Add the gradient of the loss to all weights, and return the loss and its parts.

        In blocks: first the codes of all clips, then the decoders block by block, with the gradient that reaches the
        mixtures S Z, then what links all clips, and at last the encoders block by block.
        """
        n = len(s)
        codes = [_encoded(part, x).requires_grad_() for part, x in zip(self.network_, inputs, strict=True)]
        mixed = [s @ z for z in codes]
        reached, error = [], s.new_zeros(())
        for part, x, made in zip(self.network_, inputs, mixed, strict=True):
            whole = made.detach().requires_grad_()
            for block, of in zip(whole.split(BLOCK), x.split(BLOCK), strict=True):
                loss = (part.decode(block) - of).square().sum() / x.numel() / 2
                loss.backward()
                error += loss.detach()
            reached.append(whole.grad)
        expressed = sum((made - z).square().mean() for made, z in zip(mixed, codes, strict=True)) / 2
        size = s.square().sum() / n
        common = correlation(*codes) / self.d if n > 1 else torch.zeros_like(size)
        linked = self.expression * expressed + self.penalty * size - self.correlation * common
        (linked + sum((made * gradient).sum() for made, gradient in zip(mixed, reached, strict=True))).backward()
        for part, x, z in zip(self.network_, inputs, codes, strict=True):
            for block, gradient in zip(x.split(BLOCK), z.grad.split(BLOCK), strict=True):
                part.encode(block).backward(gradient)
        return {
            "loss": error + linked.detach(), "reconstruction": error, "expression": expressed.detach(),
            "penalty": size.detach(), "correlation": common.detach(),
        }  # fmt: skip

    # Clusters

    def _cluster(self) -> np.ndarray:
        """Return the clusters (m,) int32 of the clips that express each other, numbered by their first clip."""
        graph = affinity(self.expression_, self.keep).double().cpu().numpy()
        if not graph.any() or self.k == 1:
            return np.zeros(len(graph), np.int32)  # no clip says anything of another
        alone = ~graph.any(1)
        graph[alone, alone] = 1.0
        embedding = embed(csr_matrix(graph), self.k, self.random_state)
        return by_appearance(KMeans(self.k, random_state=self.random_state).fit(embedding).labels_)

    def _nearest(self, codes: Tensor) -> np.ndarray:
        """Return the cluster (n,) int32 of the clip with the nearest codes."""
        exact = "donot_use_mm_for_euclid_dist"  # products lose what tells a clip from one that is nearly the same
        found = [torch.cdist(block, self.codes_, compute_mode=exact).argmin(1) for block in codes.split(BLOCK)]
        return self.clusters_[torch.cat(found)].cpu().numpy().astype(np.int32)

    def predict(
        self, X: Sequence[Any], *, frames: np.ndarray | None = None, front_end: dict[str, Any] | None = None
    ) -> np.ndarray:
        """Return the clusters (n,) int32 of clips by two views like those of ``fit``.

        Raises:
            NotFittedError: ``fit`` was not called.
            ValueError: views of another kind or size, of another front end, or a clip that is not finite.
        """
        check_is_fitted(self, "network_")
        views = self._opened(X, frames)
        inputs = [self._input(place, view, None, front_end) for place, view in enumerate(views)]
        return self._nearest(self._codes(inputs))

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and ``model.safetensors``, all that ``load`` and ``predict`` need."""
        check_is_fitted(self, "network_")
        tensors = {f"network.{name}": value for name, value in self.network_.state_dict().items()}
        tensors |= {f"standardise.{name}": value for name, value in self.standardise_.state_dict().items()}
        tensors |= {"codes": self.codes_, "clusters": self.clusters_, "expression": self.expression_}
        saving.save(folder, self, tensors, shapes=self.shapes_, bands=getattr(self, "bands_", None))

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """Return a saved model, ready for ``predict``."""
        model, tensors, more = saving.load(folder, cls, device)
        model.shapes_, model.bands_ = more["shapes"], more["bands"]
        model.codes_, model.clusters_, model.expression_ = (
            tensors.pop(name) for name in ("codes", "clusters", "expression")
        )
        model.standardise_ = nn.ModuleList(Standardise(shape[0]) for shape in model.shapes_).to(device)
        with seeded(0, device):  # the random weights are replaced
            model.network_ = model._fresh()
        for name, module in (("network.", model.network_), ("standardise.", model.standardise_)):
            own = {key.removeprefix(name): value for key, value in tensors.items() if key.startswith(name)}
            module.load_state_dict(own)
        return model


def _is_logmel(x: Any) -> bool:
    return isinstance(x, Clips) or np.ndim(x) == 3


def _reconstruction(network: nn.Module) -> Any:
    """Return the loss of an autoencoder on a batch of its view."""
    return lambda x: F.mse_loss(network.decode(network.encode(x)), x)


@torch.no_grad()
def _encoded(network: nn.Module, x: Tensor) -> Tensor:
    """Return the codes (n, z) of a view, in blocks."""
    return torch.cat([network.encode(block) for block in x.split(BLOCK)])
