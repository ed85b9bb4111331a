"""dvc.yaml names what its stages import, and DVC does on a tiny configuration what the README shows."""

import ast
import filecmp
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
STAGES = {
    name: stage.get("do", stage) for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items()
}
# What only reads parameters, finds files and keeps the books carries no result; an edit there reruns nothing.
BOOKKEEPING = {"registry", "costs", "labels", "threads"}
ITEMS = {
    "prepare": "datasets",
    "embed": "encoders",
    "pretext": "pretext",
    "reduce": "reducers",
    "reduce_pretext": "reducers",
    "baseline": "clusterers",
    "baseline_pretext": "clusterers",
    "deep": "methods",
}


def imported(path: Path) -> set[Path]:
    """Return the files of the library that ``path`` imports, directly or through others."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("audioclust"):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("audioclust")]
        else:
            continue
        for name in names:
            file = ROOT / "src" / (name.replace(".", "/") + ".py")
            if file.is_file() and file.stem not in BOOKKEEPING:
                found.add(file)
    return found.union(*(imported(file) for file in found))


@pytest.mark.parametrize("stage", STAGES)
def test_the_deps_of_a_stage_cover_its_imports(stage):
    script = STAGES[stage]["cmd"].split()[1]
    deps = {dep for dep in STAGES[stage]["deps"] if isinstance(dep, str)}
    assert script in deps
    files = [ROOT / script]
    if stage in ITEMS:
        folder = ROOT / "src/audioclust" / ITEMS[stage]
        assert any(dep.startswith(f"src/audioclust/{ITEMS[stage]}/${{") for dep in deps)
        files += [path for path in folder.glob("*.py") if not path.name.startswith("_")]
    needed = {str(path.relative_to(ROOT)) for file in files for path in imported(file)}
    # A file of the kind itself is the item's own, or another item's, which only check_all reads.
    assert {file for file in needed - deps if not file.startswith(tuple(deps))} == set()


def test_every_stage_has_a_description():
    assert all(stage.get("desc") for stage in STAGES.values())


TINY = {
    "augment": {"width": 32},
    "pretexts": ["simclr"],
    "simclr": {"channels": 4, "d": 32, "epochs": 2, "batch": 16},
    "methods": {"spice": "simclr", "temi": "simclr"},
    "spice": {"k": "auto", "stage": "self", "heads": 2, "epochs": 2, "views": 1},
    "temi": {"k": "auto", "heads": 2, "epochs": 2, "batch": 16, "warmup_epochs": 1, "neighbours": 3},
    "scenes": {"clips_per_class": 5, "seconds": 1.0},
    "seeds": [0, 1],
    "reducers": ["pca", "tsne"],
    "clusterers": ["kmeans", "agglomerative"],
    "reduce": {"neighbours": 10},
    "tsne": {"perplexity": 5, "jobs": 1},
}


class Project:
    """A temporary clone of the project with a tiny configuration."""

    def __init__(self, path: Path):
        self.path = path
        bin_folder = str(Path(sys.executable).parent)
        self.env = os.environ | {
            "PATH": bin_folder + os.pathsep + os.environ["PATH"],
            "PYTHONPATH": str(path / "src"),
            "DVC_NO_ANALYTICS": "1",
            "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t",
        }  # fmt: skip
        self.env.pop("DVC_ROOT", None)

    def __call__(self, *command: str, fails: bool = False) -> str:
        done = subprocess.run(command, cwd=self.path, env=self.env, capture_output=True, text=True, timeout=500)
        assert (done.returncode != 0) == fails, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def commit(self, message: str) -> None:
        self("git", "add", "-A")
        self("git", "commit", "-qm", message)

    def params(self, **sections) -> None:
        path = self.path / "params.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | sections, sort_keys=False))

    def stale(self) -> set[str]:
        """Return the stages that ``dvc status`` would run again."""
        return set(json.loads(self("dvc", "status", "--json")))


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """The project's files committed in a fresh repository, reproduced once."""
    path = tmp_path_factory.mktemp("clone") / "project"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, path / name)
    (path / "dvc.lock").unlink(missing_ok=True)
    clone = Project(path)
    clone.params(**TINY)
    content = yaml.safe_load((path / "params.yaml").read_text())
    content["data"]["clip_seconds"] = 1.0
    clone.params(data=content["data"])
    clone("git", "init", "-q", "-b", "main")
    clone.commit("start")
    clone("dvc", "repro", "-q")
    clone.commit("reproduced")
    return clone


def test_repro_leaves_nothing_stale_and_git_clean(project):
    assert project.stale() == set()
    assert project("git", "status", "--porcelain") == ""
    assert "up to date" in project("dvc", "repro")


def test_every_tracked_output_has_the_same_bytes_twice(project, tmp_path):
    """Each stage runs again, run cache off, from the same inputs."""
    outputs = [p for p in sorted((project.path / "data").rglob("*")) if p.is_file() and "raw" not in p.parts]
    outputs += [p for folder in ("metrics", "plots") for p in sorted((project.path / folder).rglob("*")) if p.is_file()]
    for file in outputs:
        kept = tmp_path / file.relative_to(project.path)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, kept)
    project("dvc", "repro", "-q", "-f", "--no-run-cache")
    changed = [f for f in outputs if not filecmp.cmp(f, tmp_path / f.relative_to(project.path), shallow=False)]
    assert changed == []
    assert project("git", "status", "--porcelain") == ""


