"""What README.md and docs/RESULTS.md say of the embedded data set is what the committed table says."""

import runpy
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCENES = runpy.run_path(str(ROOT / "tools/scenes.py"))


def committed(path: str) -> str:
    """Return a file as it is committed: a run on another processor moves last digits."""
    shown = subprocess.run(["git", "show", f"HEAD:{path}"], cwd=ROOT, capture_output=True, text=True)
    if shown.returncode:
        pytest.skip("not a checkout of Git")
    return shown.stdout


@pytest.mark.parametrize("page", SCENES["PAGES"])
def test_the_table_of_scenes_is_that_of_the_committed_scores(page, tmp_path):
    (tmp_path / "table.csv").write_text(committed("metrics/table.csv"))
    text = committed(page)
    assert SCENES["replaced"](text, SCENES["rows"](tmp_path / "table.csv")) == text
