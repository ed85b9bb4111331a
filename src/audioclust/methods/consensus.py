"""Consensus of many clusterings by evidence accumulation (Fred and Jain, IEEE TPAMI 2005): what is often put together.

k-means runs many times on each embedding, from other random numbers. The co-association of two clips is the share of
these clusterings in which they share a cluster. Clips are linked by it, hierarchically, into k clusters, of which each
has a profile: how often its clips lie in each cluster of each clustering. Each clip then goes to the nearest profile,
and so do new clips. Up to here this is one step of k-means on the indicators of all clusters (Wu et al., IEEE TKDE
2015), from a start that k-means would not find.

Of more clips than ``most`` as many are linked, and the others go to the profiles: a matrix of all pairs would not fit.

On several embeddings it finds what most of them see; ``chosen_`` says how far they agree. Where most see another
structure than the one that is looked for, one good embedding alone does better.

Shapes: n clips, s spaces, r runs, c clusters of a run, k clusters.
"""

from dataclasses import KW_ONLY, dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

import fastcluster
import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from scipy.cluster.hierarchy import fcluster
from scipy.spatial.distance import squareform
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from audioclust.devices import memory_hint, seeded
from audioclust.methods._spaces import same_dimensions
from audioclust.methods._spaces import spaces as spaces_of
from audioclust.networks.standardise import Standardise
from audioclust.parameters import Count, validate
from audioclust.points.checks import by_appearance
from audioclust.points.kmeans import kmeans
from audioclust.training import saving
from audioclust.training.loop import Run, epochs

FINER = 2  # times as many clusters per clustering as are asked for, where nobody says how many
PER_CLUSTER = 3  # clips on average, at least
BLOCK = 4096  # clips whose nearest profile is looked for at a time


