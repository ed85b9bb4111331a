"""Clips per second of ``prepare``, ``logmel`` and each encoder, beside the plain call for the same work in one run.

``python benchmarks/clips.py [--clips 200 800] [--encoders byol_a_random logmel_stats]`` prints a Markdown table with
CPU seconds at both sizes, clips per second, those of the plain call, the ratio, and the exponent of growth (1: linear).
Both sides are one process of one thread. The plain call is, for ``prepare``, a loop of soundfile and soxr; for
``logmel``, torchaudio clip by clip, which is faster than in batches; for the encoders, batches of 32 through torch.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import soxr
import torch
import torchaudio
from tables import Table
from threadpoolctl import threadpool_limits

from audioclust import registry
from audioclust.clips.logmel import FrontEnd
from audioclust.runs.embed import Embed
from audioclust.runs.logmel import compute
from audioclust.runs.prepare import Prepare

RATE, SECONDS = 44100, 4.0


def recordings(folder: Path, n: int) -> pd.DataFrame:
    """Write ``n`` stereo recordings of noise and return their table."""
    rng = np.random.default_rng(0)
    for i in range(n):
        soundfile.write(folder / f"{i:05d}.wav", rng.normal(0, 0.1, (int(RATE * SECONDS), 2)), RATE, subtype="PCM_16")
    return pd.DataFrame({"path": [f"{i:05d}.wav" for i in range(n)], "group": "", "label": "x"})


def plain_prepare(folder: Path, table: pd.DataFrame) -> np.ndarray:
    clips = []
    for name in table["path"]:
        x, rate = soundfile.read(folder / name, dtype="float32", always_2d=True)
        clips.append(soxr.resample(x.mean(axis=1), rate, 16000, quality="HQ"))
    return (np.stack(clips) * 32767).astype(np.int16)


def plain_logmel(audio: np.ndarray) -> np.ndarray:
    mel = torchaudio.transforms.MelSpectrogram(
        16000, 1024, hop_length=160, f_min=60, f_max=7800, n_mels=64, norm="slaney", mel_scale="slaney"
    )
    with torch.inference_mode():
        waves = (torch.from_numpy(clip.astype(np.float32) / 32768) for clip in audio)
        return np.stack([(mel(wave) + 2**-23).log().numpy() for wave in waves]).astype(np.float16)


def plain_encoder(name: str, source: dict[str, Path], stats: tuple[float, float]) -> np.ndarray:
    encoder = registry.get("encoders", name)(device="cpu", random_state=0)
    encoder.prepare()
    if encoder.input == "logmel":
        encoder.normalise_with(*stats)
    x = np.load(source[encoder.input])
    x = x.astype(np.float32) / (32768 if encoder.input == "waveform" else 1)
    return np.concatenate([np.asarray(encoder(x[i : i + 32])) for i in range(0, len(x), 32)])


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(n: int, encoders: list[str], root: Path) -> dict[str, tuple[float, float]]:
    """Return what -> (our seconds, those of the plain call) for ``n`` clips."""
    folder = root / f"raw{n}"
    folder.mkdir()
    table = recordings(folder, n)
    clips, mel = root / f"clips{n}", root / f"logmel{n}.npy"
    prepare = Prepare(clip_seconds=SECONDS, workers=1)
    ours = seconds(lambda: prepare.run(table, folder, clips, scratch=root / "scratch"))
    found = {"prepare": (ours, seconds(lambda: plain_prepare(folder, table)))}
    audio = np.load(clips / "audio.npy", mmap_mode="r")
    stats = {}
    ours = seconds(lambda: stats.update(compute(audio, 16000, mel, FrontEnd(), workers=1)))
    found["logmel"] = (ours, seconds(lambda: plain_logmel(np.asarray(audio))))
    source, scale = {"logmel": mel, "waveform": clips / "audio.npy"}, (stats["mean"], stats["std"])
    durations = np.full(n, SECONDS)
    embed = Embed(workers=1)
    for name in encoders:
        ours = seconds(lambda e=name: embed.run(e, {}, source, 16000, scale, durations, root / f"{e}.npy"))
        found[name] = (ours, seconds(lambda e=name: plain_encoder(e, source, scale)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--clips", type=int, nargs="+", default=[200, 800])
    parser.add_argument("--encoders", nargs="+", default=["logmel_stats", "byol_a_random"])
    parser.add_argument("--out", type=Path, help="folder for the table as CSV")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root, threadpool_limits(1):
        measure(8, arguments.encoders, Path(root))  # imports and caches before the clock
        runs = {n: measure(n, arguments.encoders, Path(root)) for n in arguments.clips}
    small, large = min(runs), max(runs)
    sizes = f"{small} clips, s", f"{large} clips, s"
    table = Table(arguments.out, "clips", "what", *sizes, "clips/s", "plain, clips/s", "ratio", "growth")
    for what in runs[small]:
        (first, _), (last, plain) = runs[small][what], runs[large][what]
        growth = math.log(last / first) / math.log(large / small) if large > small else math.nan
        rates = f"{large / last:.0f}", f"{large / plain:.0f}", f"{plain / last:.2f}"
        table.add(what, f"{first:.2f}", f"{last:.2f}", *rates, f"{growth:.2f}")


if __name__ == "__main__":
    main()
