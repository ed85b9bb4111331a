"""Training mixtures, made where they are used: new partners, cuts and levels every time, from one generator."""

import copy
import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from audioclust.separation.corpus import Corpus
from audioclust.separation.mixtures import FAINT, PEAK, RANGE, gain_pattern

BLOCK = 64  # samples whose energy is known together
CANDIDATES = 4  # cuts drawn for each that is used
TAPS = 8  # samples around a moment that its value is interpolated from
PHASES = 4096  # moments between two samples

Pairs = Literal["all", "balanced", "female"]


class Mixer:
    """Draws mixtures of one part of a corpus, whose samples all lie on the device as int16.

    Legend: b mixtures, s sources, u utterances, p speakers, c candidates, n samples.

    Speakers are drawn uniformly, an utterance of each by its length, and of it a cut; four cuts are drawn and the first
    is taken that is not nearly silent (30 dB below the utterance's level), the last if all are. An utterance that is
    shorter than the cut is padded with zeros at a random offset. Levels and normalisation are those of
    ``mixtures.mix``, with the peaks of whole utterances, so that a quiet cut stays quiet, as it is within a longer
    mixture. Random numbers come from a generator of the CPU, so that every device draws the same mixtures.

    With ``speed`` above 0 each cut is read faster or slower than it was recorded, by a factor between 1 / (1 + speed)
    and 1 + speed, uniform in its logarithm: pitch and formants move, so that few speakers sound like more.

    Args:
        corpus: with its parts.
        sources: of each mixture.
        pairs: "all": any speakers; "balanced": each number of men among the sources equally often (two sources: mm, fm,
            ff); "female": women alone.
        device: of the samples and of what is drawn.
        aligned: of music, the share of mixtures that are one piece at one time; the others are random cuts.
        speed: largest change of a cut's speed, at least 0; mixtures of one piece have one speed.
        part: of the corpus: "train"; "closed" for a loss that is watched.

    Raises:
        ValueError: too few speakers.
    """

    def __init__(
        self,
        corpus: Corpus,
        sources: int = 2,
        pairs: Pairs = "all",
        device: str = "cpu",
        *,
        aligned: float = 0.5,
        speed: float = 0.0,
        part: str = "train",
    ):
        if sources < 2:
            raise ValueError(f"sources = {sources}: a mixture needs 2 or more")
        rows = corpus.part(part).sort_values(["speaker", "utterance"], ignore_index=True)
        self.pairs, self.device, self.rate, self.speed = pairs, device, corpus.rate, speed
        self.rows = rows
        speakers = rows.groupby("speaker", sort=True)
        self.genders = torch.tensor([{"m": 0, "f": 1}.get(each, -1) for each in speakers["gender"].first()])
        self._check(pairs, sources)
        self.lengths = torch.tensor(rows["length"].tolist())  # (u,)
        self.ends = self.lengths.cumsum(0)  # (u,) also of the utterances in ``samples``, which are in the rows' order
        self.starts = self.ends - self.lengths
        self.levels = torch.tensor(rows["level"].tolist(), dtype=torch.float64)
        last = torch.tensor(speakers.size().tolist()).cumsum(0) - 1  # utterance of each speaker
        self.spans = torch.stack([torch.cat([self.ends.new_zeros(1), self.ends[last[:-1]]]), self.ends[last]], dim=1)
        self._set(sources, aligned)
        taken = [corpus.samples[row.start : row.start + row.length] for row in rows.itertuples()]
        self.peaks = torch.tensor([float(np.abs(x.astype(np.int32)).max()) for x in taken], dtype=torch.float64)
        samples = torch.from_numpy(np.concatenate(taken))
        self.energy = _energy(samples)
        self.samples = samples.to(device)
        self.taps = interpolation().to(device) if speed else None

    def _set(self, sources: int, aligned: float) -> None:
        """Set what depends on the number of sources."""
        self.sources, self.aligned, self.pattern = sources, aligned, torch.from_numpy(gain_pattern(sources))
        self._pieces(sources)

    def of(self, sources: int) -> "Mixer":
        """Return one for another number of sources of any gender, as recorded; music is one piece at one time."""
        other = copy.copy(self)
        other.pairs, other.speed = "all", 0.0
        other._check(other.pairs, sources)
        other._set(sources, 1.0)
        return other

    def draw(self, batch: int, samples: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return float32 mixtures (b, n) and the sources in them (b, s, n), full scale at 1."""
        chosen = self._utterances(batch, generator)  # (b, s)
        uniform = torch.rand(batch, self.sources, CANDIDATES, generator=generator, dtype=torch.float64)
        together = None
        if len(self.held):
            together = torch.rand(batch, 1, generator=generator) < self.aligned
            chosen = torch.where(together, self._of_one_piece(batch, generator), chosen)
            uniform = torch.where(together[:, :, None], uniform[:, :1], uniform)
        speeds = self._speeds(batch, together, generator)
        starts = self._starts(chosen, uniform, self._span(samples, speeds), together)  # (b, s)
        gains = torch.rand(batch, self.pattern.shape[1], generator=generator, dtype=torch.float64) * RANGE
        weights = 10 ** (gains @ self.pattern.T / 20) / self.levels[chosen].sqrt() / 32768
        return self._mixed(chosen, starts, weights, samples, speeds)

    def _speeds(self, batch: int, together: Tensor | None, generator: torch.Generator) -> Tensor | None:
        """Draw the speed of each cut (b, s), float64; None where all are 1."""
        if not self.speed:
            return None
        drawn = 2 * torch.rand(batch, self.sources, generator=generator, dtype=torch.float64) - 1
        drawn = drawn if together is None else torch.where(together, drawn[:, :1], drawn)
        return (drawn * math.log1p(self.speed)).exp()

    @staticmethod
    def _span(samples: int, speeds: Tensor | None) -> Tensor:
        """Return how many samples of its utterance each cut covers, (b, s) or ()."""
        return torch.tensor(samples) if speeds is None else (samples * speeds).ceil().long()

    def _check(self, pairs: str, sources: int) -> None:
        """Raise where there are too few speakers."""
        men, women = int((self.genders == 0).sum()), int((self.genders == 1).sum())
        if pairs not in ("all", "balanced", "female"):
            raise ValueError(f"mixtures.pairs = {pairs!r}: choose one of all, balanced, female")
        have = {"all": len(self.genders), "balanced": min(men, women), "female": women}[pairs]
        if have < sources:
            what = {"all": "speakers", "balanced": "men and as many women", "female": "women"}[pairs]
            unknown = len(self.genders) - men - women
            way_out = "" if pairs == "all" else ", or choose mixtures.pairs = all"
            raise ValueError(
                f"mixtures.pairs = {pairs}: mixtures of {sources} sources need {sources} {what}, and here are "
                f"men: {men}, women: {women}, of unknown gender: {unknown}; add speakers{way_out}"
            )

    def _pieces(self, sources: int) -> None:
        """Find the pieces that have enough instruments."""
        music = self.rows[self.rows["piece"] != ""]
        speakers = {name: place for place, name in enumerate(sorted(self.rows["speaker"].unique()))}
        pieces = {name: place for place, name in enumerate(sorted(music["piece"].unique()))}
        table = torch.full((len(pieces), len(speakers)), -1)  # (pieces, p): the utterance, -1 for none
        for row in music.itertuples():
            table[pieces[row.piece], speakers[row.speaker]] = row.Index
        self.held = table[(table >= 0).sum(dim=1) >= sources]
        lengths = torch.where(self.held >= 0, self.lengths[self.held.clamp(min=0)], 0)
        self.piece_ends = lengths.amax(dim=1).cumsum(0) if len(self.held) else lengths.new_zeros(0)

    def _utterances(self, batch: int, generator: torch.Generator) -> Tensor:
        """Draw distinct speakers and an utterance of each, (b, s)."""
        speakers = self._speakers(batch, generator)
        moment = torch.rand(batch, self.sources, generator=generator, dtype=torch.float64)
        begin, end = self.spans[speakers].unbind(dim=-1)
        return torch.searchsorted(self.ends, begin + (moment * (end - begin)).long(), right=True)

    def _speakers(self, batch: int, generator: torch.Generator) -> Tensor:
        """Draw distinct speakers, (b, s)."""
        keys = torch.rand(batch, len(self.genders), generator=generator, dtype=torch.float64)
        if self.pairs == "all":
            return keys.topk(self.sources).indices
        women = torch.where(self.genders == 1, keys, -1).topk(self.sources).indices
        if self.pairs == "female":
            return women
        men = torch.where(self.genders == 0, keys, -1).topk(self.sources).indices
        count = torch.randint(self.sources + 1, (batch, 1), generator=generator)  # of men
        ordered = torch.where(torch.arange(self.sources) < count, men, women)
        order = torch.rand(batch, self.sources, generator=generator).argsort(dim=1)  # or the first would mostly be men
        return ordered.gather(1, order)

    def _of_one_piece(self, batch: int, generator: torch.Generator) -> Tensor:
        """Draw a piece by its length, and distinct instruments of it, (b, s)."""
        moment = torch.rand(batch, generator=generator, dtype=torch.float64) * self.piece_ends[-1]
        rows = self.held[torch.searchsorted(self.piece_ends, moment.long(), right=True)]  # (b, p)
        keys = torch.rand(rows.shape, generator=generator, dtype=torch.float64)
        return rows.gather(1, torch.where(rows >= 0, keys, -1).topk(self.sources).indices)

    def _starts(self, chosen: Tensor, uniform: Tensor, span: Tensor, together: Tensor | None) -> Tensor:
        """Return where in its utterance each cut starts (b, s): the first of the candidates that can be heard.

        Below 0 where the utterance is shorter than the cut.
        """
        room = (self.lengths[chosen] - span)[:, :, None]
        span = span[..., None]
        low, high = room.clamp(max=0), room.clamp(min=0)
        starts = low + (uniform * (high - low + 1)).long()  # (b, s, c)
        begin = self.starts[chosen][:, :, None]
        first, last = starts.clamp(min=0), torch.minimum(starts + span, self.lengths[chosen][:, :, None])
        energy = self.energy[(begin + last) // BLOCK] - self.energy[(begin + first) // BLOCK]
        heard = energy > FAINT * span * self.levels[chosen][:, :, None]
        if together is not None:  # one moment for all sources of a piece
            heard = torch.where(together[:, :, None], heard.all(dim=1, keepdim=True), heard)
        heard[:, :, -1] = True
        return starts.gather(2, heard.to(torch.uint8).argmax(dim=2, keepdim=True)).squeeze(2)

    def _mixed(
        self, chosen: Tensor, starts: Tensor, weights: Tensor, samples: int, speeds: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        moments = torch.arange(samples, device=self.device)
        begin, length, starts = (
            each.to(self.device)[:, :, None] for each in (self.starts[chosen], self.lengths[chosen], starts)
        )
        if speeds is None:
            read = self._read(begin, length, starts + moments)  # (b, s, n)
        else:
            # In float32 less than a thousandth of a sample off, up to 2^13 samples from the first
            at = moments.float() * speeds.to(self.device, torch.float32)[:, :, None]
            whole = at.floor()
            taps = self.taps[((at - whole) * PHASES).long()]  # (b, s, n, TAPS)
            around = torch.arange(TAPS, device=self.device) - (TAPS // 2 - 1)
            places = (starts + whole.long())[..., None] + around
            read = torch.linalg.vecdot(taps, self._read(begin[..., None], length[..., None], places).float())
        sources = read * weights.to(self.device, torch.float32)[:, :, None]
        mixture = sources.sum(dim=1)
        loudest = (weights * self.peaks[chosen]).amax(dim=1).to(self.device, torch.float32)  # (b,)
        peak = torch.maximum(mixture.abs().amax(dim=1), loudest).clamp(min=1) / PEAK
        return mixture / peak[:, None], sources / peak[:, None, None]

    def _read(self, begin: Tensor, length: Tensor, places: Tensor) -> Tensor:
        """Return samples at places (b, s, n) of utterances, 0 before and behind them."""
        inside = (places >= 0) & (places < length)
        return self.samples[(begin + places).clamp(0, len(self.samples) - 1)] * inside


def interpolation() -> Tensor:
    """Return the weights (PHASES, TAPS) of the samples around a moment: a sinc in a Hann window.

    Row i is for a moment i / PHASES behind sample number TAPS / 2 - 1 of those around it.
    """
    moments = torch.arange(PHASES, dtype=torch.float64) / PHASES + TAPS // 2 - 1
    distances = torch.arange(TAPS) - moments[:, None]
    return (torch.sinc(distances) * torch.cos(math.pi * distances / TAPS).square()).float()


def _energy(samples: Tensor) -> Tensor:
    """Return the energy (blocks + 1,) of all samples before each block, full scale at 1."""
    blocks = torch.nn.functional.pad(samples, (0, -len(samples) % BLOCK)).reshape(-1, BLOCK).double() / 32768
    return torch.cat([blocks.new_zeros(1), blocks.square().sum(dim=1).cumsum(0)])
