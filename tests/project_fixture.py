"""A clone of the project with a tiny configuration, for the tests that run DVC."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import preloaded
import soundfile
import yaml

from audioclust import registry

ROOT = Path(__file__).resolve().parents[1]
DIGITS, SPEAKERS, TAKES = 3, 2, 6
ALWAYS = {"recordings"}  # runs each time, as DVC cannot see whether it has to
TINY = {
    "encoders": ["byol_a_random"],
    "augment": {"width": 32},
    "train": {"workers": 1},
    "pretexts": ["simclr"],
    "simclr": {"channels": 4, "d": 32, "epochs": 2, "batch": 16},
    "methods": {"spice": "simclr", "temi": "simclr"},
    "spice": {"k": 3, "stage": "self", "heads": 2, "epochs": 2, "views": 1},
    "temi": {"k": "auto", "heads": 2, "epochs": 2, "batch": 16, "warmup_epochs": 1, "neighbours": 3},
    "seeds": [0, 1],
    "reducers": ["pca", "tsne"],
    "clusterers": ["kmeans", "agglomerative"],
    "reduce": {"neighbours": 10},
    "tsne": {"perplexity": 5},
    "separators": {"speech": {"mixtures": "mixtures", "sources": 2}},
    "separator": {"k": 4, "hidden": 8, "epochs": 2, "steps": 2, "batch": 2, "frames": [20], "counted": 4},
    "mixtures": {"two": 2, "three": 0, "seconds": 1.0},
    "voices": {"men": 3, "women": 3, "utterances": 2, "seconds": 1.0},
    "separate": {"bases": 4, "iterations": 5, "restarts": 1, "workers": 1},
}
WHOLE = ("methods", "separators")  # sections that replace the project's, where others change some of its values
ROOMS = ("datasets", "encoders", "pretext", "methods", "reducers", "clusterers", "separation.corpora")
NAMED = {  # items that the tiny configuration names, those it takes over from the project's, and those of a test
    "fsdd", "byol_a_random", "simclr", "spice", "temi", "pca", "tsne", "kmeans", "agglomerative",
    "instruments", "librispeech", "speakers", "voices",
    "deepcluster", "folder", "spectral",
}  # fmt: skip


def record(folder: Path) -> None:
    """Write recordings named as FSDD names them: a digit is a pitch, a speaker the loudness of its overtone."""
    folder.mkdir(parents=True)
    t = np.arange(8000) / 8000
    for digit in range(DIGITS):
        for speaker in range(SPEAKERS):
            for take in range(TAKES):
                rng = np.random.default_rng([digit, speaker, take])
                pitch = 300 * 2**digit * rng.uniform(0.97, 1.03)
                x = np.sin(2 * np.pi * pitch * t) + speaker * np.sin(6 * np.pi * pitch * t)
                path = folder / f"{digit}_{'ab'[speaker]}_{take}.wav"
                soundfile.write(path, 0.2 * x + rng.normal(0, 0.01, len(t)), 8000)


def tiny(root: Path) -> dict:
    """Return the project's parameters with the tiny configuration, for what ``record`` wrote below ``root``.

    Sections of items that nothing names are left out: DVC reads the whole file again for every stage.
    """
    idle = {name for room in ROOMS for name in registry.names(room)} - NAMED
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content = {name: section for name, section in content.items() if name not in idle}
    data = {"dataset": "fsdd", "root": str(root), "label": "digit", "clip_seconds": 1.0}
    return content | {
        name: content[name] | section if isinstance(section, dict) and name not in WHOLE else section
        for name, section in (TINY | {"data": data}).items()
    }


class Project:
    """A temporary clone of the project with a tiny configuration."""

    def __init__(self, path: Path):
        self.path = path
        folders = str(preloaded.bin_folder()), str(Path(sys.executable).parent), os.environ["PATH"]
        self.env = os.environ | {
            "PATH": os.pathsep.join(folders),
            "DVC_NO_ANALYTICS": "1",
            "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t",
        }  # fmt: skip
        for name in ("DVC_ROOT", "PYTHONPATH"):
            self.env.pop(name, None)

    def __call__(self, *command: str, fails: bool = False, **env: str) -> str:
        done = subprocess.run(command, cwd=self.path, env=self.env | env, capture_output=True, text=True, timeout=900)
        assert (done.returncode != 0) == fails, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def commit(self, message: str) -> None:
        self("git", "add", "-A")
        self("git", "commit", "-qm", message)

    def params(self, **sections) -> None:
        path = self.path / "params.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | sections, sort_keys=False))

    def section(self, name: str, **changes) -> dict:
        """Return a section of params.yaml with some values changed, for ``params``."""
        return {name: yaml.safe_load((self.path / "params.yaml").read_text())[name] | changes}

    def edit(self, name: str, line: str = "EDITED = 1") -> None:
        path = self.path / name
        path.write_text(path.read_text() + f"\n{line}\n")

    @property
    def recordings(self) -> Path:
        """The folder of the recordings, which the clones share."""
        return Path(yaml.safe_load((self.path / "params.yaml").read_text())["data"]["root"]) / "recordings"

    def bring(self, root: str) -> None:
        """Read the recordings from a folder of the clone's own, relative to it."""
        shutil.copytree(self.recordings, self.path / root / "recordings")
        self.params(**self.section("data", root=root))

    def back(self) -> None:
        """Bring back what is committed."""
        self("git", "checkout", "-q", ".")
        self("git", "clean", "-qfd", "src")
        shutil.rmtree(self.path / "data/raw/recordings", ignore_errors=True)
        self("dvc", "checkout", "-q", "--force")  # whatever was written by stages that ran without DVC

    def stale(self, *first: str) -> set[str]:
        """Return the stages that DVC would run again, once ``first`` have run.

        Their scripts run without DVC, which would take longer than they do; all others wait for what they write alone.
        """
        for stage in first:
            self("python", f"stages/{stage}.py")
        return set(json.loads(self("dvc", "status", "--json"))) - ALWAYS - set(first)

    def ran(self, *repro: str) -> set[str]:
        """Return the stages that ``dvc repro`` runs."""
        said = self("dvc", "repro", *repro)
        return {line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage")} - ALWAYS


def reproduced(path: Path) -> None:
    """Make a repository of the project's files at ``path``, with recordings beside it, and reproduce it."""
    record(path.parent / "fsdd/recordings")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, path / name)
    (path / "dvc.lock").unlink(missing_ok=True)
    shutil.rmtree(path / "plots")
    clone = Project(path)
    clone.params(**tiny(path.parent / "fsdd"))
    clone("git", "init", "-q", "-b", "main")
    clone.commit("start")
    clone("dvc", "repro", "-q")
    clone.commit("reproduced")
