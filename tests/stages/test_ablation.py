"""``python stages/ablation.py``: the experiments of a commit in one table; ``make table``: the sources' figures."""

from pathlib import Path

import pytest
import yaml
from script_fixture import git, printing
from table_fixture import scored

import ablation
import table

ROOT = Path(__file__).resolve().parents[2]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())


@pytest.fixture
def printed(tmp_path, monkeypatch, capsys):
    """A repository with a commit; returns what a script prints with arguments."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/reference_deep.csv").write_text((ROOT / "docs/reference_deep.csv").read_text())
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "start")
    return printing(monkeypatch, capsys)


def experiment(name: str, method: str, nmi: float, **section) -> None:
    """Leave an experiment of HEAD, as DVC keeps it."""
    head = git("rev-parse", "HEAD")
    content = PARAMS | {"methods": {method: None}, method: PARAMS[method] | section}
    Path("params.yaml").write_text(yaml.safe_dump(content))
    Path("metrics").mkdir(exist_ok=True)
    scored(method, "kmeans", encoder="scratch", nmi=nmi, acc=nmi, ari=nmi).to_csv("metrics/table.csv", index=False)
    git("add", "-A")
    git("commit", "-qm", name)
    git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", "HEAD")
    git("reset", "-q", "--hard", head)


def test_the_experiments_of_this_commit_stand_beside_the_source(printed):
    experiment("brave-dog", "cc", 0.5)
    experiment("quick-fox", "cc", 0.3, heads="instance")
    experiment("other-one", "idfd", 0.2)
    found = printed(ablation, "cc")
    assert "| cc | heads=both transformed=2 | brave-dog | cc from scratch | 0.550 ± 0.050" in found
    assert "| instance head only | heads=instance transformed=2 | quick-fox | cc from scratch | 0.350 ± 0.050" in found
    assert "other-one" not in found and found.count("not run") == 3
    assert printed(ablation, "cc", "quick-fox").count("not run") == 4
    git("commit", "-qm", "next", "--allow-empty")
    with pytest.raises(FileNotFoundError, match="no experiment of this commit"):
        printed(ablation, "cc")
    with pytest.raises(FileNotFoundError, match=r"lost: no experiment or commit with params.yaml"):
        printed(ablation, "cc", "lost")


def test_the_table_ends_with_what_the_sources_print(printed):
    Path("metrics").mkdir()
    scored("scan", "kmeans", ami=0.5, nmi=0.5, acc=0.5, ari=0.5, largest=0.2, coverage=1.0, clusters=9, noise=0).to_csv(
        "metrics/table.csv", index=False
    )
    found = printed(table)
    assert found.index("| simclr | none | scan |") < found.index("no comparison of quality")
    assert "| scan | clustering step | CIFAR-10 0.712 ± 0.004" in found
