"""A data set, an encoder, a reducer and a clusterer are each one file and one section: added here, and run."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]

NEW = {
    "datasets/tones.py": '''
"""Tones of two pitches."""
from pathlib import Path
import numpy as np, pandas as pd, soundfile
LABELS = ("pitch",)
def recordings(root: Path, *, count: int = 8) -> pd.DataFrame:
    if not (root / "tones").is_dir():
        raise FileNotFoundError("tones")
    paths = sorted((root / "tones").glob("*.wav"))
    return pd.DataFrame({"path": [p.relative_to(root).as_posix() for p in paths], "group": "",
                         "pitch": [p.stem.split("_")[0] for p in paths]})
def download(root: Path, *, count: int = 8) -> None:
    (root / "tones").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for pitch in (300, 3000):
        for i in range(count):
            t = np.arange(8000) / 8000
            x = 0.3 * np.sin(2 * np.pi * pitch * t) + rng.normal(0, .01, 8000)
            soundfile.write(root / f"tones/{pitch}_{i}.wav", x, 8000)
''',
    "encoders/band_mean.py": '''
"""Mean of each band."""
import numpy as np
class BandMean:
    input, sample_rate, uses_torch = "logmel", 16000, False
    def __init__(self, power: float = 1.0, *, device="cpu", random_state=0): self.power = power
    def prepare(self): pass
    def normalise_with(self, mean, std): pass
    def __call__(self, x, durations=None): return x.mean(axis=2) * self.power
''',
    "reducers/first.py": '''
"""The first dimensions."""
class First:
    stochastic = False
    def __init__(self, dim: int = 3, *, random_state=0): self.dim = dim
    def fit_transform(self, x): return x[:, : self.dim]
''',
    "clusterers/median_split.py": '''
"""Above or below the median of the sum."""
import numpy as np
class MedianSplit:
    stochastic = False
    def __init__(self, strict: bool = True): self.strict = strict
    def memory(self, n, d): return n * d * 8
    def fit(self, x, neighbours=None):
        total = x.sum(axis=1)
        self.labels_, self.chosen_ = (total > np.median(total)).astype(np.int32), {}
        return self
''',
}
PARAMS = {
    "data": {"dataset": "tones", "root": "data/raw", "clip_seconds": 1.0},
    "tones": {"count": 6},
    "encoders": ["band_mean"],
    "band_mean": {"power": 2.0},
    "pretexts": [],
    "methods": {},
    "reducers": ["first"],
    "first": {"dim": 40},
    "clusterers": ["median_split"],
    "median_split": {"strict": True},
    "seeds": [0],
}
STAGES = ["prepare", "logmel", "embed band_mean", "reduce band_mean first", "baseline band_mean median_split"]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the library and the stages with one new file of each kind."""
    path = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "src/audioclust", path / "src/audioclust", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "stages", path / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "docs", path / "docs")
    (path / "data/raw").mkdir(parents=True)
    for name, text in NEW.items():
        (path / "src/audioclust" / name).write_text(text)
    params = yaml.safe_load((ROOT / "params.yaml").read_text()) | PARAMS
    (path / "params.yaml").write_text(yaml.safe_dump(params))
    return path


def run(project: Path, stage: str) -> str:
    script, *arguments = stage.split()
    done = subprocess.run(
        [sys.executable, f"stages/{script}.py", *arguments], cwd=project, capture_output=True, text=True,
        env={"PYTHONPATH": str(project / "src"), "PATH": "/usr/bin:/bin", "HOME": str(project)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_one_file_and_one_section_of_each_kind_run_through(project):
    for stage in STAGES:
        run(project, stage)
    table = run(project, "evaluate")
    assert "band_mean" in table and "median_split" in table
    assert (project / "metrics/table.csv").is_file()
    assert np.load(project / "data/embeddings/band_mean/embedding.npy").shape == (12, 64)


def test_the_stages_of_dvc_yaml_name_no_item():
    """Items come from the lists of params.yaml, so adding one leaves dvc.yaml as it is."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    matrices = {name: stage["matrix"] for name, stage in stages.items() if "matrix" in stage}
    assert set(matrices) == {"embed", "pretext", "reduce", "reduce_pretext", "baseline", "baseline_pretext"}
    for matrix in matrices.values():
        assert all(isinstance(items, str) and items.startswith("${") for items in matrix.values())
    assert stages["deep"]["foreach"] == "${methods}"
