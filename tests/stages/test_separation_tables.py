"""``python stages/separation_tables.py``: one set of tables over files, experiments, commits and the workspace."""

from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from script_fixture import git, printing

import separation_tables
from audioclust.report.separation import KEY, SCORES

BASELINE = {"model": "", "sources": "", "pairs": "", "k": "", "activation": "", "method": "mixture"}


def scores(model: str, k: int, gain: float) -> str:
    """Return a ``metrics/separation.csv``: a model's global k-means on the closed set, and the mixture."""
    own = {"model": model, "sources": 2, "pairs": "all", "k": k, "activation": "tanh", "method": "global"}
    same = {"corpus": "mixtures", "set": "closed", "count": 2, "part": "all", "mixtures": 10, "seeds": 1}
    same["counted"] = 0.5
    rows = [BASELINE | dict.fromkeys(SCORES, 0.25), own | dict.fromkeys(SCORES, gain)]
    table = pd.DataFrame([same | row | {"sdr_improvement_std": 0.0} for row in rows])
    return table[[*KEY, "mixtures", "seeds", "counted", *SCORES, "sdr_improvement_std"]].to_csv(index=False)


@pytest.fixture
def tables(tmp_path, monkeypatch, capsys):
    """A repository with a commit; returns what prints the tables of the arguments."""
    monkeypatch.chdir(tmp_path)
    Path("metrics").mkdir()
    git("init", "-q")
    return partial(printing(monkeypatch, capsys), separation_tables)


def committed(text: str) -> str:
    """Return the commit of a run with these scores."""
    separation_tables.TABLE.write_text(text)
    git("add", "-A")
    git("commit", "-qm", "run")
    return git("rev-parse", "HEAD")


def test_several_runs_stand_in_one_table(tables):
    Path("kept.csv").write_text(scores("speech", 40, 4.5))
    separation_tables.TABLE.write_text(scores("k5", 5, 1.25))
    found = tables("kept.csv")
    assert "| 5 | tanh | k5 | [-0.77] | [-0.74] | 1.25 [-0.96] | [-1.07] |" in found
    assert "| 40 | tanh | speech | [6.54] | [6.45] | 4.50 [5.87] | [5.81] |" in found
    assert found.count("closed 0.25 dB") == 1, "the baseline of both runs"
    assert found != tables(), "the workspace alone"
    assert found == tables("kept.csv", str(separation_tables.TABLE)), "a run that is named and in the workspace"


def test_experiments_and_commits_are_read_from_git(tables):
    commit = committed(scores("speech", 40, 4.5))
    git("update-ref", f"refs/exps/{commit[:2]}/{commit[2:]}/sandy-bole", committed(scores("k5", 5, 1.25)))
    separation_tables.TABLE.unlink()
    found = tables("sandy-bole", commit[:10])
    assert "1.25 [-0.96]" in found and "4.50 [5.87]" in found
    separation_tables.TABLE.write_text(scores("speech", 40, 4.5))
    assert found == tables("sandy-bole")


def test_what_is_not_there_is_said(tables):
    with pytest.raises(FileNotFoundError, match=r"metrics/separation.csv: no such file; `dvc repro separate`"):
        tables()
    committed(scores("speech", 40, 4.5))
    with pytest.raises(FileNotFoundError, match=r"bole: neither a file nor .* with metrics/separation.csv"):
        tables("bole")
