"""WAV files: every sample as it was, what is beyond full scale cut and counted, full disks named."""

import numpy as np
import pytest
import soundfile
from disk_fixture import largest

from audioclust.results import wav


@pytest.mark.parametrize("width", [2, 3])
@pytest.mark.parametrize("samples", [0, 1, 1000, 1001])
def test_samples_come_back_as_they_were(tmp_path, width, samples):
    full = 1 << (8 * width - 1)
    x = np.random.default_rng(0).integers(-full, full, samples) / full
    assert wav.write(tmp_path / "new/x.wav", [x[:300], x[300:]], 44100, width) == 0
    found, rate = soundfile.read(tmp_path / "new/x.wav")
    info = soundfile.info(tmp_path / "new/x.wav")
    assert rate == 44100 and (info.channels, info.subtype) == (1, f"PCM_{8 * width}")
    np.testing.assert_array_equal(found, x)


def test_what_is_beyond_full_scale_is_cut_and_counted(tmp_path):
    x = np.array([0.5, 1.0, 1.1, -1.0, -1.1, 7.0], np.float32)
    assert wav.write(tmp_path / "x.wav", [x], 8000) == 3
    top = 1 - 2**-15
    assert soundfile.read(tmp_path / "x.wav")[0].tolist() == [0.5, top, top, -1, -1, top]


def test_a_full_disk_is_named_and_leaves_the_older_file(tmp_path):
    wav.write(tmp_path / "x.wav", [np.zeros(100)], 8000)
    before = (tmp_path / "x.wav").read_bytes()
    with largest(5000), pytest.raises(OSError) as caught:
        wav.write(tmp_path / "x.wav", [np.zeros(1000)] * 100, 8000)
    assert caught.value.filename == str(tmp_path / "x.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["x.wav"] and (tmp_path / "x.wav").read_bytes() == before
