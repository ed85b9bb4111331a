"""The project in a repository of its own, reproduced once for all files that ask for it; a folder to run stages in."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest
import yaml
from matplotlib.figure import Figure
from project_fixture import ROOT, Project, reproduced


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """The project in a repository of its own, reproduced, with nothing left to commit."""
    # The suite's processes have their folders side by side: the first one that comes here works for all.
    folder = tmp_path_factory.getbasetemp()
    shared = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "shared"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "done").exists():
            reproduced(shared / "project")
            (shared / "done").touch()
    path = tmp_path_factory.mktemp("clone") / "project"
    shutil.copytree(shared / "project", path, symlinks=True)
    return Project(path)


@pytest.fixture(autouse=True)
def clean(request):
    """Every test leaves the project as it is committed."""
    yield
    project = request.getfixturevalue("project") if "project" in request.fixturenames else None
    if isinstance(project, Project):
        project.back()


@pytest.fixture
def work(tmp_path, monkeypatch):
    """An empty working folder with a params.yaml for a folder of recordings; returns a function that changes it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (tmp_path / "docs").mkdir()
    content = yaml.safe_load((ROOT / "params.yaml").read_text()) | {
        "data": {"dataset": "folder", "root": "in", "clip_seconds": 0.5},
        "encoders": ["logmel_stats"],
        "pretexts": [],
        "methods": {},
        "reducers": ["none"],
        "clusterers": ["kmeans"],
        "seeds": [0],
    }

    def change(**sections) -> Path:
        content.update(sections)
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
        return tmp_path

    change()
    return change


@pytest.fixture
def unpainted(monkeypatch):
    """Pictures are laid out and their files stay empty: painting takes most of the time of tests of something else."""
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: Path(path).touch())
