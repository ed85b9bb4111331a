"""wav2vec 2.0 base (Baevski et al., NeurIPS 2020, arXiv 2006.11477), pretrained on LibriSpeech, by torchaudio.

The mean over the frames of one transformer layer. The first convolution's group norm averages over time, so padding
changes a whole embedding, which is therefore of the signal alone.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torchaudio.models import Wav2Vec2Model, wav2vec2_base

from audioclust.encoders import _weights as published
from audioclust.encoders._padding import Padding, embed_signal
from audioclust.parameters import validate

CHECKPOINT = published.Checkpoint(
    "wav2vec2_fairseq_base_ls960.pth",
    "https://download.pytorch.org/torchaudio/models/wav2vec2_fairseq_base_ls960.pth",
    "MIT",
    378_000_000,
)
SHORTEST = 400  # samples: the receptive field of one frame


@dataclass(eq=False)
class Wav2Vec2:
    """Waveforms (b, samples) at 16 kHz to embeddings (b, 768); the base model takes them without normalisation."""

    # Middle layers hold more of phonemes and speakers than the last.
    layer: Annotated[int, Field(ge=1, le=12)] = 12  # which of the 12 transformer layers
    weights: str | None = None  # a checkpoint file; None: the published one
    padding: Padding = "ignore"  # ignore: embed the signal alone; pool: its padding too, and so its length
    _: KW_ONLY
    device: str = "cpu"
    random_state: int = 0  # without effect

    sample_rate = 16000
    input = "waveform"
    training = "pretrained without labels"
    licence = CHECKPOINT.licence
    dim = 768

    def prepare(self) -> None:
        """Build the network and load its weights.

        Raises:
            RuntimeError: the weights are absent and unreachable, or of another network.
        """
        validate(self)
        file = published.find(CHECKPOINT, "wav2vec2", self.weights)
        with torch.device("meta"):
            network = wav2vec2_base()
        published.load(network, _renamed(published.read(file)), file)
        self.network_ = network.eval().to(self.device)

    def __call__(self, x: np.ndarray, signal: np.ndarray | None = None) -> np.ndarray:
        """Return (b, 768) float32 of waveforms (b, samples).

        ``signal`` (b,) is how many of the samples hold signal; None: all. Signal shorter than 400 samples, the
        receptive field of one frame, keeps as much of its padding.
        """
        return embed_signal(self._embed, np.asarray(x, dtype=np.float32), signal, self.padding, SHORTEST)

    def _embed(self, x: np.ndarray) -> np.ndarray:
        return pooled(self.network_, torch.from_numpy(x).to(self.device), self.layer)


def pooled(network: Wav2Vec2Model, wave: torch.Tensor, layer: int) -> np.ndarray:
    """Return the mean over frames (b, d) of ``layer``'s output for waveforms (b, samples) of one length."""
    wave = torch.nn.functional.pad(wave, (0, max(SHORTEST - wave.shape[1], 0)))
    with torch.inference_mode():
        features, _ = network.extract_features(wave, num_layers=layer)
        return features[-1].mean(1).cpu().numpy()


def _renamed(state: dict) -> dict:
    """Give weight norm's two tensors the names that PyTorch has used since 2.0."""
    conv = "encoder.transformer.pos_conv_embed.conv."
    names = {f"{conv}weight_g": f"{conv}parametrizations.weight.original0",
             f"{conv}weight_v": f"{conv}parametrizations.weight.original1"}  # fmt: skip
    return {names.get(key, key): value for key, value in state.items()}
