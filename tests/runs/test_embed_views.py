"""Views of sound through a frozen encoder: what `embed` gives for a changed clip, once, whoever computes it."""

import numpy as np
import pytest
from encoders_fixture import needs_weights_of

from audioclust import registry
from audioclust.clips.logmel import FrontEnd
from audioclust.results.kept import Kept, digest
from audioclust.runs.embed import Embed
from audioclust.runs.embed_views import Sounds, embed_views
from audioclust.runs.logmel import compute
from audioclust.views.waves import Waves

RATE = 16000
SAMPLES = np.random.default_rng(1).integers(4000, 8001, 70)  # more clips than a shard holds
UNCHANGED = Waves(weak=[], strong=[])
ENCODERS = ["logmel_stats", "byol_a_random", pytest.param(
    "speech_embedding", marks=needs_weights_of(registry.get("encoders", "speech_embedding")))]  # fmt: skip


def of(audio, samples):
    """Return the clips of a file."""
    digests = [list(digest(clip.tobytes())) for clip in np.load(audio)]
    return Sounds(audio, RATE, samples, np.array(digests, np.uint8))


@pytest.fixture
def sounds(tmp_path):
    rng = np.random.default_rng(0)
    audio = rng.integers(-20000, 20000, (70, 8000)).astype(np.int16)
    audio[np.arange(8000) >= SAMPLES[:, None]] = 0
    np.save(tmp_path / "audio.npy", audio)
    return of(tmp_path / "audio.npy", SAMPLES)


def views(sounds, out, name="logmel_stats", waves=UNCHANGED, counts=None, kept=None, section=None, **settings):
    """Write views and return them by kind."""
    kept = Kept(out / "kept", "code") if kept is None else kept
    embed, counts = Embed(**{"workers": 1, **settings}), {"weak": 1, "strong": 2} if counts is None else counts
    embed_views(embed, name, section or {}, sounds, FrontEnd(), (-9.0, 4.0), waves, counts, out, kept)
    return {file.stem: np.load(file) for file in out.glob("*.npy")}


@pytest.mark.parametrize("name", ENCODERS)
def test_a_view_that_changes_nothing_is_the_embedding_of_the_clip(sounds, tmp_path, name):
    durations, source = SAMPLES / RATE, {"logmel": tmp_path / "logmel.npy", "waveform": sounds.audio}
    compute(np.load(sounds.audio), RATE, source["logmel"], FrontEnd(), durations=durations, workers=1)
    Embed(workers=1).run(name, {}, source, RATE, (-9.0, 4.0), durations, tmp_path / "e.npy")
    found, embedding = views(sounds, tmp_path / "views", name), np.load(tmp_path / "e.npy")
    assert found["weak"].shape == (1, *embedding.shape) and found["strong"].shape == (2, *embedding.shape)
    for view in (*found["weak"], *found["strong"]):
        np.testing.assert_allclose(view, embedding, rtol=1e-4, atol=2e-4 * np.abs(embedding).max())


def test_each_view_is_another_one(sounds, tmp_path):
    found = views(sounds, tmp_path / "views", waves=Waves())
    one, two = found["strong"]
    assert (np.abs(one - two).max(1) > 0.01).all() and (np.abs(one - found["weak"][0]).max(1) > 0.01).all()
    again = views(sounds, tmp_path / "again", waves=Waves(), seed=1)
    assert (np.abs(again["strong"][0] - one).max(1) > 0.01).all()


def test_a_view_depends_on_the_clip_alone(sounds, tmp_path):
    """But for the op mixup, which needs another clip."""
    waves = Waves(strong=["crop", "speed", "filter", "gain", "noise", "mask"])
    expected = views(sounds, tmp_path / "all", waves=waves)
    few = tmp_path / "few.npy"
    np.save(few, np.load(sounds.audio)[5:14])
    found = views(of(few, SAMPLES[5:14]), tmp_path / "views", waves=waves)
    for kind in ("weak", "strong"):
        np.testing.assert_array_equal(found[kind], expected[kind][:, 5:14])


def test_bytes_do_not_depend_on_the_number_of_workers(sounds, tmp_path):
    for workers in (1, 2):
        views(sounds, tmp_path / f"{workers}", waves=Waves(), workers=workers)
    one, two = ({file.name: file.read_bytes() for file in (tmp_path / w).glob("*.npy")} for w in ("1", "2"))
    assert one == two and set(one) == {"weak.npy", "strong.npy"}


def test_what_is_there_is_not_computed_again(sounds, tmp_path):
    kept = Kept(tmp_path / "kept", "code")
    few = views(sounds, tmp_path / "views", waves=Waves(), counts={"strong": 2}, kept=kept)
    assert kept.computed == 2 * 70 and set(few) == {"strong"}
    more = views(sounds, tmp_path / "views", waves=Waves(), counts={"weak": 1, "strong": 3}, kept=kept)
    assert (kept.computed, kept.taken) == (4 * 70, 2 * 70)
    np.testing.assert_array_equal(more["strong"][:2], few["strong"])
    views(sounds, tmp_path / "views", waves=Waves(crop=0.3), counts={"strong": 1}, kept=kept)
    assert kept.computed == 5 * 70


def test_views_of_added_clips_are_computed_and_of_those_that_mix_them_in(sounds, tmp_path):
    def grown(name, **waves):
        kept = Kept(tmp_path / f"kept {name}", "code")
        views(sounds, tmp_path / name, waves=Waves(**waves), counts={"strong": 2}, kept=kept)
        kept.computed = 0
        audio = np.load(sounds.audio)
        np.save(tmp_path / "more.npy", np.concatenate([audio[40:42, ::-1], audio]))
        more = of(tmp_path / "more.npy", np.concatenate([[8000, 8000], SAMPLES]))
        found = views(more, tmp_path / name, waves=Waves(**waves), counts={"strong": 2}, kept=kept)
        fresh = views(more, tmp_path / f"{name} fresh", waves=Waves(**waves), counts={"strong": 2})
        np.testing.assert_array_equal(found["strong"], fresh["strong"])
        return kept.computed

    assert grown("alone", strong=["crop", "noise"]) == 2 * 2
    mixed = grown("mixed", strong=["crop", "mixup"])
    assert 2 * 2 < mixed < 2 * 12, "each of the two takes the place of another in about one clip"


def test_a_view_louder_than_full_scale_is_scaled_down(sounds, tmp_path):
    """Statistics of log-mels move with the level; clipped samples would add bands that no clip has."""
    tone = np.rint(32000 * np.sin(2 * np.pi * 1000 * np.arange(8000) / RATE)).astype(np.int16)
    np.save(sounds.audio, np.tile(tone, (3, 1)))
    loud = of(sounds.audio, np.full(3, 8000))
    plain = views(loud, tmp_path / "plain")["strong"][0]
    found = views(loud, tmp_path / "views", waves=Waves(strong=["gain"], gain=20.0), counts={"strong": 8})["strong"]
    # Clipped, a tone of 20 dB more has odd harmonics some 10 nats above what is there now.
    assert (found[..., :64] - plain[:, :64]).max() < 1
