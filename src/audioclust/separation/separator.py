"""Deep clustering for separation (Hershey et al., ICASSP 2016, arXiv 1508.04306).

A network embeds the bins of a mixture's spectrogram, two of them alike where the same source is loudest in both.

Training sees new mixtures in every step. At test time the embeddings of a mixture are clustered (``masks``), in as many
clusters as there are sources, whatever the number in training.

Shapes: b mixtures, s sources, n samples, t frames, f bins, k dimensions of an embedding.

What differs from the paper:

- Adam with a cosine schedule and a limit on the gradient's norm, not SGD with momentum at 1e-5, which takes weeks; SGD
  is there.
- The input is standardised per bin.
- The noise on the weights, of variance 0.6 as printed, is off: 0.001 already lowers the gain (docs/LOG.md).
"""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from audioclust.devices import autocast, memory_hint, seeded
from audioclust.parameters import Count, Natural, NonNegative, Positive, Probability, validate
from audioclust.separation import affinity, counting
from audioclust.separation.counting import MOST, Counter
from audioclust.separation.mixer import Mixer
from audioclust.separation.network import Activation, Embedder, noisy
from audioclust.separation.stft import Stft, active, log_magnitude, loudest
from audioclust.training import saving
from audioclust.training.loop import Epoch, Run, epochs
from audioclust.training.schedules import cosine

OPTIMISERS = {
    "adam": lambda weights, lr: torch.optim.Adam(weights, lr, fused=True),
    "rmsprop": lambda weights, lr: torch.optim.RMSprop(weights, lr),
    "sgd": lambda weights, lr: torch.optim.SGD(weights, lr, momentum=0.9),
}
STATISTICS = 64  # mixtures whose bins are looked at before training
VALIDATION = 16  # mixtures of the closed set, the same in every epoch
COUNTED_FRAMES = 300  # of a mixture that counting is learned from
COUNTER = "counter."  # what its tensors' names begin with


