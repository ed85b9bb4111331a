"""Spectra against asteroid's and nussl's, the inverse, blocks of frames, and what is read in spectra."""

from pathlib import Path

import numpy as np
import pytest
import torch
from device_fixture import device

from audioclust.separation.stft import Stft, active, log_magnitude, loudest

# One second of two speakers at 8 kHz and the 256/64 spectra of asteroid-filterbanks 0.4.0 (the first 20 frames) and
# librosa with nussl's settings (the first and last 12), with masks by asteroid 0.7.0 and nussl (golden/audio/masks).
GOLDEN = dict(np.load(Path(__file__).parents[1] / "golden" / "stft.npz"))
SHARED = Path(__file__).resolve().parents[3] / "shared" / "golden" / "audio" / "masks.npz"
SOURCES = torch.from_numpy(GOLDEN["sources"])
MIX = SOURCES.sum(0)
STFT = Stft()


def bits(name: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.unpackbits(GOLDEN[name])[: np.prod(shape)].reshape(shape).astype(bool))


def asteroids(spectrum: torch.Tensor) -> torch.Tensor:
    """Return what asteroid's filter bank has for a spectrum (..., t, f): a 16th, the outer bins less by sqrt 2."""
    scale = torch.full((129,), 1 / 16)
    scale[[0, -1]] /= 2**0.5
    return spectrum * scale


def asteroids_magnitude(spectrum: torch.Tensor) -> torch.Tensor:
    return (asteroids(spectrum).abs().square() + 1e-8).sqrt()


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_a_window_of_32_ms_every_8_ms():
    assert (STFT.size, STFT.step, STFT.bins) == (256, 64, 129)
    assert (Stft(16000).size, Stft(11025).size, Stft(11025).step) == (512, 352, 88)
    assert STFT.spectrum(MIX).shape == (126, 129) and STFT.spectrum(MIX).dtype == torch.complex64


def test_frames_without_centring_are_asteroids():
    found = asteroids(STFT.spectrum(MIX, centre=False))
    assert len(found) == 122
    real, imaginary = torch.from_numpy(GOLDEN["stft_asteroid"]).T[:20].split(129, 1)
    torch.testing.assert_close(found[:20], torch.complex(real, imaginary), rtol=1e-4, atol=1e-6)


def test_centred_frames_are_librosas_at_the_edges_too():
    ends = torch.cat([torch.arange(12), torch.arange(114, 126)])
    expected = torch.from_numpy(GOLDEN["stft_centered"]).T
    torch.testing.assert_close(STFT.spectrum(MIX)[ends], expected, rtol=1e-4, atol=1e-5)


def test_active_bins_are_asteroids():
    spectrum = asteroids(STFT.spectrum(MIX, centre=False))
    assert torch.equal(active(spectrum).T, bits("vad40", 129, 122))
    assert active(spectrum, below_db=20).sum() < active(spectrum).sum()


def test_the_loudest_source_is_asteroids_and_nussls():
    targets = loudest(STFT.spectrum(SOURCES, centre=False))
    magnitude = asteroids_magnitude(STFT.spectrum(SOURCES, centre=False))
    apart = magnitude[0] != magnitude[1]  # where the sources differ by less than the floor, asteroid takes the first
    assert apart.float().mean() > 0.95 and targets.dtype == torch.int64
    assert torch.equal(targets[apart], bits("ibm_index", 129, 122).T.long()[apart])
    masks = bits("ibm_nussl", 129, 126, 2)
    assert torch.equal(loudest(STFT.spectrum(SOURCES))[..., None] == torch.arange(2), masks.transpose(0, 1))


def test_a_masked_spectrum_gives_librosas_signal():
    found = STFT.signal(STFT.spectrum(MIX) * bits("ibm_nussl", 129, 126, 2)[..., 0].T, 8000)
    torch.testing.assert_close(found, torch.from_numpy(GOLDEN["wav_ibm_centered"]), rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not SHARED.is_file(), reason="the large golden arrays are not on this machine")
