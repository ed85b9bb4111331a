"""DVC on a tiny configuration: what runs again and what does not, and what the README shows."""

import filecmp
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

import fingerprints

ROOT = Path(__file__).resolve().parents[2]
DIGITS, SPEAKERS, TAKES = 3, 2, 6
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
    "tsne": {"perplexity": 5, "jobs": 1},
}
# Writes "stage<tab>file" for each file of the project that a stage or its workers open; on PYTHONPATH as
# sitecustomize.py, AUDIT being the file to write to.
AUDIT = """
import os, sys
if sys.orig_argv[1:2] and sys.orig_argv[1].startswith("stages/"):
    os.environ["AUDIT_STAGE"] = " ".join(sys.orig_argv[1:])
if "AUDIT_STAGE" in os.environ:
    log = os.open(os.environ["AUDIT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    def hook(event, arguments):
        if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
            path = os.path.abspath(arguments[0])
            os.write(log, f"{os.environ['AUDIT_STAGE']}\\t{path}\\n".encode())
    sys.addaudithook(hook)
"""


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


class Project:
    """A temporary clone of the project with a tiny configuration."""

    def __init__(self, path: Path):
        self.path = path
        bin_folder = str(Path(sys.executable).parent)
        self.env = os.environ | {
            "PATH": bin_folder + os.pathsep + os.environ["PATH"],
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

    def edit(self, name: str, line: str = "EDITED = 1") -> None:
        path = self.path / name
        path.write_text(path.read_text() + f"\n{line}\n")

    def back(self) -> None:
        """Bring back what is committed."""
        self("git", "checkout", "-q", ".")
        self("git", "clean", "-qfd", "src")
        self("dvc", "checkout", "-q")

    def stale(self, *first: str) -> set[str]:
        """Return the stages that ``dvc status`` would run again, once ``first`` have been reproduced."""
        if first:
            self("dvc", "repro", "-q", "-s", *first)
        return set(json.loads(self("dvc", "status", "--json")))

    def ran(self, *repro: str) -> set[str]:
        """Return the stages that ``dvc repro`` runs."""
        said = self("dvc", "repro", *repro)
        return {line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage")}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """The project's files committed in a fresh repository, reproduced once."""
    folder = tmp_path_factory.mktemp("clone")
    path = folder / "project"
    record(folder / "fsdd/recordings")
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
    content = yaml.safe_load((path / "params.yaml").read_text())
    tiny = {name: content[name] | section if isinstance(content[name], dict) and name != "methods" else section
            for name, section in TINY.items()}  # fmt: skip
    data = content["data"] | {"dataset": "fsdd", "root": str(folder / "fsdd"), "label": "digit"}
    clone.params(**tiny, data=data | {"clip_seconds": 1.0})
    clone("git", "init", "-q", "-b", "main")
    clone.commit("start")
    clone("dvc", "repro", "-q")
    clone.commit("reproduced")
    return clone


@pytest.fixture(autouse=True)
def clean(request):
    """Every test leaves the project as it is committed."""
    yield
    if "project" in request.fixturenames:
        request.getfixturevalue("project").back()


def section(project: Project, name: str, **changes) -> dict:
    return {name: yaml.safe_load((project.path / "params.yaml").read_text())[name] | changes}


def test_repro_leaves_nothing_stale_and_git_clean(project):
    assert project.stale() == set()
    assert project("git", "status", "--porcelain") == ""
    assert "up to date" in project("dvc", "repro")


def test_every_output_has_the_same_bytes_twice_and_every_file_that_is_opened_is_a_dependency(project, tmp_path):
    """Each stage runs again, run cache and kept pieces off, from the same inputs."""
    outputs = [p for p in sorted((project.path / "data").rglob("*")) if p.is_file() and "raw" not in p.parts]
    outputs += [p for folder in ("metrics", "plots") for p in sorted((project.path / folder).rglob("*")) if p.is_file()]
    for file in outputs:
        kept = tmp_path / file.relative_to(project.path)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, kept)
    shutil.rmtree(project.path / ".scratch")
    (tmp_path / "sitecustomize.py").write_text(AUDIT)
    project("dvc", "repro", "-q", "-f", "--no-run-cache", PYTHONPATH=str(tmp_path), AUDIT=str(tmp_path / "opened"))
    changed = [f for f in outputs if not filecmp.cmp(f, tmp_path / f.relative_to(project.path), shallow=False)]
    assert changed == []
    assert project("git", "status", "--porcelain") == ""
    assert undeclared(project, (tmp_path / "opened").read_text()) == {}


def undeclared(project: Project, opened: str) -> dict[str, set[str]]:
    """Return by command the files of the project that it opened and that its stage declares nowhere."""
    stages = yaml.safe_load((project.path / "dvc.lock").read_text())["stages"].values()
    declared = {
        stage["cmd"].removeprefix("python "): [
            each["path"] for kind in ("deps", "outs") for each in stage.get(kind, [])
        ]
        for stage in stages
    }
    found: dict[str, set[str]] = {}
    for command, _, path in (line.partition("\t") for line in dict.fromkeys(opened.splitlines())):
        # Folders' entries are opened by bare names where a folder is removed; .nbi is numba's cache of compiled code.
        if not Path(path).is_relative_to(project.path) or not Path(path).is_file() or path.endswith((".nbi", ".nbc")):
            continue
        name = str(Path(path).relative_to(project.path))
        if not name.startswith((".scratch", "params.yaml")) and not covered(project, name, declared[command]):
            found.setdefault(command, set()).add(name)
    return found


def covered(project: Project, name: str, declared: list[str]) -> bool:
    if any(name == path or name.startswith(f"{path}/") for path in declared):
        return True
    # A part file beside the output that it becomes.
    if ".part" in name and any(str(Path(name).parent) == str(Path(path).parent) for path in declared):
        return True
    path = project.path / name
    if path.suffix == ".pyc":
        path = path.parents[1] / f"{path.name.partition('.')[0]}.py"
    code = next((project.path / path for path in declared if path.startswith("data/check/code/")), None)
    if path.suffix != ".py" or code is None:
        return False
    name, bookkeeping = path.relative_to(project.path), {p.relative_to(ROOT) for p in fingerprints.BOOKKEEPING}
    return str(name) in code.read_text() or name in bookkeeping or not fingerprints.essence(path.read_text())


# What an edit of the code makes stale; tests/stages/test_fingerprints.py has more edits


def test_an_edit_makes_stale_what_imports_it(project):
    project.edit("src/audioclust/methods/spice/spice.py")
    assert project.stale() == {"check"}
    assert project.stale("check") == {"deep@spice"}
    project.edit("src/audioclust/pretext/simclr.py")
    assert project.stale("check") == {"pretext@simclr", "deep@spice", "deep@temi"}


def test_remarks_bookkeeping_and_new_files_make_nothing_stale(project):
    project.edit("src/audioclust/training/loop.py", "# a remark")
    project.edit("src/audioclust/registry.py")
    project.edit("stages/params.py")
    for room in ("methods", "pretext", "encoders", "reducers", "clusterers", "datasets", "networks", "training"):
        (project.path / f"src/audioclust/{room}/brand_new.py").write_text("class BrandNew:\n    x = 1\n")
    assert project.stale("check") == set()


def test_a_clusterer_is_added_by_its_name_and_its_cells_alone_are_computed(project):
    project.params(clusterers=["kmeans", "agglomerative", "spectral"])
    before = {path.name for path in pieces(project)}
    assert project.ran() == {"check", "label", "grid@byol_a_random", "grid_pretext@simclr", "evaluate"}
    computed = [path for path in pieces(project) if path.name not in before]
    # Spectral clustering is stochastic: two reducers, two seeds, two encoders.
    assert len(computed) == 8


def test_an_edited_clusterer_computes_its_cells_alone(project):
    before = {path.name for path in pieces(project)}
    project.edit("src/audioclust/clusterers/agglomerative.py")
    assert project.ran() == {"check", "grid@byol_a_random", "grid_pretext@simclr"}
    # It is deterministic: of the frozen encoder one cell in PCA and two in maps, of the trained one two and two.
    assert len({path.name for path in pieces(project)} - before) == 3 + 4


def pieces(project: Project) -> list[Path]:
    return list((project.path / ".scratch/pieces").glob("*/*"))


def test_a_pin_makes_stale_what_uses_the_library(project):
    path = project.path / "requirements.txt"
    path.write_text(path.read_text().replace("safetensors==", "safetensors==9").replace("tqdm==", "tqdm==9"))
    assert project.stale("check") == {"pretext@simclr", "deep@spice", "deep@temi"}


# What a parameter makes stale


def test_a_parameter_reruns_what_it_is_of(project):
    project.params(**section(project, "byol_a_random", d=1024))
    assert project.stale() == {"check", "embed@byol_a_random"}
    project.params(**section(project, "byol_a_random", d=512), **section(project, "temi", heads=3))
    assert project.stale() == {"check", "deep@temi"}
    project.params(**section(project, "temi", heads=2), methods={"spice": "simclr", "temi": "byol_a_random"})
    assert project.stale("check") == {"deep@temi", "evaluate"}


def test_a_method_may_start_from_nothing(project):
    project.params(methods={"spice": "simclr", "deepcluster": None}, **section(project, "deepcluster", start="scratch"))
    stages = project("dvc", "stage", "list", "--name-only").split()
    assert "deep@deepcluster" in stages and "deep@temi" not in stages
    assert project.stale("check") == {"label", "deep@deepcluster", "evaluate"}


def test_other_labels_decode_embed_and_train_nothing_again(project):
    project.params(**section(project, "data", label="speaker"))
    assert project.stale("check", "label") == {
        "deep@temi",  # its k is auto: two speakers, three digits
        "grid@byol_a_random", "grid_pretext@simclr",  # k-means' k is auto too
        "evaluate",
    }  # fmt: skip


def test_the_third_of_two_values_comes_from_the_run_cache(project):
    """3 is what the project was reproduced with."""
    project.params(**section(project, "spice", k=2))
    assert project.ran() == {"check", "label", "deep@spice", "evaluate"}
    project.params(**section(project, "spice", k=3))
    said = project("dvc", "repro")
    cached = {line.split("'")[1] for line in said.splitlines() if "is cached" in line}
    assert cached == {"check", "label", "deep@spice", "evaluate"} and "Running stage" not in said


def test_a_mistake_in_params_stops_before_any_work(project):
    before = (project.path / "dvc.lock").read_bytes()
    project.params(kmeans={"k": "auto", "n_int": 3})
    said = project("dvc", "repro", fails=True)
    assert "params.yaml: kmeans.n_int: unknown key" in said and "did you mean 'n_init'" in said
    assert "Traceback" not in said
    assert (project.path / "dvc.lock").read_bytes() == before


def test_a_k_that_does_not_fit_the_clips_stops_before_any_training(project):
    project.params(**section(project, "temi", k=99), **section(project, "simclr", epochs=3))
    said = project("dvc", "repro", fails=True)
    assert f"temi.k = 99: more clusters than the {DIGITS * SPEAKERS * TAKES} clips" in said
    assert "pretext@simclr" not in said


# Experiments


def test_exp_run_show_and_queue_run_the_code_that_they_record(project):
    project("dvc", "exp", "run", "-q", "-n", "forty", "-S", "evaluate.sample=40")
    project.back()
    project("dvc", "exp", "run", "-q", "--queue", "-S", "evaluate.sample=50")
    project.edit("src/audioclust/runs/evaluate.py", "raise RuntimeError('edited after queueing')")
    project("dvc", "queue", "start", "-j", "1")
    _wait_for_queue(project)
    project.back()
    shown = json.loads(project("dvc", "exp", "show", "--json"))
    runs = [exp for rev in shown for exp in (rev.get("experiments") or [])]
    values = {exp["revs"][0]["data"]["params"]["params.yaml"]["data"]["evaluate"]["sample"] for exp in runs}
    assert {40, 50} <= values


def _wait_for_queue(project: Project) -> None:
    """Wait for the task. DVC's worker may die of a message of `queue status` that is half written; it goes on anew."""
    for _ in range(150):
        status = project("dvc", "queue", "status")
        if "Failed" in status:
            raise AssertionError(status)
        if "Success" in status:
            return
        if "Queued" in status and "0 active, 0 idle" in status:
            project("dvc", "queue", "start", "-j", "1")
        time.sleep(2)
    raise AssertionError("the queue did not finish:\n" + status)


def test_metrics_and_params_diff_between_branches(project):
    project("git", "checkout", "-q", "-b", "other")
    project.params(**section(project, "spice", k=2))
    project("dvc", "repro", "-q")
    project.commit("two clusters")
    params = json.loads(project("dvc", "params", "diff", "--json", "main"))
    metrics = json.loads(project("dvc", "metrics", "diff", "--json", "--all", "main"))
    project("git", "checkout", "-q", "main")
    project("dvc", "checkout", "-q")
    assert params["params.yaml"]["spice.k"]["new"] == 2
    assert metrics["metrics/summary.json"]["spice.acc"]["diff"] != 0


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
    page = shown(project)
    assert 'src="http' not in page and "vegaEmbed" in page
    assert all(f"Training of {name}" in page for name in ("simclr", "spice", "temi"))
    assert "NMI of every cell" in page and "views.png" in page


def test_curves_of_what_does_not_run_are_not_drawn(project):
    project.params(methods={"spice": "simclr"})
    page = shown(project)
    assert (project.path / "plots/training/temi.csv").is_file()
    assert "Training of spice" in page and "Training of temi" not in page


def shown(project: Project) -> str:
    """Return the page of ``dvc plots show``."""
    said = project("dvc", "plots", "show", "-o", "dvc_plots")
    assert "failed" not in said
    return (project.path / "dvc_plots" / "index.html").read_text()


def test_models_are_artifacts(project, tmp_path):
    project("git", "tag", "-a", "models@v1.0.0", "-m", "models")
    project("dvc", "artifacts", "get", str(project.path), "models", "-o", str(tmp_path / "models"))
    assert (tmp_path / "models/spice/seed-0/config.json").is_file()
