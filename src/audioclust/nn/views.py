"""Embeddings of the views of clips, from an encoder that stands still or from one that is being trained.

Both kinds answer the same three questions, so that one training loop serves both: ``original(rows)`` and
``weak(rows)``, rows (m,) -> (m, d) without gradient, and ``strong(rows)``, rows (h, b) -> (h, b, d). ``at(epoch)``
comes before the questions of an epoch.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from audioclust.nn.augment import Augment
from audioclust.nn.clips import Clips
from audioclust.nn.training import autocast, seeded

BLOCK = 128  # clips of a forward pass without gradient, fewer where a GPU's memory asks: clips are longer than views


@torch.no_grad()
def embed(network: nn.Module, clips: Clips, view: Callable, rows: Tensor | None = None) -> Tensor:
    """Return what the network, in eval mode, makes of a view (``augment.weak``, ...) of each clip: (m, ...) float32."""
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


def embed_views(network: nn.Module, clips: Clips, augment: Augment, count: int) -> Tensor:
    """Return what the network makes of the clips as they are or, with ``count`` > 0, its mean over as many weak views.

    They are the same ones whenever the same clips are given.
    """
    if not count:
        return embed(network, clips, augment.original)
    with seeded(0, clips.device):
        return sum(embed(network, clips, augment.weak) for _ in range(count)) / count


class Frozen:
    """A few weak and strong views a clip, embedded once and drawn from: no network runs in the training loop.

    Args:
        embedding: (n, d) of the clips as they are.
        count: views of each kind a clip; a kind takes count n d floats of memory.
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
        """Let views go that the epoch does not use."""
        now = epoch // self.refresh if self.refresh else 0
        if now == self._round:
            return
        self._round, self._views = now, {}

    def _several(self, kind: str) -> Tensor:
        """Return the views (count, n, d) of a kind, which are embedded when first asked for."""
        if kind not in self._views:
            with seeded(2 * (1_000_003 * self.random_state + self._round) + (kind == "strong"), self.clips.device):
                view = getattr(self.augment, kind)
                self._views[kind] = torch.stack([embed(self.encoder, self.clips, view) for _ in range(self.count)])
        return self._views[kind]

    def original(self, rows: Tensor) -> Tensor:
        return self.embedding[rows.to(self.embedding.device)]

    def weak(self, rows: Tensor) -> Tensor:
        return self._drawn("weak", rows)

    def strong(self, rows: Tensor) -> Tensor:
        return self._drawn("strong", rows)

    def _drawn(self, kind: str, rows: Tensor) -> Tensor:
        views = self._several(kind)
        rows = rows.to(views.device)
        return views[torch.randint(self.count, rows.shape, device=rows.device), rows]


class Trained:
    """Views made and embedded when asked for, by an encoder that the strong ones train.

    Args:
        norm: "eval": batch normalisation and dropout stand still while the encoder is trained; "train": they do not.
    """

    def __init__(self, encoder: nn.Module, clips: Clips, augment: Augment, norm: str = "eval"):
        self.encoder, self.clips, self.augment = encoder, clips, augment
        encoder.train(norm == "train")

    def at(self, epoch: int) -> None:
        """There is nothing to make ready."""

    def original(self, rows: Tensor) -> Tensor:
        return embed(self.encoder, self.clips, self.augment.original, rows)

    def weak(self, rows: Tensor) -> Tensor:
        return embed(self.encoder, self.clips, self.augment.weak, rows)

    def strong(self, rows: Tensor) -> Tensor:
        """A clip that several heads ask for is embedded once."""
        clips, places = rows.unique(return_inverse=True)
        with autocast(self.clips.device):
            out = self.encoder(self.augment.strong(*self.clips[clips.cpu()]))
        return out.float()[places]


Views = Frozen | Trained
