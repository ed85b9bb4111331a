"""Train the networks of librispeech_separation_gpu.sh: ``python recipes/separation_on_gpu.py CORPUS OUT``.

CORPUS is ``data/mixtures/mixtures``, as stage ``mixtures`` writes it; OUT becomes a folder with one for each network.
It needs torch and this project's source, but neither DVC nor recordings, so that it runs where only the GPU is. On an
H200 all five take five minutes; ``--share`` trains for a part of the steps.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from audioclust.devices import pick_device
from audioclust.separation.corpus import Corpus
from audioclust.separation.mixer import Mixer
from audioclust.separation.separator import Separator
from audioclust.training.loop import Run

NETWORK = {"k": 20, "layers": 2, "hidden": 600, "dropout": 0.3, "weights": "magnitude"}
SPEED = 0.15  # change of the cuts' speed: 251 readers of ten seconds each are few voices
SHORT, LONG = {"frames": [100], "batch": 128}, {"frames": [400], "batch": 32, "lr": 5e-4}
# Name, the network whose weights it starts from, the pairs, and how it is trained
NETWORKS = [
    ("first", None, "all", SHORT | {"epochs": 21, "steps": 251}),
    ("base", "first", "all", LONG | {"epochs": 2, "steps": 289}),
    ("three", "first", "all", SHORT | {"epochs": 3, "steps": 283, "lr": 7e-4, "sources": 3}),
    ("balanced", "base", "balanced", LONG | {"epochs": 1, "steps": 289}),
    ("female", "base", "female", LONG | {"epochs": 1, "steps": 289}),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--share", type=float, default=1.0, help="of the steps of an epoch")
    given = parser.parse_args()
    device, corpus = pick_device(given.device), Corpus.load(given.corpus)
    for name, start, pairs, how in NETWORKS:
        begin, run = time.monotonic(), Run(name=name)
        changes = {"start": start and str(given.out / start), "steps": max(1, round(how["steps"] * given.share))}
        model = Separator(**NETWORK | how | changes, device=device)
        model.fit(Mixer(corpus, model.sources, pairs, device, speed=SPEED), run=run)
        model.save(given.out / name)
        print(f"{name}: {time.monotonic() - begin:.0f} s, loss {run.curves[-1]['loss']:.4f}", flush=True)


if __name__ == "__main__":
    main()
