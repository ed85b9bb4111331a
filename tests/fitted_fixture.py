"""What all stages write, of a few tones and small models: every kind of cell that the table can have."""

import importlib.util
from pathlib import Path

import numpy as np
import soundfile

from audioclust import registry
from audioclust.clips.logmel import FrontEnd
from audioclust.datasets.folder import Folder
from audioclust.results import labels, spaces
from audioclust.results.embeddings import EMBEDDING, views_file
from audioclust.results.pieces import Pieces
from audioclust.runs import deep, logmel, pretext
from audioclust.runs.baseline import Baseline
from audioclust.runs.embed import Embed
from audioclust.runs.grid import Item, grid
from audioclust.runs.predict.export import Outputs
from audioclust.runs.prepare import Prepare
from audioclust.runs.reduce import Reduce
from audioclust.runs.training import Train
from audioclust.views.clips import load

RATE, K, SEEDS = 16000, 3, [0, 1]
FRONT_END = FrontEnd(n_mels=16)
VIEWS = {"width": 16, "length": "fit", "weak": ["crop"], "strong": ["crop", "time_mask"], "pool": [2, 2], "warp": 0.0}
TRAINED = {"simclr": {"d": 16, "channels": 4, "epochs": 2, "batch": 8, "steps": None, "backbone": "audiontt"}}
FROZEN = {"logmel_stats": {"statistics": ["mean", "std"]}}
SMALL = {"k": K, "epochs": 2, "batch": 8}
NETWORK = SMALL | {"d": 16, "channels": 4, "projection": 8}
# Method -> the encoder that it starts from, and its parameters
DEEP = {
    "spice": ("simclr", {"k": K, "stage": "self", "heads": 2, "epochs": 2, "views": 1, "batch": 8}),
    "scan": ("logmel_stats", SMALL | {"stage": "cluster", "heads": 2, "views": 1, "neighbours": 3}),
    "temi": ("simclr", SMALL | {"heads": 2, "warmup_epochs": 1, "hidden": 16, "bottleneck": 8}),
    "idfd": (None, NETWORK | {"n_init": 1}),
    "cmsc_dcca": ("logmel_stats", {"k": K, "d": 4, "channels": 4, "hidden": [8], "pretrain_epochs": 2, "epochs": 2}),
}
PAIRS = {"turtle": ("simclr", "logmel_stats", {"k": K, "runs": 2, "epochs": 10, "gamma": [10.0, 0.3]})}
REDUCERS = {
    "none": {}, "pca": {"dim": 4}, "tsne": {"perplexity": 5.0, "iterations": 250}, "laplacian": {"dim": 3},
    "nmf": {"dim": 3}, "autoencoder": {"dim": 3, "hidden": [8], "layer_epochs": 1, "epochs": 2}, "umap": {},
}  # fmt: skip
CLUSTERERS = {
    "kmeans": {"k": K}, "agglomerative": {"k": K}, "spectral": {"k": K}, "gmm": {"k": K}, "dbscan": {}, "meanshift": {},
    "hdbscan": {"min_cluster_size": 3}, "turtle": {"k": K, "runs": 2, "epochs": 10}, "consensus": {"k": K, "runs": 3},
}  # fmt: skip


