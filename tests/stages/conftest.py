"""The project in a repository of its own, reproduced once for all files that ask for it."""

import fcntl
import os
import shutil

import pytest
from project_fixture import Project, reproduced


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