@dataclass(repr=False, eq=False)
class Consensus(ClusterMixin, BaseEstimator):
    """Cluster one embedding, or several of the same clips, by what many runs of k-means agree on."""

    k: Count  # clusters
    runs: Count = 20  # of k-means on each embedding
    # Of each run; null: 2 k or, of few clips, a third of them, and at least k. More than k, as clusters that are bent
    # are then found in parts
    clusters: Annotated[int, Field(ge=2)] | None = None
    linkage: Literal["average", "ward"] = "average"
    most: Annotated[int, Field(ge=2)] = 4000  # clips that are linked, of which all pairs are held: 20 bytes per pair
    _: KW_ONLY
    device: str = "cpu"  # or "cuda"
    random_state: int = 0  # seeds everything

    input = "embedding"
    several = True  # or those of several encoders

    def check(self) -> None:
        """Check the parameters.

        Raises:
            ValueError: a wrong one, or fewer clips that are linked than clusters.
        """
        validate(self)
        if self.most < self.k:
            raise ValueError(f"most={self.most} should be >= k={self.k}: so many clips are linked into k clusters")

    def fit(
        self,
        X: np.ndarray | list[np.ndarray],
        y: Any = None,
        *,
        frames: Any = None,
        encoder: Any = None,
        embedding: Any = None,
        run: Run | None = None,
    ) -> "Consensus":
        """Set ``labels_`` (n,) int32, in the order of their first clip, ``chosen_`` and what ``predict`` needs.

        ``chosen_``: ``agreement``, the mean adjusted Rand index of the clusters with those of all runs, and of several
        embeddings ``between``, that of the consensuses of pairs of embeddings.

        Args:
            X: embedding (n, d), or a list of several, whose rows are the same clips.
            y, frames, encoder, embedding: ignored.
            run: keeps curves and checkpoints.

        Raises:
            ValueError: a wrong parameter, fewer clips than ``k``, one that is not finite, or embeddings of different
                numbers of clips.
        """
        self.check()
        spaces = spaces_of(X, self.device, self.k)
        n = len(spaces[0])
        clusters = min(self.clusters or max(min(FINER * self.k, n // PER_CLUSTER), self.k), n)
        self.scales_ = [Standardise(x.shape[1]).to(self.device).fit(x) for x in spaces]
        with seeded(self.random_state, self.device), memory_hint(f"consensus.most = {self.most}"):
            found = self._runs([_unit(f(x)) for f, x in zip(self.scales_, spaces, strict=True)], clusters, run)
            self.bases_ = [found[f"centres {place}"] for place in range(len(spaces))]  # (r, c, d) each
            rows = torch.randperm(n)[: self.most].sort().values
            labels = found["labels"]  # (s, r, n)
            some = labels[..., rows].flatten(0, 1)
            self.centres_ = self._profiles(some, self._linked(some, clusters), clusters)
        found = self._nearest(labels.flatten(0, 1))
        self.labels_ = by_appearance(found)
        first = np.unique(self.labels_, return_index=True)[1]
        # A profile that is nearest to no clip is left out.
        self.centres_ = self.centres_[torch.from_numpy(found[first]).long().to(self.device)]
        self.chosen_ = self._agreement(labels, rows, clusters)
        return self

    def _runs(self, spaces: list[Tensor], clusters: int, run: Run | None) -> dict[str, Tensor]:
        """Return the ``labels`` (s, r, n) and the ``centres`` (r, c, d) of each space."""
        n, where = len(spaces[0]), self.device
        found = {"labels": torch.zeros((len(spaces), self.runs, n), dtype=torch.int64, device=where)}
        for place, x in enumerate(spaces):
            found[f"centres {place}"] = torch.zeros((self.runs, clusters, x.shape[1]), device=where)
        for epoch in epochs(self.runs, {"found": found}, run):
            for place, x in enumerate(spaces):
                part = kmeans(x, clusters, iterations=100)
                found["labels"][place, epoch.number] = part.labels
                found[f"centres {place}"][epoch.number] = part.centres
                epoch.add(spread=(x - part.centres[part.labels]).square().sum(1).mean())
        return found

    def _linked(self, labels: Tensor, clusters: int) -> Tensor:
        """Return k clusters (m,) of clips by their co-association in the runs ``labels`` (b, m)."""
        shared = _indicators(labels, clusters)  # (m, b c)
        apart = 1 - (shared @ shared.T / len(labels)).double().cpu().numpy()
        np.fill_diagonal(apart, 0)
        # Ward's criterion is one of squared distances: those of the indicators are twice what is not shared.
        pairs = squareform(np.sqrt(2 * apart.clip(0)) if self.linkage == "ward" else apart, checks=False)
        if not len(pairs):
            return torch.zeros(1, dtype=torch.int64, device=labels.device)
        found = fcluster(fastcluster.linkage(pairs, self.linkage), self.k, "maxclust")
        return torch.from_numpy(by_appearance(found)).long().to(labels.device)

    def _profiles(self, labels: Tensor, linked: Tensor, clusters: int) -> Tensor:
        """Return how often the clips of each cluster lie in each cluster of each run, (k', b c)."""
        of = F.one_hot(linked).float()  # (m, k')
        return of.T @ _indicators(labels, clusters) / of.sum(0)[:, None]

    def _nearest(self, labels: Tensor) -> np.ndarray:
        """Return the nearest profile (n,) int32 of each clip, of which the runs ``labels`` (b, n) are known."""
        clusters, lengths = self.centres_.shape[1] // len(labels), self.centres_.square().sum(1)
        blocks = (_indicators(block, clusters) for block in labels.split(BLOCK, dim=1))
        # Of the squared distances what depends on the profile.
        found = [(lengths - 2 * block @ self.centres_.T).argmin(1) for block in blocks]
        return torch.cat(found).cpu().numpy().astype(np.int32)

    def _agreement(self, labels: Tensor, rows: Tensor, clusters: int) -> dict[str, float]:
        own = self.labels_[rows.numpy()]
        each = labels[..., rows].cpu().numpy()
        chosen = {"agreement": np.mean([adjusted_rand_score(own, run) for space in each for run in space])}
        if len(each) > 1:
            linked = [self._linked(space[..., rows], clusters).cpu().numpy() for space in labels]
            chosen["between"] = np.mean([adjusted_rand_score(*pair) for pair in combinations(linked, 2)])
        return {name: round(float(value), 3) for name, value in chosen.items()}

    def predict(self, X: np.ndarray | list[np.ndarray], *, frames: Any = None, front_end: Any = None) -> np.ndarray:
        """Return the clusters (n,) int32 of what ``fit`` takes; ``frames`` and ``front_end`` are ignored.

        Raises:
            NotFittedError: ``fit`` was not called.
            ValueError: another number of embeddings or of dimensions, or a row that is not finite.
        """
        check_is_fitted(self, "centres_")
        spaces = spaces_of(X, self.device)
        same_dimensions(spaces, [len(scale.mean) for scale in self.scales_])
        found = []
        for x, scale, centres in zip(spaces, self.scales_, self.bases_, strict=True):
            x = _unit(scale(x))
            found += [torch.cat([torch.cdist(block, c).argmin(1) for block in x.split(BLOCK)]) for c in centres]
        return self._nearest(torch.stack(found))

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and ``model.safetensors``, all that ``load`` and ``predict`` need."""
        check_is_fitted(self, "centres_")
        tensors = {"profiles": self.centres_}
        for place, (scale, centres) in enumerate(zip(self.scales_, self.bases_, strict=True)):
            tensors |= {f"{place}.centres": centres, f"{place}.mean": scale.mean, f"{place}.std": scale.std}
        saving.save(folder, self, tensors)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "Consensus":
        """Return a saved model, ready for ``predict``."""
        model, tensors, _ = saving.load(folder, cls, device)
        model.centres_, model.bases_, model.scales_ = tensors["profiles"], [], []
        for place in range(len(tensors) // 3):
            model.bases_.append(tensors[f"{place}.centres"])
            scale = Standardise(len(tensors[f"{place}.mean"])).to(device)
            scale.load_state_dict({name: tensors[f"{place}.{name}"] for name in ("mean", "std")})
            model.scales_.append(scale)
        return model


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=1)


def _indicators(labels: Tensor, clusters: int) -> Tensor:
    """Return of each clip which clusters of the runs (b, m) it lies in, (m, b c) of 0 and 1."""
    return F.one_hot(labels, clusters).float().transpose(0, 1).flatten(1)