def tone(path: Path, kind: int, take: int, seconds: float = 0.4, rate: int = RATE) -> None:
    """Write a tone of one of ``K`` kinds, a little different in each take."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng, t = np.random.default_rng([kind, take]), np.arange(round(seconds * rate)) / rate
    pitch = 300 * 3**kind * rng.uniform(0.95, 1.05)
    soundfile.write(path, 0.2 * np.sin(2 * np.pi * pitch * t) + rng.normal(0, 0.01, len(t)), rate)


def record(root: Path, takes: int = 10) -> None:
    """Write recordings: tones, one that is cut into clips, one at another rate, and a copy of another one."""
    for kind in range(K):
        for take in range(takes):
            tone(root / f"{kind}/{take}.wav", kind, take)
    tone(root / "long.wav", 1, 50, seconds=1.3)
    tone(root / "rate.wav", 2, 51, rate=44100)
    (root / "copy.wav").write_bytes((root / "0/3.wav").read_bytes())


def fit(root: Path, data: Path) -> Outputs:
    """Run all stages on the recordings below ``root``, with outputs below ``data``."""
    prepare = Prepare(sample_rate=RATE, clip_seconds=0.4, long="split", workers=1)
    prepare.run(Folder(labels="none").recordings(root), root, data / "clips", scratch=data / "scratch")
    audio, durations = np.load(data / "clips/audio.npy"), np.load(data / "clips/durations.npy")
    (data / "logmel").mkdir()
    stats = logmel.compute(audio, RATE, data / "logmel/logmel.npy", FRONT_END, durations=durations, workers=1)
    embed, train, folders = Embed(workers=1, device="cpu"), Train(device="cpu", workers=1), data / "embeddings"
    source = {"logmel": data / "logmel/logmel.npy", "waveform": data / "clips/audio.npy"}
    for name, section in FROZEN.items():
        out = folders / name / EMBEDDING
        embed.run(name, section, source, RATE, (stats["mean"], stats["std"]), durations, out)
        np.save(views_file(folders / name, "strong"), np.load(out)[None] + 0.1)
    clips = load(data / "logmel")
    for name, section in TRAINED.items():
        pretext.pretext(name, section, VIEWS, clips, SEEDS, folders / name, data / "scratch", train)
        train.finish()
    _grids(data, [*FROZEN, *TRAINED])
    stages = {"deep": {name: ([start], section) for name, (start, section) in DEEP.items()}}
    stages["pair"] = {name: ([one, other], section) for name, (one, other, section) in PAIRS.items()}
    for stage, methods in stages.items():
        for name, (starts, section) in methods.items():
            _deep(stage, name, {each: folders / each for each in starts if each}, section, clips, data, train)
    archives = [("grid", name) for name in (*FROZEN, *TRAINED)]
    archives += [(stage, name) for stage, methods in stages.items() for name in methods]
    return Outputs(
        data, Prepare(clip_seconds=0.4, long="split", workers=1), embed, SEEDS, "standardise_l2", archives, FROZEN,
        REDUCERS["pca"],
    )  # fmt: skip


def _grids(data: Path, encoders: list[str]) -> None:
    there = {name for name in REDUCERS if name != "umap" or importlib.util.find_spec("umap")}
    reducers = {name: Item("reducers", name, section) for name, section in REDUCERS.items() if name in there}
    clusterers = {name: Item(registry.clusterer_room(name), name, section) for name, section in CLUSTERERS.items()}
    for encoder in encoders:
        chosen = reducers if encoder in FROZEN else {name: reducers[name] for name in ("none", "tsne")}
        found, cells, labelled, _ = grid(
            np.load(data / "embeddings" / encoder / EMBEDDING), chosen, clusterers, SEEDS,
            Reduce(neighbours=10), Baseline(workers=1), Pieces(data / "scratch"),
        )  # fmt: skip
        for name, space in found.items():
            spaces.save(data / "reduced" / encoder, name, space)
        labels.save(data / f"labels/grid/{encoder}.npz", [{"encoder": encoder, **cell} for cell in cells], labelled)


def _deep(stage: str, name: str, folders: dict, section: dict, clips: object, data: Path, train: Train) -> None:
    kind, out = registry.get("methods", name), data / "models" / (name if stage == "deep" else f"{stage}/{name}")
    heard = kind.input != "embedding" and len(folders) < 2 and not deep.on_frozen(kind, folders)
    cells, found, _, _ = deep.deep(
        name, section, VIEWS, clips if heard else None, folders, SEEDS, out, data / "scratch", train
    )
    labels.save(data / f"labels/{stage}/{name}.npz", cells, found)
    train.finish()
