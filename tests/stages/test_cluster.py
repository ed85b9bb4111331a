"""``make cluster``: what DVC is asked for, and how it ends; ``dvc`` is a stub that records its calls."""

import json
import sys
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides, get_hydra_sweeps
from ruamel.yaml import YAML

import cluster
from params import run

DVC = """#!{python}
import json, sys
from pathlib import Path
Path("calls").write_text(json.dumps(sys.argv[1:]))
print("dvc runs", flush=True)
sys.exit({status})
"""
NAMES = [
    "/a b", 'q"x', "it's", "(a), [b], {c}=d", "back\\slash", 'b\\"q', "end\\", "end\\\\", "$x", "é高", "tab\t",
    "%s & ; | < > * ? ! # ~", "2024", "null", "1e3", "a:b", " lead, trail ", "@a", "+a=b", "~x", "x\\\n", "new\nline",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_dvc_takes_every_name_as_it_is(tmp_path, name):
    path = tmp_path / "params.yaml"
    path.write_text("folder:\n  path:\n  labels: auto\n")
    (sweep,) = get_hydra_sweeps({"params.yaml": [f"folder.path={cluster.quoted(name)}"]})
    apply_overrides(path, sweep["params.yaml"])
    assert YAML(typ="safe").load(path.read_text())["folder"] == {"path": name, "labels": "auto"}


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Return what runs the script in a folder with a params.yaml and a ``dvc`` that ends with a status."""
    monkeypatch.chdir(tmp_path)
    content = {"methods": {"spice": "simclr", "temi": "simclr"}, "pairs": {},
               "clusterers": ["kmeans", "dbscan", "turtle"], "data": {"dataset": "scenes"}}  # fmt: skip
    sections = ("spice", "temi", "kmeans", "dbscan", "turtle", "scenes", "voices")
    corpora = {name: {"corpus": "voices"} for name in ("mixtures", "music")}
    Path("params.yaml").write_text(json.dumps(content | {name: {} for name in sections} | corpora))
    Path("clusters.yaml").write_text("cell: best\n")
    Path("data/clusters").mkdir(parents=True)
    Path("data/clusters/report.txt").write_text("Found.\n")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def main(*arguments: str, status: int = 0) -> list[str]:
        Path("dvc").write_text(DVC.format(python=sys.executable, status=status))
        Path("dvc").chmod(0o755)
        monkeypatch.setattr(sys, "argv", ["cluster.py", *arguments])
        run(cluster.main)
        return json.loads(Path("calls").read_text())

    return main


def test_it_runs_an_experiment_without_training_and_ends_with_the_paragraph(call, tmp_path, capfd):
    made = call("-k", "8", "--kind", "words", "--", str(tmp_path))
    assert made == [
        "exp", "run", "-S", f'folder.path="{tmp_path}"', "-S", "k=8", "-S", "kind=words", "-S", "pretexts=[]",
        "-S", "clusterers=[kmeans,turtle]", "-S", "~methods.spice", "-S", "~methods.temi", "report",
    ]  # fmt: skip
    said = capfd.readouterr().out.splitlines()
    assert said[0].startswith("$ dvc exp run -S ") and said[1] == "dvc runs" and said[3] == "Found."
    assert said[-1].endswith("git checkout params.yaml dvc.lock metrics plots && dvc checkout")


def test_edits_are_told_of_and_mistakes_in_them_stop_it(call, capfd):
    Path("clusters.yaml").write_text("drop: [1]\n")
    call("in")
    assert capfd.readouterr().out.startswith("clusters.yaml is applied at the end; for other recordings keep a copy")
    Path("calls").unlink()
    Path("clusters.yaml").write_text("drop: 1\n")
    with pytest.raises(SystemExit, match=r"clusters\.yaml: drop = 1: must be a valid list"):
        call("in")
    assert not Path("calls").exists()


def test_what_is_not_given_is_left_to_the_recordings(call):
    assert call("in")[4:8] == ["-S", "k=auto", "-S", "kind=any"]


def test_a_run_that_fails_ends_without_a_paragraph(call, capfd):
    with pytest.raises(SystemExit) as ended:
        call("in", status=7)
    assert ended.value.code == 7 and "Found." not in capfd.readouterr().out


def test_a_name_that_dvc_would_change_is_refused(call):
    with pytest.raises(SystemExit, match=r"FOLDER = a\$\{b\}: DVC would replace"):
        call("a${b}")
    assert not Path("calls").exists()


def test_a_home_is_looked_up_where_the_shell_has_not(call, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert call("~/x")[3] == f'folder.path="{tmp_path}/x"'
    Path("~").mkdir()
    Path("~/x").touch()
    assert call("~/x")[3] == 'folder.path="~/x"'
