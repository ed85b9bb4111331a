"""A folder that grows: what is added is decoded, turned into log-mels and embedded alone; bytes are as from nothing."""

import json
from typing import ClassVar

import numpy as np
import pytest
import soundfile
from encoders_fixture import needs_weights_of
from prepare_fixture import table, write

from audioclust import registry
from audioclust.clips.logmel import FrontEnd
from audioclust.results.kept import Kept, digest
from audioclust.runs.embed import Embed, built
from audioclust.runs.logmel import compute, said
from audioclust.runs.prepare import Prepare

PRETRAINED = ["speech_embedding", "resemblyzer", "aisfx", "musicnn"]
ENCODERS = ["logmel_stats", "byol_a_random"]
ALL = [
    *ENCODERS, *(pytest.param(name, marks=needs_weights_of(registry.get("encoders", name))) for name in PRETRAINED)
]  # fmt: skip


@pytest.fixture
def root(tmp_path):
    for i in range(6):
        write(tmp_path / "in", f"{i}.wav", (0.6, 0.3, 0.55)[i % 3], seed=i)
    return tmp_path / "in"


def add(root):
    """Add a recording that is cut, and one that is padded."""
    write(root, "2a.wav", 0.8, seed=20)
    write(root, "00.wav", 0.4, seed=21)


def grown(root, encoders=ENCODERS, kept=True, statistics="auto", workers=1):
    """Run the stages; return the bytes of what they write, and how much each had to compute."""
    top = root.parent
    out = top / ("out" if kept else "fresh")
    shelf = {name: Kept(top / "kept", name) if kept else None for name in ("prepare", "logmel", *encoders)}
    paths = sorted(path.name for path in root.iterdir())
    Prepare(workers=workers, clip_seconds=0.5).run(
        table(*paths), root, out, scratch=top / "scratch", kept=shelf["prepare"]
    )
    durations, digests = np.load(out / "durations.npy"), np.load(out / "digests.npy")
    source = {"waveform": out / "audio.npy", "logmel": out / "logmel.npy"}
    stats = compute(
        np.load(source["waveform"], mmap_mode="r"), 16000, source["logmel"], FrontEnd(), durations=durations,
        workers=workers, statistics=statistics, kept=shelf["logmel"], digests=digests,
    )  # fmt: skip
    for name in encoders:
        Embed(workers=workers).run(
            name, {}, source, 16000, (stats["mean"], stats["std"]), durations, out / f"{name}.npy", kept=shelf[name],
            digests=digests,
        )  # fmt: skip
    counts = {name: each.computed for name, each in shelf.items() if each}
    return {path.name: path.read_bytes() for path in out.iterdir()}, counts


def test_what_is_added_is_computed_alone(root):
    _, counts = grown(root)
    assert set(counts.values()) == {6}
    add(root)
    found, counts = grown(root)
    # Its input is standardised by the mean and deviation of all clips, and these are others now.
    assert counts == {"prepare": 2, "logmel": 2, "logmel_stats": 2, "byol_a_random": 8}
    assert found == grown(root, kept=False)[0]


def test_with_statistics_that_are_frozen_every_encoder_embeds_what_is_added_alone(root):
    stats = json.loads(grown(root)[0]["stats.json"])
    frozen = stats["mean"], stats["std"]
    before, counts = grown(root, statistics=frozen)
    assert set(counts.values()) == {0}, "they are the same numbers"
    assert json.loads(before["stats.json"]) == stats
    add(root)
    found, counts = grown(root, statistics=frozen)
    assert set(counts.values()) == {2}
    assert found == grown(root, kept=False, statistics=frozen)[0]
    (root / "00.wav").unlink()
    (root / "1.wav").rename(root / "7.wav")
    found, counts = grown(root, statistics=frozen)
    assert set(counts.values()) == {0} and found == grown(root, kept=False, statistics=frozen)[0]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", ALL)
def test_an_embedding_is_that_of_its_clip_whatever_is_beside_it(root, name, workers):
    """Byte by byte, of clips as long as others and of shorter ones, in whole shards and in parts of them."""
    grown(root, [name], statistics=(-9.0, 4.0))
    add(root)
    found, counts = grown(root, [name], statistics=(-9.0, 4.0), workers=workers)
    assert counts[name] == 2
    assert found == grown(root, [name], kept=False, statistics=(-9.0, 4.0))[0]


class Batched:
    """An encoder whose clips share a pass; with ``uneven`` their place in it changes their last bits."""

    input, sample_rate, uses_torch, together, brief, uneven = "waveform", 16000, False, 4, 6000, False
    passes: ClassVar[list] = []

    def __init__(self, device, random_state):
        pass

    def prepare(self):
        pass

    def __call__(self, x, signal):
        self.passes.append(len(x))
        return np.stack([row[:400] + np.float32(1e-7) * i * self.uneven for i, row in enumerate(x)])


