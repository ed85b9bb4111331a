"""Embeddings of the views of clips, by a frozen encoder or by one that is being trained.

All have the methods ``original(rows)``, rows (m,) -> (m, d) without gradient, and ``strong(rows)``, rows (b,) ->
(b, d), where nothing is trained (h, b) -> (h, b, d) too, so that one training loop serves them. ``at(epoch)`` is called
at the start of an epoch.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from audioclust.devices import autocast, seeded
from audioclust.parameters import values
from audioclust.views.augment import Augment, Pooled, SameForAll
from audioclust.views.clips import Clips, PooledClips
from audioclust.views.maker import Maker

BLOCK = 128  # clips per forward pass without gradient, fewer where a GPU runs out of memory
MAX_BYTES = 1 << 33  # of all views that are embedded once


@torch.no_grad()
def embed(network: nn.Module, clips: PooledClips, view: Callable, rows: Tensor | None = None) -> Tensor:
    """Return the network's output, in eval mode, for a view of each clip, (m, ...) float32.

    Args:
        network: (b, 1, f, width) -> (b, ...).
        clips: n of them, ``clips.pooled(augment)``.
        view: ``augment.weak_view`` or another of its kind.
        rows: (m,) int64 of the clips; None: all.
    """
    was = network.training
    network.eval()
    rows = torch.arange(clips.n) if rows is None else rows
    parts, done, size = [], 0, BLOCK
    while done < len(rows):
        try:
            with autocast(clips.device):
                parts.append(network(view(*clips[rows[done : done + size]])).float())
            done += size
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size //= 2
    network.train(was)
    return torch.cat(parts)


def embed_views(network: nn.Module, clips: "Clips | Embedded", augment: Augment | None, count: int) -> Tensor:
    """Return the network's output (n, ...) for the original view of each clip or, with ``count`` > 0, its mean over
    ``count`` weak views. What is random in a view depends on its number alone, so that a clip's output does not depend
    on the clips beside it. Of embedded clips it is the output for their embedding.
    """
    if isinstance(clips, Embedded):
        with torch.no_grad():
            return network(clips.embedding)
    pooled = clips.pooled(augment)
    if not count:
        return embed(network, pooled, augment.original_view)
    augment = SameForAll(**values(augment))

    def view(number: int, x: Pooled, frames: Tensor) -> Tensor:
        with seeded(number, clips.device):
            return augment.weak_view(x, frames)

    return sum(embed(network, pooled, partial(view, number)) for number in range(count)) / count


class _Several:
    """A few weak and strong views per clip to draw from: no network runs in the training loop."""

    embedding: Tensor  # (n, d) of the original views

    @property
    def n(self) -> int:
        return len(self.embedding)

    def _several(self, kind: str) -> Tensor:
        """Return the views (count, n, d) of a kind."""
        raise NotImplementedError

    def original(self, rows: Tensor) -> Tensor:
        return self.embedding[rows.to(self.embedding.device)]

    def weak(self, rows: Tensor) -> Tensor:
        """(m,) -> (m, d)."""
        return self._drawn("weak", rows)

    def strong(self, rows: Tensor) -> Tensor:
        return self._drawn("strong", rows)

    def _drawn(self, kind: str, rows: Tensor) -> Tensor:
        views = self._several(kind)
        rows = rows.to(views.device)
        return views[torch.randint(len(views), rows.shape, device=rows.device), rows]


def affordable(count: int, n: int, d: int, kinds: int = 2) -> int:
    """Return how many of ``count`` views of each kind n clips get, embedded in d dimensions.

    All, or as many as ``MAX_BYTES`` hold, at least one; a number that does not depend on the machine.
    """
    each = kinds * 4 * n * d
    fewer = max(1, min(count, MAX_BYTES // each))
    if fewer < count:
        warnings.warn(
            f"{fewer} of {count} views: those of {n} clips would take {count * each / 1e9:.0f} GB", stacklevel=3
        )
    return fewer


class Frozen(_Several):
    """Views that are embedded once, on the first call.

    Args:
        encoder: (b, 1, f, width) -> (b, d).
        clips: n of them.
        augment: makes the views.
        embedding: (n, d) of the original views.
        count: views per clip and kind; a kind takes count n d floats of memory.
        refresh: epochs after which other views are embedded; 0: never.
        random_state: the views depend on it and on the epoch alone, so no checkpoint has to hold them.
    """

    def __init__(
        self,
        encoder: nn.Module,
        clips: Clips,
        augment: Augment,
        embedding: Tensor,
        count: int,
        refresh: int = 0,
        random_state: int = 0,
    ):
        self.encoder, self.clips, self.augment, self.embedding = encoder, clips, augment, embedding
        self.count, self.refresh, self.random_state, self._round = count, refresh, random_state, -1

    def at(self, epoch: int) -> None:
        """Drop the views that this epoch does not use."""
        now = epoch // self.refresh if self.refresh else 0
        if now == self._round:
            return
        self._round, self._views = now, {}

    def _several(self, kind: str) -> Tensor:
        if kind not in self._views:
            with seeded(2 * (1_000_003 * self.random_state + self._round) + (kind == "strong"), self.clips.device):
                view, clips = getattr(self.augment, f"{kind}_view"), self.clips.pooled(self.augment)
                self._views[kind] = torch.stack([embed(self.encoder, clips, view) for _ in range(self.count)])
        return self._views[kind]


class Embedded(_Several):
    """Views that were embedded elsewhere, by an encoder whose network is not at hand.

    Args:
        embedding: (n, d) of the clips.
        weak: (v, n, d) of v weak views of each; None: the clips themselves.
        strong: (w, n, d) of w strong views; None: the same.
        device: where they are kept.

    Raises:
        ValueError: shapes that do not fit, or a number that is not finite.
    """

    def __init__(
        self, embedding: Any, weak: Any | None = None, strong: Any | None = None, device: str | torch.device = "cpu"
    ):
        self.embedding = _vectors("embedding", embedding, device)
        if self.embedding.ndim != 2 or not len(self.embedding):
            raise ValueError(f"an embedding of shape {tuple(self.embedding.shape)}: (n, d) with n > 0 is needed")
        given = {"weak": self.embedding[None] if weak is None else weak}
        given["strong"] = self.embedding[None] if strong is None else strong
        self._views = {kind: _vectors(f"{kind} views", views, device) for kind, views in given.items()}
        for kind, views in self._views.items():
            if views.ndim != 3 or not len(views) or views.shape[1:] != self.embedding.shape:
                raise ValueError(
                    f"{kind} views of shape {tuple(views.shape)}: of an embedding of shape "
                    f"{tuple(self.embedding.shape)} they have one axis more, the views, in front"
                )

    def at(self, epoch: int) -> None:
        """The views stay the same."""

    def _several(self, kind: str) -> Tensor:
        return self._views[kind]

    @torch.no_grad()
    def through(self, network: nn.Module) -> "Embedded":
        """Return the output of a network for all of them."""
        views = {kind: torch.stack([network(view) for view in views]) for kind, views in self._views.items()}
        return Embedded(network(self.embedding), **views, device=self.embedding.device)

    def to(self, device: str) -> "Embedded":
        """Return them on a device."""
        return Embedded(self.embedding, **self._views, device=device)


def _vectors(name: str, x: Any, device: str | torch.device) -> Tensor:
    """Return vectors (..., d) as float32 on the device, checked to be finite."""
    found = torch.as_tensor(np.asarray(x) if not isinstance(x, Tensor) else x).to(device, torch.float32)
    if not found.isfinite().all():
        clip = int((~found.isfinite()).any(-1).nonzero()[0, -1])
        raise ValueError(f"{name}: that of clip {clip} is not finite")
    return found


class Trained:
    """Views made and embedded on each call, by an encoder that the strong ones train.

    Args:
        encoder: (b, 1, f, width) -> (b, d).
        make: makes the views of n clips.
        norm: mode of batch normalisation and dropout while the encoder is trained, "train" or "eval".
    """

    def __init__(self, encoder: nn.Module, make: Maker, norm: str = "eval"):
        self.encoder, self.make = encoder, make
        encoder.train(norm == "train")

    def at(self, epoch: int) -> None:
        """Nothing is kept from epoch to epoch."""

    def original(self, rows: Tensor) -> Tensor:
        return embed(self.encoder, self.make.pooled, self.make.augment.original_view, rows)

    def strong(self, rows: Tensor) -> Tensor:
        """(b,) -> (b, d), a view of its own for each row, also where a clip occurs in several."""
        (view,) = self.make(rows, self.make.augment.strong)
        with autocast(self.make.clips.device):
            return self.encoder(view).float()


Views = Frozen | Embedded | Trained
