"""Views of clips for one training: new ones in every step, or a few of each clip that were made once."""

import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

from audioclust.devices import seeded
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips

BLOCK = 256  # clips whose copies are made at a time; their partners in the op mixup come from among them


class Maker:
    """Online augmentation or, with ``augment.copies`` above 0, offline: views are drawn from so many of each clip.

    The copies are made on the first call, as float16, n x copies x bands x width x 2 bytes for each list of ops. They
    depend on the random state and the ops alone, so no checkpoint has to hold them.

    Args:
        augment: makes the views.
        clips: n of them.
        random_state: of the copies.
    """

    def __init__(self, augment: Augment, clips: Clips, random_state: int = 0):
        self.augment, self.clips, self.random_state = augment, clips, random_state
        self.pooled = clips.pooled(augment)
        self._kept: dict[tuple[str, ...], Tensor] = {}  # (copies, n, 1, f, width)

    def __call__(self, rows: Tensor, *kinds: Sequence[str]) -> list[Tensor]:
        """Return for each list of ops a view (b, 1, f, width) of each of the clips ``rows`` (b,)."""
        if self.augment.copies:
            return [self._drawn(rows, tuple(ops)) for ops in kinds]
        x, frames = self.pooled[rows]
        return [self.augment(x, frames, ops) for ops in kinds]

    def _drawn(self, rows: Tensor, ops: tuple[str, ...]) -> Tensor:
        if ops not in self._kept:
            self._kept[ops] = self._copies(ops)
        kept = self._kept[ops]
        rows = rows.to(kept.device)
        return kept[torch.randint(len(kept), rows.shape, device=kept.device), rows].float()

    def _copies(self, ops: tuple[str, ...]) -> Tensor:
        """Return the copies of all clips, made in blocks of random clips."""
        found = None
        with seeded(zlib.crc32(f"{self.random_state} {ops}".encode()), self.clips.device):
            for copy in range(self.augment.copies):
                for rows in torch.randperm(self.clips.n).split(BLOCK):
                    view = self.augment(*self.pooled[rows], ops)
                    if found is None:
                        shape = self.augment.copies, self.clips.n, *view.shape[1:]
                        found = torch.empty(shape, dtype=torch.float16, device=view.device)
                    found[copy, rows.to(view.device)] = view.half()
        return found