@dataclass(repr=False, eq=False)
class Separator:
    """Train a network on mixtures and separate others; the defaults are the paper's network."""

    sources: Annotated[int, Field(ge=2)] = 2  # in a training mixture
    k: Annotated[int, Field(ge=2)] = 40  # dimensions of an embedding
    activation: Activation = "tanh"  # of an embedding, before it is scaled to length 1
    layers: Count = 2  # BLSTM layers
    hidden: Count = 600  # units of each direction
    dropout: Probability = 0.0
    window: Positive = 32.0  # of a frame, in ms
    hop: Positive = 8.0  # from frame to frame, in ms
    objective: affinity.Objective = "affinity"  # what is minimised, see `affinity`
    weights: affinity.Weighting = "class"  # of bins
    silence_db: Positive = 40.0  # bins that far below the mixture's loudest one have no weight
    frames: Annotated[list[Count], Field(min_length=1)] | None = None  # of training segments, phase by phase; null: 100
    epochs: Natural = 100  # of each phase; 0: the model of ``start`` as it is, which was trained elsewhere
    steps: Count = 100  # of an epoch
    batch: Count = 16  # mixtures per step in the first phase; of longer segments fewer, so that frames stay as many
    optimiser: Literal["adam", "rmsprop", "sgd"] = "adam"
    lr: Positive = 1e-3  # at the start of each phase, from where it falls to 0 on half a cosine
    clip: Positive = 1.0  # of the gradient's norm
    noise: NonNegative = 0.0  # variance of Gaussian noise on the weights in training; 0.6 in the paper
    variance: Positive | None = None  # of the last layer's first weights; 0.1 in the paper, null: torch's own start
    counted: Count = 192  # mixtures of each number of sources from which counting them is learned, after training
    start: str | None = None  # folder of a model whose weights training starts from; null: random ones
    _: KW_ONLY
    device: str = "cpu"  # or "cuda"
    random_state: int = 0  # seeds everything

    def fit(self, mixer: Mixer, *, valid: Mixer | None = None, run: Run | None = None) -> "Separator":
        """Set ``network_`` in eval mode, ``stft_``, and ``counter_``, which tells the number of sources.

        Args:
            mixer: of ``sources`` per mixture, on the device.
            valid: of mixtures whose loss is a curve only; None: no such curve.
            run: keeps curves and checkpoints.

        Raises:
            ValueError: a wrong parameter, or a start that does not fit.
            RuntimeError: the loss is not finite.
        """
        self.check()
        self.stft_ = self._stft(mixer.rate)
        with seeded(self.random_state, self.device), memory_hint(f"separator.batch = {self.batch}"):
            self.network_ = self._network()
            other = self._begin(mixer)
            for phase, frames in enumerate(self.frames or [100] if self.epochs else []):
                self._train(mixer, valid, frames, f"frames-{frames}-{phase}", run)
            self.network_.eval()
            self.counter_ = self._learn_to_count(mixer) if self.epochs else other.counter_
        return self

    def check(self) -> None:
        """Check the parameters.

        Raises:
            ValueError: a wrong one; no epochs and no start; or a hop of more than half a window, whatever the sample
                rate: see ``Stft``.
        """
        validate(self)
        if not self.epochs and self.start is None:
            raise ValueError("epochs=0 takes a model as it is: name its folder as separator.start")
        if self.hop > self.window / 2:
            raise ValueError(f"hop={self.hop} ms must be at most half of window={self.window} ms")

    def _stft(self, rate: int) -> Stft:
        stft = Stft(rate, self.window, self.hop)
        stft.check()
        return stft

    def _network(self) -> Embedder:
        parts = self.k, self.layers, self.hidden, self.dropout, self.activation, self.variance
        return Embedder(self.stft_.bins, *parts).to(self.device)

    def _begin(self, mixer: Mixer) -> "Separator | None":
        """Standardise the input by drawn mixtures, or take over all weights of another model and return it."""
        if self.start is None:
            mixture, _ = self._draw(mixer, STATISTICS, (self.frames or [100])[0], torch.default_generator)
            self.network_.standardise(features(self.stft_.spectrum(mixture, centre=False)))
            return None
        other = Separator.load(Path(self.start), self.device)
        if other.stft_ != self.stft_:
            raise ValueError(f"separator.start = {self.start}: trained with {other.stft_}, this one has {self.stft_}")
        theirs, ours = (_shapes(network) for network in (other.network_, self.network_))
        if theirs != ours:
            names = [name for name in ours if theirs.get(name) != ours[name]] or sorted(theirs.keys() - ours.keys())
            raise ValueError(
                f"separator.start = {self.start}: a network of another shape ({names[0]}: {theirs.get(names[0])}, not "
                f"{ours.get(names[0])}): k, layers, hidden and window must be the same"
            )
        self.network_.load_state_dict(other.network_.state_dict())
        return other

    def _train(self, mixer: Mixer, valid: Mixer | None, frames: int, phase: str, run: Run | None) -> None:
        network, batch = self.network_, max(1, self.batch * (self.frames or [100])[0] // frames)
        weights = list(network.parameters())
        optimiser = OPTIMISERS[self.optimiser](weights, self.lr)
        rates = cosine(self.lr, 0.0, self.epochs * self.steps)
        for epoch in epochs(self.epochs, {"network": network, "optimiser": optimiser}, run, phase):
            network.train()
            for rate in rates[epoch.number * self.steps : (epoch.number + 1) * self.steps]:
                drawn = self._draw(mixer, batch, frames, torch.default_generator)
                for group in optimiser.param_groups:
                    group["lr"] = rate
                optimiser.zero_grad(set_to_none=True)
                with noisy(network, self.noise):
                    loss = self._loss(*drawn)
                    loss.backward()
                epoch.add(loss=loss, gradient=nn.utils.clip_grad_norm_(weights, self.clip))
                optimiser.step()
            if valid is not None:
                self._validate(valid, frames, epoch)

    @torch.no_grad()
    def _learn_to_count(self, mixer: Mixer) -> Counter:
        """Return what tells the number of sources, learned from mixtures of up to ``MOST`` of them."""
        found, numbers = [], []
        for number in range(1, min(MOST, len(mixer.genders)) + 1):
            drawing = mixer.of(max(number, 2))
            for first in range(0, self.counted, VALIDATION):
                batch = min(VALIDATION, self.counted - first)
                mixture, sources = self._draw(drawing, batch, COUNTED_FRAMES, torch.default_generator)
                spectrum = self.stft_.spectrum(sources[:, 0] if number == 1 else mixture, centre=False)
                v = self.network_(features(spectrum))
                found.append(counting.features(*counting.grams(v, active(spectrum, self.silence_db))))
                numbers += [number] * batch
        return Counter.fit(torch.cat(found), torch.tensor(numbers))

    def count(self, v: Tensor, active: Tensor) -> tuple[int, float]:
        """Return how many sources a mixture has, and how sure that is, from 0 to 1.

        Args:
            v: its embeddings (t, f, k).
            active: (t, f), the bins that are not silent.
        """
        return self.counter_(counting.features(*counting.grams(v, active)))

    @torch.no_grad()
    def _validate(self, valid: Mixer, frames: int, epoch: Epoch) -> None:
        """Add the loss of mixtures that are the same in every epoch."""
        self.network_.eval()
        drawn = self._draw(valid, VALIDATION, frames, torch.Generator().manual_seed(self.random_state))
        epoch.add(valid=self._loss(*drawn))

    def _draw(self, mixer: Mixer, batch: int, frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return mixtures (b, n) and their sources (b, s, n), ``frames`` frames long."""
        return mixer.draw(batch, self.stft_.samples(frames), generator)

    def _loss(self, mixture: Tensor, sources: Tensor) -> Tensor:
        """Return the mean loss of mixtures (b, n) of sources (b, s, n)."""
        magnitude = self.stft_.spectrum(mixture, centre=False).abs()
        targets = loudest(self.stft_.spectrum(sources, centre=False)).flatten(1)
        sounding = active(magnitude, self.silence_db).flatten(1)
        weights, norm = affinity.weigh(self.weights, targets, magnitude.flatten(1), sounding, sources.shape[1])
        with autocast(self.device):
            v = self.network_(features(magnitude))
        losses = affinity.OBJECTIVES[self.objective](v.flatten(1, 2), targets, weights, sources.shape[1])
        if self.objective == "affinity":
            losses = losses / norm
        return losses.mean()

    @torch.no_grad()
    def embed(self, spectrum: Tensor, segments: int | None = None, level: Tensor | None = None) -> Tensor:
        """Return the embeddings (t, f, k) of a mixture's spectrum (t, f).

        Args:
            spectrum: complex, as ``stft_`` makes it.
            segments: frames of the pieces that the network sees one by one, as in the paper, whose embeddings are then
                strung together; None: it sees the whole.
            level: of the mixture that the spectrum is a part of; None: it is all of it.

        Raises:
            ValueError: a spectrum of another window, or of samples that are not finite.
        """
        if spectrum.ndim != 2 or spectrum.shape[1] != self.stft_.bins:
            raise ValueError(f"a spectrum must be (t, {self.stft_.bins}), as stft_ makes it, not {(*spectrum.shape,)}")
        if not spectrum.isfinite().all():
            raise ValueError("the mixture's spectrum is not finite: it has samples that are NaN or infinite; repair it")
        x = features(spectrum, level)
        t = len(x)
        if segments is None or t <= segments:
            return self.network_(x[None])[0]
        # The last piece is a whole one too, and gives the frames that the one before does not.
        starts = [*range(0, t - segments, segments), t - segments]
        pieces = self.network_(torch.stack([x[start : start + segments] for start in starts]))
        last = pieces[-1, segments * len(starts) - t :]
        return torch.cat([pieces[:-1].flatten(0, 1), last])

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and ``model.safetensors``, all that ``load`` needs."""
        counter = {f"{COUNTER}{name}": value for name, value in self.counter_.tensors().items()}
        saving.save(folder, self, self.network_.state_dict() | counter, rate=self.stft_.sample_rate)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "Separator":
        """Return a saved separator.

        Raises:
            FileNotFoundError: there is none; the message names the command that trains one.
            ValueError: it is a model of another kind.
        """
        if not (Path(folder) / saving.CONFIG).is_file():
            raise FileNotFoundError(f"{folder}: holds no separator; `dvc repro separator` trains them")
        try:
            model, weights, more = saving.load(folder, cls, device)
        except TypeError as error:  # parameters of another class
            raise ValueError(f"{folder}: holds a model of another kind, no separator ({error})") from error
        model.stft_ = model._stft(more["rate"])
        counter = {name: weights.pop(name).cpu() for name in [*weights] if name.startswith(COUNTER)}
        model.counter_ = Counter(**{name.removeprefix(COUNTER): value for name, value in counter.items()})
        with torch.device("meta"):  # no random weights are drawn
            model.network_ = Embedder(
                model.stft_.bins, model.k, model.layers, model.hidden, model.dropout, model.activation
            )
        model.network_.load_state_dict(weights, assign=True)
        model.network_.eval()
        return model


def features(spectrum: Tensor, level: Tensor | None = None) -> Tensor:
    """Return what the network sees of mixtures' spectra (..., t, f), or magnitudes: log magnitudes beside the level.

    The level is each mixture's root mean square, so that a mixture is embedded alike whatever its gain.
    """
    magnitude = spectrum.abs()
    level = magnitude.square().mean((-2, -1), keepdim=True).sqrt() if level is None else level
    return log_magnitude(magnitude / level.clamp_min(1e-8))


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}
