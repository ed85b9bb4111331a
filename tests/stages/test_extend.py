"""A data set, an encoder, a reducer, a clusterer and a method are each one file and one section: added, and run."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from audioclust import registry
from params import ITEMS

ROOT = Path(__file__).resolve().parents[2]

NEW = {
    "datasets/tones.py": '''
"""Tones of two pitches."""
from dataclasses import dataclass
from pathlib import Path
import numpy as np, pandas as pd, soundfile
@dataclass
class Tones:
    count: int = 8  # per pitch
    def recordings(self, root: Path) -> pd.DataFrame:
        if not (root / "tones").is_dir():
            raise FileNotFoundError("tones")
        paths = sorted((root / "tones").glob("*.wav"))
        return pd.DataFrame({"path": [p.relative_to(root).as_posix() for p in paths], "group": "",
                             "pitch": [p.stem.split("_")[0] for p in paths]})
    def download(self, root: Path) -> None:
        (root / "tones").mkdir(parents=True)
        rng = np.random.default_rng(0)
        for pitch in (300, 3000):
            for i in range(self.count):
                t = np.arange(8000) / 8000
                x = 0.3 * np.sin(2 * np.pi * pitch * t) + rng.normal(0, .01, 8000)
                soundfile.write(root / f"tones/{pitch}_{i}.wav", x, 8000)
''',
    "encoders/band_mean.py": '''
"""Mean of each band."""
from dataclasses import KW_ONLY, dataclass
@dataclass
class BandMean:
    power: float = 1.0
    _: KW_ONLY
    device: str = "cpu"
    random_state: int = 0
    input, sample_rate, uses_torch = "logmel", 16000, False
    def prepare(self): pass
    def normalise_with(self, mean, std): pass
    def __call__(self, x, durations=None): return x.mean(axis=2) * self.power
''',
    "reducers/first.py": '''
"""The first dimensions."""
from dataclasses import KW_ONLY, dataclass
@dataclass
class First:
    dim: int = 3
    _: KW_ONLY
    random_state: int = 0
    stochastic = False
    def fit_transform(self, x): return x[:, : self.dim]
''',
    "clusterers/median_split.py": '''
"""Above or below the median of the sum."""
from dataclasses import dataclass
import numpy as np
@dataclass
class MedianSplit:
    strict: bool = True
    stochastic = False
    def memory(self, n, d): return n * d * 8
    def fit(self, x, y=None, *, neighbours=None):
        total = x.sum(axis=1)
        self.labels_, self.chosen_ = (total > np.median(total)).astype(np.int32), {}
        return self
''',
    "methods/quantiles/__init__.py": "from audioclust.methods.quantiles.quantiles import Quantiles as Quantiles",
    "methods/quantiles/quantiles.py": '''
"""Equal parts by the sum of an embedding."""
from dataclasses import KW_ONLY, dataclass
import numpy as np
from audioclust.training.loop import epochs
@dataclass
class Quantiles:
    k: int
    _: KW_ONLY
    device: str = "cpu"
    random_state: int = 0
    input = "embedding"
    def fit(self, x, y=None, *, frames=None, encoder=None, embedding=None, run=None):
        for epoch in epochs(2, {}, run):
            epoch.add(loss=1.0 / (1 + epoch.number))
        self.labels_ = (np.argsort(np.argsort(x.sum(axis=1))) * self.k // len(x)).astype(np.int32)
        return self
    def save(self, folder):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
''',
}
PARAMS = {
    "data": {"dataset": "tones", "root": "data/raw", "clip_seconds": 1.0},
    "tones": {"count": 6},
    "encoders": ["band_mean"],
    "band_mean": {"power": 2.0},
    "pretexts": [],
    "methods": {"quantiles": "band_mean"},
    "quantiles": {"k": "auto"},
    "reducers": ["first"],
    "first": {"dim": 40},
    "clusterers": ["median_split"],
    "median_split": {"strict": True},
    "seeds": [0, 1],
}
STAGES = [
    "check", "recordings", "prepare", "label", "logmel",
    "embed band_mean", "grid band_mean", "deep quantiles band_mean",
]  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the library and the stages with one new file of each kind."""
    path = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "src/audioclust", path / "src/audioclust", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "stages", path / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "docs", path / "docs")
    shutil.copy(ROOT / "requirements.txt", path)
    (path / "data/raw").mkdir(parents=True)
    for name, text in NEW.items():
        (path / "src/audioclust" / name).parent.mkdir(exist_ok=True)
        (path / "src/audioclust" / name).write_text(text)
    params = yaml.safe_load((ROOT / "params.yaml").read_text()) | PARAMS
    (path / "params.yaml").write_text(yaml.safe_dump(params))
    return path


# Each stage in one process of its own is what DVC runs; imports would take most of this test.
ALL = """
import importlib, sys
sys.path.insert(0, "stages")
for line in sys.argv[1:]:
    sys.argv = line.split()
    importlib.import_module(sys.argv[0]).main()
"""


def run(project: Path, *stages: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ALL, *stages], cwd=project, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(project)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_one_file_and_one_section_of_each_kind_run_through(project):
    table = run(project, *STAGES, "evaluate")
    assert "band_mean" in table and "median_split" in table and "quantiles" in table
    assert (project / "metrics/table.csv").is_file()
    assert np.load(project / "data/embeddings/band_mean/embedding.npy").shape == (12, 64)


def test_dvc_yaml_names_no_item():
    """Items come from the lists of params.yaml, so adding one leaves dvc.yaml as it is."""
    text = (ROOT / "dvc.yaml").read_text()
    named = [name for room in ("datasets", *ITEMS.values()) for name in registry.names(room) if name != "none"]
    assert [name for name in named if re.search(rf"(?<![\w/]){name}\b", text)] == []
