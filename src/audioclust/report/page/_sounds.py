"""Which clips can be heard in the page, and their sounds as MP3: byte-stable, small, and played by every browser."""

import io
from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

if TYPE_CHECKING:
    from audioclust.report.page import Page, Report

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # Hz, that MP3 has
QUALITY = 0.5  # of a variable bit rate, about 3.5 kB per second of speech at 16 kHz
BASE64 = 4 / 3  # characters per byte
MB = 1_000_000
NOISE = -1


def encoded(page: "Page", settings: "Report", rows: np.ndarray) -> tuple[dict[int, bytes], list[str]]:
    """Return by row the MP3 of the clips that can be heard, and what is left out.

    Args:
        page: the clips.
        settings: how many, and how many MB.
        rows: that the page shows, sorted.
    """
    found: dict[int, bytes] = {}
    wanted = list(order(page, settings, rows))
    room, spent = settings.most_mb * MB / BASE64, 0
    if wanted:
        audio = np.load(page.audio, mmap_mode="r")
    for row in wanted:
        sound = mp3(np.asarray(audio[row, : max(1, round(float(page.signal[row]) * page.rate))]), page.rate)
        if spent + len(sound) > room:
            break
        found[row], spent = sound, spent + len(sound)
    return found, _said(page, settings, len(found), len(wanted))


def order(page: "Page", settings: "Report", rows: np.ndarray) -> Iterator[int]:
    """Yield the rows of clips to hear: the first of every cluster, then the second of every one, and so on.

    Of a cluster first its exemplars, then those at its edge, then the others in a random order, which is the same in
    each run. So clusters have about equally many where there is no room for all.
    """
    if settings.audio == "none":
        return
    random, shown = np.random.default_rng(0), np.zeros(len(page.clips), bool)
    shown[rows] = True
    labels, exemplar = page.labellings[page.chosen], _true(page.clips["is_exemplar"].to_numpy())
    queues = []
    for each in page.clusters:
        inside = labels == each.cluster
        first = [*each.nearest, *np.flatnonzero(exemplar & inside), *each.farthest]
        others = random.permutation(np.flatnonzero(inside & shown))
        queue = list(dict.fromkeys(int(row) for row in (*first, *others)))
        most = {"exemplars": len(dict.fromkeys(first)), "sample": settings.sounds, "all": len(queue)}[settings.audio]
        queues.append(queue[:most])
    for turn in zip_longest(*queues):
        yield from (row for row in turn if row is not None)


def _true(values: np.ndarray) -> np.ndarray:
    return np.isin(values.astype(str), ["True", "true", "1", "1.0"])


def own_rate(rate: int) -> int:
    """Return the next lower rate that MP3 has, Hz, or the same."""
    return max((each for each in RATES if each <= rate), default=RATES[0])


def mp3(wave: np.ndarray, rate: int) -> bytes:
    """Return a mono MP3 of a wave (samples,) int16, at its ``own_rate``."""
    own = own_rate(rate)
    if own != rate:
        wave = np.clip(soxr.resample(wave.astype(np.float32), rate, own), -32768, 32767).astype(np.int16)
        wave = wave if len(wave) else np.zeros(1, np.int16)
    stream = io.BytesIO()
    soundfile.write(stream, wave, own, format="MP3", compression_level=QUALITY, bitrate_mode="VARIABLE")
    return stream.getvalue()


def _said(page: "Page", settings: "Report", found: int, wanted: int) -> list[str]:
    """Return sentences on the clips that cannot be heard."""
    n, said = len(page.clips), []
    if settings.audio == "none":
        said.append("All sounds: report.audio is none.")
    elif found < n:
        why = f"report.audio is {settings.audio}"
        why += f", report.sounds {settings.sounds} per cluster" if settings.audio == "sample" else ""
        why += f", and {settings.most_mb:g} MB (report.most_mb) hold no more" if found < wanted else ""
        said.append(f"The sounds of {n - found:,} of {n:,} clips: {why}.")
    if found and page.rate > RATES[-1]:
        said.append(f"Of the sounds what lies above {RATES[-1] // 2000} kHz, which MP3 does not hold.")
    return said
