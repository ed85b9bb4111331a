"""Clips: standardised by their signal alone, the same from an array and a memory map; what is no log-mel is refused."""

import json

import numpy as np
import pytest
import torch

from audioclust.views import clips as module
from audioclust.views.clips import Clips, load

FRAMES = np.array([12, 1, 5, 12, 7, 3, 12])


def logmel(padding=-16.0, dtype=np.float16):
    """Return log-mels (7, 8, 12) whose frames from ``FRAMES`` on are padding."""
    x = np.random.default_rng(0).normal(-6, 3, (7, 8, 12)).astype(np.float16)
    x.transpose(0, 2, 1)[np.arange(12) >= FRAMES[:, None]] = padding
    return x.astype(dtype)


def signal(x, frames):
    """Return the values (count,) of all bands in the frames that hold signal."""
    return x.transpose(1, 2)[torch.arange(x.shape[2]) < frames[:, None]].flatten()


@pytest.mark.parametrize("padding", [-16.0, 0.0, 1000.0])
@pytest.mark.parametrize("block", [2, 512])
def test_the_signal_has_mean_0_and_deviation_1_whatever_it_is_padded_with(padding, block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    x, frames = Clips(logmel(padding), FRAMES)[:]
    assert x.shape == (7, 8, 12) and x.dtype == torch.float32 and frames.tolist() == FRAMES.tolist()
    values = signal(x.double(), frames)
    assert values.mean().item() == pytest.approx(0, abs=1e-6)
    assert values.std(correction=0).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("rows", [torch.tensor([4, 0, 0, 6]), slice(2, 5), slice(None, None, 3)])
def test_rows_are_those_that_were_asked_for(rows):
    clips = Clips(logmel(), FRAMES)
    x, frames = clips[rows]
    expected = (torch.from_numpy(logmel(dtype=np.float32))[rows] - clips.mean) / clips.std
    torch.testing.assert_close(x, expected)
    assert frames.dtype == torch.int64 and frames.tolist() == FRAMES[rows].tolist()


def test_a_memory_map_gives_what_an_array_gives(tmp_path):
    np.save(tmp_path / "x.npy", logmel())
    array, mapped = Clips(logmel(), FRAMES), Clips(np.load(tmp_path / "x.npy", mmap_mode="r"), FRAMES)
    assert (array.mean, array.std, array.digest) == (mapped.mean, mapped.std, mapped.digest)
    for rows in (slice(1, 4), torch.tensor([5, 2])):
        assert all(torch.equal(a, b) for a, b in zip(array[rows], mapped[rows], strict=True))


def test_a_batch_is_a_copy():
    x = logmel(dtype=np.float32)
    clips = Clips(x, mean=0.0, std=1.0)
    clips[:][0].fill_(7)
    np.testing.assert_array_equal(x, logmel(dtype=np.float32))


def test_without_lengths_every_frame_is_signal():
    clips = Clips(logmel())
    assert clips.frames.tolist() == [12] * 7
    assert clips.mean == pytest.approx(logmel().astype(np.float64).mean())
    assert (len(clips), clips.n, clips.f, clips.t) == (7, 7, 8, 12)


def test_clips_of_an_array_and_of_clips():
    clips = Clips.of(logmel(), FRAMES)
    other = Clips.of(clips, mean=1.0, std=2.0)
    assert Clips.of(clips).mean == clips.mean != other.mean
    assert torch.equal(other[:][0], Clips(logmel(), FRAMES, mean=1.0, std=2.0)[:][0])
    assert Clips.of(logmel(), FRAMES).digest == other.digest


def test_the_front_end_is_that_of_the_clips_or_the_one_that_is_said():
    slaney, htk = {"mel_scale": "slaney"}, {"mel_scale": "htk"}
    clips = Clips(logmel(), front_end=slaney)
    assert Clips(logmel()).front_end is None and Clips.of(logmel(), front_end=htk).front_end == htk
    assert Clips.of(clips).front_end == Clips.of(clips, front_end=htk).front_end == slaney
    unknown = Clips(logmel())
    assert Clips.of(unknown, front_end=htk).front_end == htk and unknown.front_end is None


def test_the_digest_is_that_of_the_values_and_lengths():
    whole = Clips(logmel())
    changed = logmel()
    changed[3, 2, 1] += 1
    assert Clips(logmel(dtype=np.float32)).digest == whole.digest
    assert len({whole.digest, Clips(logmel(), FRAMES).digest, Clips(changed).digest}) == 3


def test_clips_of_one_constant_value():
    clips = Clips(np.full((3, 4, 5), -15.9, np.float16))
    assert clips[:][0].abs().max() < 1e-3 and clips.std > 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_clip_that_is_not_finite_is_named(value, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 2)
    x = logmel()
    x[[5, 6], 0, 11] = value  # in the padding of the one, in the signal of the other
    with pytest.raises(ValueError, match=r"the log-mel of clip 5 is not finite"):
        Clips(x, FRAMES)


@pytest.mark.parametrize(("x", "frames", "message"), [
    (np.zeros((7, 8)), None, r"log-mels of shape \(7, 8\): \(n, mels, frames\)"),
    (np.zeros((0, 8, 12)), None, "at least one clip is needed"),
    (np.zeros((7, 8, 0)), None, r"log-mels of shape \(7, 8, 0\)"),
    (logmel(), FRAMES[:5], r"frames of shape \(5,\): one number for each of 7 clips"),
    (logmel(), [], r"frames of shape \(0,\)"),
    (logmel(), np.where(FRAMES == 5, 0, FRAMES), "clip 2 has 0 frames of signal: a number between 1 and 12"),
    (logmel(), np.where(FRAMES == 7, 13, FRAMES), "clip 4 has 13 frames"),
])  # fmt: skip
def test_what_is_refused(x, frames, message):
    with pytest.raises(ValueError, match=message):
        Clips(x, frames)


@pytest.mark.parametrize("front_end", [None, {"n_mels": 8, "mel_scale": "slaney"}])
def test_load_opens_what_the_stages_write(front_end, tmp_path, monkeypatch):
    np.save(tmp_path / "logmel.npy", logmel())
    np.save(tmp_path / "frames.npy", FRAMES)
    stats = {"hop_seconds": 0.02} | ({"front_end": front_end} if front_end else {})
    (tmp_path / "stats.json").write_text(json.dumps(stats))
    moments = module.moments_of(logmel(), torch.from_numpy(FRAMES))
    (tmp_path / "moments.json").write_text(json.dumps(moments._asdict()))
    whole = Clips(logmel(), FRAMES)
    monkeypatch.setattr(module, "moments_of", None)  # they are not read again
    clips = load(tmp_path)
    assert (clips.mean, clips.std, clips.digest) == (whole.mean, whole.std, whole.digest) == tuple(moments)
    assert clips.front_end == front_end


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("share", [0.5, 0.0], ids=["in the GPU's memory", "in their memory map"])
def test_batches_on_a_gpu(share, monkeypatch):
    monkeypatch.setattr(module, "SHARE", share)
    here, there = Clips(logmel(), FRAMES), Clips(logmel(), FRAMES, "cuda")
    assert isinstance(there._logmel, torch.Tensor) == (share > 0)
    for rows in (slice(1, 4), torch.tensor([5, 2])):
        x, frames = there[rows]
        assert x.device.type == frames.device.type == "cuda"
        torch.testing.assert_close((x.cpu(), frames.cpu()), here[rows])
