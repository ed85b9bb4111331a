"""Views of log-mels for training without labels: original, weak (mildly changed) and strong (heavily changed).

Made for audio and computed a batch at a time on the device. A view is cut from the signal of a clip, never from its
padding, then goes through the ops that a list names, in its order; ``crop`` and ``stretch`` are part of the cut. SPICE
(arXiv 2103.09382) is where the three kinds come from; ``mixup``, ``resize_crop`` and ``fader`` are BYOL-A's (arXiv
2103.06695, 2204.07402); the masks are SpecAugment's (arXiv 1904.08779); ``warp`` is vocal-tract length perturbation
(Jaitly and Hinton, 2013).

Shapes: log-mels x (b, f, t) standardised, in units of the data's deviation; views (b, 1, f, width).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from pydantic import Field

from audioclust.parameters import Count, Natural, NonNegative, Probability, choices, validate, values
from audioclust.views.resampling import resample, resize_crop

Op = Literal[
    "crop", "stretch", "mixup", "resize_crop", "warp", "tilt", "filter", "gain", "fader", "noise", "time_mask",
    "band_mask",
]  # fmt: skip
OPS: tuple[str, ...] = get_args(Op)
Part = Probability  # in [0, 1): a relative change, or a share that is never all
NARROWEST, WIDEST = 12, 96  # frames of a view whose width is not given
NATS = 4.0  # deviation of log-mels, about: what one unit of a standardised log-mel is in nats, for adding powers
EPS = float(torch.finfo(torch.float32).eps)  # least power of a mixture


class Pooled(NamedTuple):
    """Log-mels x (b, f', t') that ``Augment.pooled`` has averaged, and the power (b, t) of their frames before."""

    x: torch.Tensor
    power: torch.Tensor | None


@dataclass
class Augment:
    """Cut views and change them.

    Raises:
        ValueError: a wrong value, such as an op that is none of ``OPS``.
    """

    # The cut
    # Frames of a view, of those that `pool` leaves; null: a quarter of a clip's median signal, between 12 and 96
    width: Annotated[int, Field(ge=8)] | None = 96
    # fit: stretch the signal of a clip to `width` frames, so that words of any length fill a view;
    # crop: cut a window of `width` frames out of it, and repeat a shorter signal
    length: Literal["fit", "crop"] = "crop"
    # Subtract the mean over time of each band (band), and with it the microphone and much of the voice; the mean of
    # the whole view (clip), its loudness; or nothing (none)
    centre: Literal["none", "clip", "band"] = "none"
    # Ops of the two kinds of view, in this order
    weak: tuple[Op, ...] = ("crop", "gain")
    strong: tuple[Op, ...] = (
        "crop", "stretch", "mixup", "warp", "tilt", "filter", "fader", "noise", "time_mask", "band_mask",
    )  # fmt: skip
    # Cut off the ends of a clip whose power is further below its loudest frame's, in deviations; 0: nothing is cut off
    trim: NonNegative = 0.0
    trim_jitter: Part = 0.5  # largest relative change of `trim` per view, by the op crop
    pool: tuple[Count, Count] = (1, 1)  # bands and frames that are averaged first: cheaper, and smooths a voice's pitch
    # Level everything further below the loudest point of a clip, so that a recording's background says nothing; 0: off
    dynamics: NonNegative = 0.0
    # The ops. Levels are in deviations
    crop: Part = 0.2  # largest share of the signal that "fit" cuts off, at both ends together; "crop" moves its window
    stretch: Part = 0.2  # largest change of speed; 0.2 is between 1 / 1.2 and 1.2
    mixup: Part = 0.2  # largest share of another clip's power
    resize_scale: tuple[NonNegative, NonNegative] = (0.6, 1.5)  # sides of resize_crop's rectangle over those of a view
    warp: Part = 0.15  # largest relative change of the frequency axis
    shift: NonNegative = 2.0  # largest shift along it, in bands, by the op warp
    tilt: NonNegative = 1.0  # largest slope from the lowest to the highest band
    ripple: NonNegative = 0.5  # of the op filter: largest cosine over the bands, of three
    gain: NonNegative = 0.5  # largest change of level
    fader: NonNegative = 1.0  # largest change of level, along a line over time
    noise_level: tuple[NonNegative, NonNegative] = (1.5, 5.0)  # range of coloured noise, below a view's loudest point
    masks: Count = 2  # per axis
    mask_share: Part = 0.2  # largest share of an axis that one mask covers
    copies: Natural = 0  # of each clip, made once before a training, from which its views are drawn; 0: always new ones

    def __post_init__(self):
        validate(self)
        for name, value in values(self).items():
            if isinstance(value, list):  # from YAML or JSON
                setattr(self, name, tuple(value))

    def sized(self, frames: torch.Tensor) -> "Augment":
        """Return itself or, where ``width`` is None, a copy with that of clips with ``frames`` (n,) of signal."""
        if self.width is not None:
            return self
        quarter = int(frames.double().quantile(0.5) / self.pool[1] / 4 + 0.5)
        return replace(self, width=min(max(quarter, NARROWEST), WIDEST))

    def bands(self, f: int) -> int:
        """Return the bands of a view of log-mels of ``f`` bands."""
        return f // self.pool[0]

    def pooled(self, x: torch.Tensor) -> Pooled:
        """Return of standardised log-mels (b, f, t) what is the same for all views, which take it in their place."""
        # Without `trim` nobody asks for the power.
        power = torch.logsumexp(x * NATS, 1) / NATS if self.trim else None
        return Pooled(x if self.pool == (1, 1) else F.avg_pool2d(x[:, None], self.pool)[:, 0], power)

    def original_view(self, x: torch.Tensor | Pooled, frames: torch.Tensor) -> torch.Tensor:
        """Return the unchanged signal: (b, 1, f, width) where ``length`` is "fit", else repeated to all t frames.

        At least ``width`` frames are returned, of shorter clips too.
        """
        x, start, frames = self._signal(x, frames)
        length = frames[:, None].float()
        if self.length == "fit":
            at = (length - 1) * torch.arange(self.width, device=x.device) / (self.width - 1)
        else:
            at = torch.arange(max(x.shape[2], self.width), device=x.device) % length
        view = resample(x, start + at, 2)
        return self._centred(self._levelled(view))[:, None]

    def weak_view(self, x: torch.Tensor | Pooled, frames: torch.Tensor) -> torch.Tensor:
        """Return mildly changed views (b, 1, f, width)."""
        return self(x, frames, self.weak)

    def strong_view(self, x: torch.Tensor | Pooled, frames: torch.Tensor) -> torch.Tensor:
        """Return heavily changed views (b, 1, f, width)."""
        return self(x, frames, self.strong)

    def __call__(self, x: torch.Tensor | Pooled, frames: torch.Tensor, ops: Sequence[str]) -> torch.Tensor:
        """Return views (b, 1, f, width).

        Args:
            x: (b, f, t) standardised log-mels, or what ``pooled`` makes of them.
            frames: (b,) frames of each that hold signal, before they are pooled.
            ops: names from ``OPS``, in order.

        Raises:
            ValueError: an unknown op.
        """
        for op in ops:
            if op not in OPS:
                raise ValueError(f"unknown op {op!r}{choices(op, OPS)}")
        x, start, frames = self._signal(x, frames, self.trim_jitter if "crop" in ops else 0.0)
        view = self._levelled(resample(x, start + self._window(frames, ops), 2))
        for op in ops:
            if op not in ("crop", "stretch"):
                view = getattr(self, f"_{op}")(view)
        return self._centred(view)[:, None]

    def _signal(
        self, x: torch.Tensor | Pooled, frames: torch.Tensor, jitter: float = 0.0
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return pooled ``x``, the frame at which each clip's signal begins (b, 1), and its number of frames (b,)."""
        x, power = x if isinstance(x, Pooled) else self.pooled(x)
        start = torch.zeros_like(frames)
        if self.trim:
            at = torch.arange(power.shape[1], device=x.device)
            power = torch.where(at < frames[:, None], power, -torch.inf)
            trim = self.trim * (1 + jitter * (2 * self._uniform(x, 1)[0] - 1)) if jitter else self.trim
            loud = (power >= power.amax(1, keepdim=True) - trim).byte()
            start, end = loud.argmax(1), power.shape[1] - loud.flip(1).argmax(1)
            frames = end - start
        step = self.pool[1]
        return x, (start // step)[:, None], (frames // step).clamp(1, x.shape[2])

    def _window(self, frames: torch.Tensor, ops: Sequence[str]) -> torch.Tensor:
        """Return the positions in time (b, width) at which the frames of a view are read."""
        u = self._uniform(frames, 4)  # (4, b, 1)
        last = frames[:, None].float() - 1
        if self.length == "fit":
            kept = 1 - self.crop * u[0] if "crop" in ops else torch.ones_like(u[0])
            span, start = last * kept, last * (1 - kept) * u[1]
        else:
            speed = (1 + self.stretch) ** (2 * u[0] - 1) if "stretch" in ops else torch.ones_like(u[0])
            span = (self.width - 1) * speed
            start = self._start(last, last - span, u[1] if "crop" in ops else None)
        at = torch.arange(self.width, device=frames.device, dtype=torch.float32)
        if "stretch" in ops:
            at = self._uneven(at, self.stretch * (2 * u[2] - 1), u[3])
        position = start + span * at / (self.width - 1)
        if self.length == "crop":
            position = position % (last + 1)
        return position.minimum(last)  # beyond it, before the repetition too, is padding

    def _start(self, last: torch.Tensor, room: torch.Tensor, u: torch.Tensor | None) -> torch.Tensor:
        """Return the first frame (b, 1) of a window that has ``room`` frames to move in; ``u`` None: in the middle.

        A signal shorter than the window is repeated and may begin at any of its frames. The result is a whole number:
        reading between two frames would smooth them.
        """
        if u is None:
            return (room.clamp_min(0) / 2).floor()
        free = torch.where(room < 0, last, room)
        return ((free + 1) * u).floor().minimum(free)

    def _uneven(self, at: torch.Tensor, amount: torch.Tensor, phase: torch.Tensor) -> torch.Tensor:
        """Change the speed smoothly along the view, by at most ``amount`` (b, 1), with both ends fixed."""
        turn = 2 * math.pi * (at / (self.width - 1) + phase)
        at = at + amount * torch.sin(turn) * (self.width - 1) / (2 * math.pi)  # (b, width)
        first, end = at[:, :1], at[:, -1:]
        return (at - first) * (self.width - 1) / (end - first)

    def _levelled(self, view: torch.Tensor) -> torch.Tensor:
        if not self.dynamics:
            return view
        return view.maximum(view.amax((1, 2), keepdim=True) - self.dynamics)

    def _centred(self, view: torch.Tensor) -> torch.Tensor:
        if self.centre == "none":
            return view
        return view - view.mean(dim=2 if self.centre == "band" else (1, 2), keepdim=True)

    def _mixup(self, view: torch.Tensor) -> torch.Tensor:
        """Mix with another clip of the batch (in BYOL-A, with one of the last 2,048 clips)."""
        other = view[torch.randperm(len(view), device=view.device)]
        return log_mixup_exp(view, other, 1 - self.mixup * self._uniform(view, 1, 3)[0])

    def _resize_crop(self, view: torch.Tensor) -> torch.Tensor:
        # Centred first: the zeros around the view would reveal the mean that is subtracted later.
        return random_resize_crop(self._centred(view), *self.resize_scale, self._uniform(view, 4)[..., 0])

    def _warp(self, view: torch.Tensor) -> torch.Tensor:
        """Scale and shift the frequency axis, the effect of the length of a vocal tract."""
        u = 2 * self._uniform(view, 2) - 1
        bands = torch.arange(view.shape[1], device=view.device, dtype=torch.float32)
        return resample(view, bands * (1 + self.warp) ** u[0] + self.shift * u[1], 1)

    def _tilt(self, view: torch.Tensor) -> torch.Tensor:
        slope = torch.linspace(-0.5, 0.5, view.shape[1], device=view.device)
        return view + self.tilt * (2 * self._uniform(view, 1)[0] - 1).unsqueeze(2) * slope[:, None]

    def _filter(self, view: torch.Tensor) -> torch.Tensor:
        """Add a random curve over the bands, three cosines: the effect of a microphone or a filter."""
        at = torch.linspace(0, math.pi, view.shape[1], device=view.device)
        u = self._uniform(view, 6).view(2, 3, -1, 1)  # (2, 3, b, 1)
        order = torch.arange(1, 4, device=view.device).view(3, 1, 1)
        curve = self.ripple * ((2 * u[0] - 1) * torch.cos(order * at + 2 * math.pi * u[1])).sum(0)  # (b, f)
        return view + curve[:, :, None]

    def _gain(self, view: torch.Tensor) -> torch.Tensor:
        return view + self.gain * (2 * self._uniform(view, 1, 3)[0] - 1)

    def _fader(self, view: torch.Tensor) -> torch.Tensor:
        u = self._uniform(view, 2)
        return linear_fader(view, u[0], u[1], self.fader)

    def _noise(self, view: torch.Tensor) -> torch.Tensor:
        """Add the power of coloured noise, below the loudest point."""
        u = self._uniform(view, 2, 3)
        low, high = self.noise_level
        colour = torch.linspace(-0.5, 0.5, view.shape[1], device=view.device)[:, None]
        level = view.amax((1, 2), keepdim=True) - (low + (high - low) * u[0]) + self.tilt * (2 * u[1] - 1) * colour
        rough = self._normal(view) * (1.0 / NATS)
        return torch.logaddexp(view * NATS, (level + rough) * NATS) / NATS

    def _time_mask(self, view: torch.Tensor) -> torch.Tensor:
        return self._masked(view, 2)

    def _band_mask(self, view: torch.Tensor) -> torch.Tensor:
        return self._masked(view, 1)

    def _masked(self, view: torch.Tensor, axis: int) -> torch.Tensor:
        """Replace a few ranges of frames or bands by the view's mean."""
        view, size = self._centred(view), view.shape[axis]  # a mask would reveal the mean that is subtracted later
        at = torch.arange(size, device=view.device).view(-1, 1) if axis == 1 else torch.arange(size, device=view.device)
        mean = view.mean((1, 2), keepdim=True)
        for _ in range(self.masks):
            u = self._uniform(view, 2, 3)
            width = u[0] * self.mask_share * size
            start = u[1] * (size - width)
            view = torch.where((at >= start) & (at < start + width), mean, view)
        return view

    def _uniform(self, like: torch.Tensor, count: int, dims: int = 2) -> torch.Tensor:
        """Return ``count`` uniform draws per item: (count, b, 1, ...) with ``dims`` dimensions after the first."""
        return torch.rand((count, len(like)) + (1,) * (dims - 1), device=like.device)

    def _normal(self, view: torch.Tensor) -> torch.Tensor:
        """Return a normal draw for each point of a view."""
        return torch.randn_like(view)


class SameForAll(Augment):
    """Views with the same draws for all clips: that of a clip does not depend on the clips beside it.

    ``mixup`` would need one of them and is left out.
    """

    def _uniform(self, like: torch.Tensor, count: int, dims: int = 2) -> torch.Tensor:
        drawn = super()._uniform(like[:1], count, dims)
        return drawn.repeat(1, len(like), *[1] * (dims - 1))

    def _normal(self, view: torch.Tensor) -> torch.Tensor:
        return super()._normal(view[:1]).expand_as(view)

    def _mixup(self, view: torch.Tensor) -> torch.Tensor:
        return view


def log_mixup_exp(a: torch.Tensor, b: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return log(share e^a + (1 - share) e^b + eps): the two sounds' powers mixed (BYOL-A, eq. 5)."""
    mixed = torch.logaddexp(a + torch.log(share), b + torch.log1p(-share))
    return torch.logaddexp(mixed, mixed.new_full((), math.log(EPS)))


def linear_fader(x: torch.Tensor, start: torch.Tensor, end: torch.Tensor, gain: float) -> torch.Tensor:
    """Add a line over time, from (2 start - 1) gain to (2 end - 1) gain; start, end (b, 1) in [0, 1] (BYOL-A v2)."""
    line = torch.linspace(0, 1, x.shape[2], device=x.device)
    return x + (gain * (2 * torch.lerp(start, end, line) - 1))[:, None]


def random_resize_crop(x: torch.Tensor, low: float, high: float, u: torch.Tensor) -> torch.Tensor:
    """Take a random rectangle of ``low`` to ``high`` times the view's sides and resize it to the view (BYOL-A).

    The canvas is zero, 1.5 times as long as the view, with the view in its middle. ``u`` (4, b) are uniform draws:
    height and width of the rectangle, and where it lies.
    """
    f, t = x.shape[1:]
    canvas = int(1.5 * t)
    h = ((low + (high - low) * u[0]) * f).long().clamp(1, f)
    w = ((low + (high - low) * u[1]) * t).long().clamp(1, canvas)
    i, j = (u[2] * (f - h + 1)).long(), (u[3] * (canvas - w + 1)).long()
    return resize_crop(x, i, j, h, w)