def test_whole_golden_spectra():
    golden = {name: torch.from_numpy(array) for name, array in np.load(SHARED).items()}
    torch.testing.assert_close(STFT.spectrum(golden["mix"]).T, golden["stft_centered"], rtol=1e-4, atol=1e-5)
    spectrum = STFT.spectrum(golden["mix"], centre=False)
    real, imaginary = golden["stft_asteroid"].split(129)
    torch.testing.assert_close(asteroids(spectrum).T, torch.complex(real, imaginary), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(asteroids_magnitude(spectrum).T, golden["mix_mag"], rtol=1e-4, atol=1e-6)
    back = STFT.signal(STFT.spectrum(golden["mix"]), 8000)
    assert (golden["wav_identity"] - golden["mix"])[:256].abs().max() > 0.1  # asteroid's inverse is wrong at the ends
    assert (back - golden["mix"]).abs().max() <= 1e-6 * golden["mix"].abs().max()


@pytest.mark.parametrize("stft", [STFT, Stft(hop=16), Stft(hop=11), Stft(8000, 8.1, 0.2)], ids=str)
def test_the_inverse_is_exact_from_the_first_sample_to_the_last(stft):
    stft.check()
    for samples in (*range(1, 12), *range(120, 136), 191, 192, 193, 255, 256, 257, 1000, 4097):
        x = noise(2, samples)
        back = stft.signal(stft.spectrum(x), samples)
        assert back.shape == x.shape and back.dtype == torch.float32
        assert (back - x).abs().max() <= 1e-6 * x.abs().max(), samples


def test_mirrored_ends_are_numpys():
    for samples in (1, 2, 3, 100, 129, 500):
        x = noise(samples)
        padded = np.pad(x.numpy(), (128, 128 + STFT.frames(samples) * 64 - 64 - samples), mode="reflect")
        expected = STFT.spectrum(torch.from_numpy(padded), centre=False)
        torch.testing.assert_close(STFT.spectrum(x), expected)


def test_a_segment_without_centring_has_signal_in_every_frame():
    samples = STFT.samples(100)
    assert samples == 99 * 64 + 256
    x = noise(3, samples)
    expected = torch.stft(x, 256, 64, window=torch.hann_window(256).sqrt(), center=False, return_complex=True)
    torch.testing.assert_close(STFT.spectrum(x, centre=False), expected.mT, rtol=1e-4, atol=1e-4)
    assert STFT.spectrum(x[:, :-1], centre=False).shape == (3, 99, 129)


@pytest.mark.parametrize("stft", [STFT, Stft(hop=11)], ids=str)
@pytest.mark.parametrize("samples", [1, 100, 5000])
def test_blocks_of_frames_are_the_whole(stft, samples):
    x = noise(2, samples)
    whole, out = stft.spectrum(x), torch.zeros(2, samples)
    for start in range(0, stft.frames(samples), 7):
        block = stft.spectrum(x, start=start, stop=start + 7)
        assert torch.equal(block, whole[:, start : start + 7])
        stft.add(out, block, start)
    torch.testing.assert_close(out, stft.signal(whole, samples), rtol=0, atol=1e-6)
    torch.testing.assert_close(out, x, rtol=0, atol=4e-6)
    part = stft.spectrum(x, centre=False, start=2, stop=5) if samples > 256 else None
    assert part is None or torch.equal(part, stft.spectrum(x, centre=False)[:, 2:5])


def test_samples_of_16_bit_are_read_as_numbers():
    x = (1000 * noise(500)).to(torch.int16)
    assert torch.equal(STFT.spectrum(x), STFT.spectrum(x.float()))


def test_silence_has_a_logarithm_and_neither_active_bins_nor_a_source():
    spectra = STFT.spectrum(torch.zeros(2, 500))
    assert log_magnitude(spectra[0]).unique().tolist() == pytest.approx([np.log(1e-8)])
    assert log_magnitude(spectra).dtype == torch.float32
    assert not active(spectra[0]).any()
    assert (loudest(spectra) == -1).all() and (loudest(spectra[:1]) == -1).all()


def test_each_mixture_has_a_threshold_of_its_own():
    x = torch.stack([MIX, 1e-3 * MIX])
    loud, quiet = active(STFT.spectrum(x))
    assert (loud == quiet).float().mean() > 0.999 and 0 < loud.float().mean() < 1


def test_a_block_has_the_threshold_of_the_whole():
    spectrum = STFT.spectrum(torch.stack([MIX, SOURCES[0]]))
    top = spectrum.abs().amax((1, 2), keepdim=True)
    assert torch.equal(active(spectrum[:, 30:40], top=top), active(spectrum)[:, 30:40])
    assert not torch.equal(active(spectrum[:, 30:40]), active(spectrum)[:, 30:40])


def test_equally_loud_sources_have_no_bins():
    x = noise(2, 1000)
    targets = loudest(STFT.spectrum(torch.stack([x[0], x[0], 0 * x[0]]))[None])
    assert targets.shape == (1, 17, 129) and (targets == -1).all()
    assert set(loudest(STFT.spectrum(torch.stack([x[0], x[1], x[1]]))).unique().tolist()) == {-1, 0}


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"hop": 33.0}, r"hop=33.0 ms \(264 samples\) must be .* at most half of window=32.0 ms \(256 samples\)"),
        ({"hop": 17.0}, "at most half of window"),
        ({"hop": 0.01}, r"\(0 samples\) must be at least one sample"),
        ({"window": 0.1}, "must hold at least 4 samples"),
        ({"window": -1.0}, "Stft.window = -1.0"),
        ({"sample_rate": 10}, "Stft.sample_rate = 10"),
    ],
)
def test_bad_parameters_are_said(wrong, message):
    with pytest.raises(ValueError, match=message):
        Stft(**wrong).check()


def test_bad_lengths_are_said():
    with pytest.raises(ValueError, match="0 samples is too short: at least 1"):
        STFT.spectrum(torch.zeros(0))
    with pytest.raises(ValueError, match="255 samples is too short: at least 256"):
        STFT.spectrum(torch.zeros(255), centre=False)
    with pytest.raises(ValueError, match="8064 samples have 127 frames at a step of 64, the spectrum has 126"):
        STFT.signal(STFT.spectrum(MIX), 8064)


def test_on_another_device():
    with device() as there:
        x = SOURCES[:, :2000].to(there)
        spectra = STFT.spectrum(x)
        back, targets = STFT.signal(spectra, 2000), loudest(spectra)
        assert {each.device.type for each in (back, targets, active(spectra), log_magnitude(spectra))} == {there}
        torch.testing.assert_close(back.cpu(), SOURCES[:, :2000], rtol=0, atol=1e-5)
