"""What methods share that begin with an encoder's weights or, where no encoder is given, with random ones."""

from typing import Any, ClassVar, Self

import numpy as np

from audioclust.devices import memory_hint, seeded
from audioclust.methods._start import Method, begin, enough_clips
from audioclust.parameters import validate
from audioclust.training.loop import Run
from audioclust.views.clips import Clips


class Either(Method):
    """A method whose ``network_`` is a backbone, an encoder's or a new one, and a head on it.

    A class gives ``_size`` and ``_learn``, and the parameters that ``begin`` needs.
    """

    least: ClassVar[int] = 2  # clips that it can be fitted to

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        frames: np.ndarray | None = None,
        encoder: Any = None,
        embedding: np.ndarray | None = None,
        run: Run | None = None,
    ) -> Self:
        """Set ``labels_`` (n,) int32, ``network_``, and what the class names.

        Args:
            X: log-mels (n, f, t) in nats, or ``Clips``.
            y: ignored.
            frames: (n,) frames of signal; None: all.
            encoder: a fitted pretext whose weights training starts from; None: random weights.
            embedding: ignored.
            run: keeps curves and checkpoints.

        Raises:
            ValueError: a wrong parameter, fewer clips than clusters or than ``least``, a clip that is not finite, or an
                encoder of other bands or of another front end.
            RuntimeError: the loss is not finite.
        """
        validate(self)
        clips = begin(self, enough_clips(X, frames, self.device, max(self.k, self.least)), encoder)
        self._size(clips.n)
        with (
            seeded(self.random_state, self.device),
            memory_hint(f"{type(self).__name__.lower()}.batch = {self.batch_}"),
        ):
            self.network_ = self._fresh()
            if encoder is not None:
                self.network_[0].load_state_dict(encoder.backbone_.state_dict())
            self._learn(clips, run)
        return self

    def _size(self, n: int) -> None:
        """Set what depends on the number of clips, ``batch_`` among it."""
        raise NotImplementedError

    def _learn(self, clips: Clips, run: Run | None) -> None:
        """Train ``network_``, leave it in eval mode and set ``labels_``."""
        raise NotImplementedError