def test_a_clusterers_parameter_reruns_that_clusterer_alone(project):
    project.params(kmeans={"k": "auto", "n_init": 3})
    stale = project.stale()
    project("git", "checkout", "-q", "params.yaml")
    encoders = ("baseline@logmel_stats", "baseline@byol_a_random", "baseline_pretext@simclr")
    assert stale == {f"{encoder}-kmeans" for encoder in encoders}


def test_an_encoders_parameter_leaves_the_other_encoders_alone(project):
    project.params(byol_a_random={"d": 1024})
    stale = project.stale()
    project("git", "checkout", "-q", "params.yaml")
    assert stale == {"embed@byol_a_random"}


def test_a_methods_parameter_reruns_that_method_alone(project):
    project.params(spice=TINY["spice"] | {"k": 3})
    stale = project.stale()
    project("git", "checkout", "-q", "params.yaml")
    assert stale == {"deep@spice"}


def test_a_method_from_another_encoder_reruns_alone(project):
    project.params(methods={"spice": "simclr", "temi": "byol_a_random"})
    stale = project.stale()
    project("git", "checkout", "-q", "params.yaml")
    assert stale == {"deep@temi", "evaluate"}


def test_labels_are_no_dependency_of_training(project):
    for stage in ("pretext", "deep", "embed"):
        assert not any("clips.csv" in dep for dep in STAGES[stage]["deps"])


def test_a_mistake_in_params_stops_before_any_work(project):
    before = (project.path / "dvc.lock").read_bytes()
    project.params(kmeans={"k": "auto", "n_int": 3})
    said = project("dvc", "repro", fails=True)
    project("git", "checkout", "-q", "params.yaml")
    assert "params.yaml: kmeans.n_int: unknown key" in said and "did you mean 'n_init'" in said
    assert "Traceback" not in said
    assert (project.path / "dvc.lock").read_bytes() == before


def test_exp_run_show_and_queue(project):
    project("dvc", "exp", "run", "-q", "-n", "three", "-S", "kmeans.n_init=3", "-S", "evaluate.sample=40")
    project("git", "checkout", "-q", ".")
    project("dvc", "checkout", "-q")
    project("dvc", "exp", "run", "-q", "--queue", "-S", "kmeans.n_init=4,5")
    project("dvc", "queue", "start", "-j", "1")
    project("dvc", "queue", "logs", "--help")
    _wait_for_queue(project)
    shown = json.loads(project("dvc", "exp", "show", "--json"))
    runs = [exp for rev in shown for exp in (rev.get("experiments") or [])]
    values = {exp["revs"][0]["data"]["params"]["params.yaml"]["data"]["kmeans"]["n_init"] for exp in runs}
    assert {3, 4, 5} <= values


def _wait_for_queue(project: Project) -> None:
    """Wait for two tasks. DVC's worker may die of a message of `queue status` that is half written; it goes on anew."""
    import time

    for _ in range(60):
        status = project("dvc", "queue", "status")
        if "Failed" in status:
            raise AssertionError(status)
        if status.count("Success") >= 2:
            return
        if "Queued" in status and "0 active, 0 idle" in status:
            project("dvc", "queue", "start", "-j", "1")
        time.sleep(5)
    raise AssertionError("the queue did not finish:\n" + status)


def test_metrics_and_params_diff_between_branches(project):
    project("git", "checkout", "-q", "-b", "other")
    project.params(reduce={"neighbours": 10, "scale": "standardise"})
    project("dvc", "repro", "-q")
    project.commit("standardised")
    params = json.loads(project("dvc", "params", "diff", "--json", "main"))
    metrics = json.loads(project("dvc", "metrics", "diff", "--json", "--all", "main"))
    project("git", "checkout", "-q", "main")
    project("dvc", "checkout", "-q")
    assert params["params.yaml"]["reduce.scale"]["new"] == "standardise"
    assert any(change.get("diff") for change in metrics["metrics/summary.json"].values())


def test_push_pull_and_checkout_in_a_fresh_clone(project, tmp_path):
    project("dvc", "remote", "add", "-d", "-f", "store", str(tmp_path / "store"))
    project.commit("remote")
    project("dvc", "push", "-q")
    project("git", "clone", "-q", str(project.path), str(tmp_path / "fresh"))
    fresh = Project(tmp_path / "fresh")
    fresh("dvc", "pull", "-q")
    assert fresh.stale() == set()
    shutil.rmtree(fresh.path / "data/embeddings")
    fresh("dvc", "checkout", "-q")
    assert fresh.stale() == set()
    assert "up to date" in fresh("dvc", "repro")


def test_dag_and_plots_without_a_network(project):
    dag = project("dvc", "dag", "--dot")
    assert "evaluate" in dag and "deep@spice" in dag
    project("dvc", "plots", "show", "-o", "shown")
    page = (project.path / "shown" / "index.html").read_text()
    shutil.rmtree(project.path / "shown")
    assert 'src="http' not in page and "vegaEmbed" in page
    assert all(f"plots/training/{name}.csv" in page for name in ("simclr", "spice", "temi"))