@pytest.mark.parametrize("uneven", [False, True])
def test_clips_share_a_pass_of_one_size_if_that_gives_the_same_bytes_at_every_place(root, monkeypatch, uneven):
    monkeypatch.setattr(registry, "get", lambda room, name: Batched)
    monkeypatch.setattr(Batched, "uneven", uneven)
    monkeypatch.setattr(Batched, "passes", [])
    found = []
    for kept in (True, False):  # two clips of 0.3 s and four of 0.5 s, then one more of 0.4 s and of 0.5 s
        built.cache_clear()
        grown(root, ["batched"], kept)
        add(root)
        built.cache_clear()
        found.append(grown(root, ["batched"], kept)[0])
        for name in ("00.wav", "2a.wav"):
            (root / name).unlink()
    assert found[0] == found[1]
    probe = [4, 4]
    assert Batched.passes[: 2 + (6 if uneven else 5)] == probe + ([1] * 6 if uneven else [4, 1, 1, 1, 1])
    built.cache_clear()


@pytest.mark.parametrize("change", ["weights", "parameters", "seed", "statistics", "log-mels", "length"])
def test_what_changes_embeddings_has_them_computed_anew(root, change):
    found, _ = grown(root, statistics=(-9.0, 4.0))
    top = root.parent / "out"
    durations, digests = np.load(top / "durations.npy"), np.load(top / "digests.npy")
    source = {"waveform": top / "audio.npy", "logmel": top / "logmel.npy"}
    section = {"padding": "pool"} if change == "parameters" else {}
    embed = Embed(workers=1, seed=int(change == "seed"))
    stats = (-9.0, 5.0) if change == "statistics" else (-9.0, 4.0)
    kind = registry.get("encoders", "byol_a_random")
    with pytest.MonkeyPatch.context() as patch:
        if change == "weights":
            inner = kind.prepare

            def prepare(self):
                inner(self)
                self.network_.fc[0].bias.data += 1

            patch.setattr(kind, "prepare", prepare)
            built.cache_clear()
        elif change == "log-mels":
            np.save(top / "logmel.npy", np.load(top / "logmel.npy")[:, :, :40])
        elif change == "length":
            frames = np.load(top / "frames.npy")
            np.save(top / "frames.npy", np.where(np.arange(6) == 1, frames - 5, frames))
        kept = Kept(root.parent / "kept", "byol_a_random")
        embed.run("byol_a_random", section, source, 16000, stats, durations, top / "e.npy", kept=kept, digests=digests)
        built.cache_clear()
    assert kept.computed == (1 if change == "length" else 6)
    assert (top / "e.npy").read_bytes() != found["byol_a_random.npy"]


@pytest.mark.parametrize("name", ["logmel.npy", "byol_a_random.npy"])
def test_what_was_changed_in_place_is_computed_again(root, name):
    whole, _ = grown(root)
    array = np.load(root.parent / "out" / name, mmap_mode="r+")  # what is kept is the same file
    array[3, 5] += 1
    array.flush()
    (root.parent / "out" / name).rename(root.parent / "changed.npy")
    found, counts = grown(root)
    assert found == whole and sum(counts.values()) == 1


def test_a_signal_that_differs_by_zeros_at_its_end_is_not_taken_for_the_other(root):
    sound = np.random.default_rng(5).normal(0, 0.1, 6410)
    soundfile.write(root / "6.wav", sound, 16000)
    grown(root, ["logmel_stats"], statistics=(-9.0, 4.0))
    soundfile.write(root / "7.wav", np.append(sound, np.zeros(140)), 16000)  # as many frames
    found = grown(root, ["logmel_stats"], statistics=(-9.0, 4.0))[0]
    assert found == grown(root, ["logmel_stats"], kept=False, statistics=(-9.0, 4.0))[0]


def test_copies_of_a_recording_are_computed_once_each(root):
    grown(root)
    (root / "copy.wav").write_bytes((root / "0.wav").read_bytes())
    found, counts = grown(root, statistics=(-9.0, 4.0))
    assert counts == {"prepare": 0, "logmel": 0, "logmel_stats": 0, "byol_a_random": 7}
    assert found == grown(root, kept=False, statistics=(-9.0, 4.0))[0]


def test_statistics_that_are_given_are_said_beside_those_of_the_clips(root):
    own, _ = grown(root)
    stats, info = json.loads(own["stats.json"]), json.loads(own["info.json"])
    assert info == {"of_these_clips": {"mean": stats["mean"], "std": stats["std"]}, "statistics": "auto"}
    assert f"-S 'logmel.statistics=[{stats['mean']},{stats['std']}]'" in said(stats, info)
    far, _ = grown(root, statistics=(stats["mean"] + 2, stats["std"]))
    fixed, fixed_info = json.loads(far["stats.json"]), json.loads(far["info.json"])
    assert fixed == stats | {"mean": stats["mean"] + 2}
    assert fixed_info == info | {"statistics": "fixed"}
    assert f"{2 / stats['std']:.2f} deviations off, logmel.statistics=auto takes these" in said(fixed, fixed_info)
    assert "off" not in said(stats, fixed_info)


def test_log_mels_without_hashes_are_computed(tmp_path):
    audio = np.random.default_rng(0).normal(0, 2000, (3, 1600)).astype(np.int16)
    compute(audio, 16000, tmp_path / "a/logmel.npy", FrontEnd(), workers=1)
    kept = Kept(tmp_path / "kept", "code")
    digests = np.array([list(digest(clip)) for clip in audio], np.uint8)
    for _ in range(2):
        compute(audio, 16000, tmp_path / "b/logmel.npy", FrontEnd(), workers=1, kept=kept, digests=digests)
    assert (kept.computed, kept.taken) == (3, 3)
    assert (tmp_path / "a/logmel.npy").read_bytes() == (tmp_path / "b/logmel.npy").read_bytes()
