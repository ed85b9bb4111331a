"""DVC on a tiny configuration: what runs again and what does not."""

import filecmp
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import yaml
from project_fixture import DIGITS, ROOT, SPEAKERS, TAKES, Project

import fingerprints

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


def test_repro_leaves_nothing_stale_and_git_clean(project):
    assert project.stale() == set()
    assert project.ran() == set()
    assert project("git", "status", "--porcelain") == ""
    assert list(json.loads(project("dvc", "status", "--json")).values()) == [["always changed"]]


def test_every_output_has_the_same_bytes_twice_and_every_file_that_is_opened_is_a_dependency(project, tmp_path):
    """Each stage runs again, run cache and kept pieces off, from the same inputs."""
    outputs = [p for p in sorted((project.path / "data").rglob("*")) if p.is_file() and "raw" not in p.parts]
    folders = [project.path / name for name in ("metrics", "plots", "report")]
    outputs += [p for folder in folders for p in sorted(folder.rglob("*")) if p.is_file()]
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
        if not name.startswith((".scratch", "params.yaml", "dvc.lock", ".dvc/cache/")) and not covered(
            project, name, declared[command]
        ):
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


# What a change of the recordings makes stale


def test_recordings_that_are_moved_run_nothing_again(project):
    project.bring("data/raw")
    assert project.ran() == {"check"}


def test_whatever_lies_in_a_folder_the_run_goes_on_and_sees_what_changes(project, tmp_path):
    folder, linked = tmp_path / "folder", tmp_path / "linked"
    shutil.copytree(project.recordings, folder)
    linked.mkdir()
    (folder / "more").symlink_to(linked)
    (folder / "more/round").symlink_to(folder)
    (folder / "broken.wav").symlink_to(tmp_path / "absent")
    shutil.copy(next(folder.glob("*.wav")), os.fsencode(folder) + b"/caf\xe9.wav")
    project.params(
        **project.section("data", label="auto", max_rejected=0.1), **project.section("folder", path=str(folder))
    )
    assert project.ran("prepare") == {"check", "prepare"}
    rejected = pd.read_csv(project.path / "data/clips/rejected.csv")
    assert rejected["path"].tolist() == ["broken.wav", "caf\\xe9.wav"]
    assert project.ran("prepare") == set()
    shutil.copy(next(folder.glob("*.wav")), linked / "new.wav")
    assert project.ran("prepare") == {"prepare"}
    assert "more/new.wav" in set(pd.read_csv(project.path / "data/clips/clips.csv")["path"])


def test_clusters_yaml_reruns_the_report_alone(project):
    (project.path / "clusters.yaml").write_text("names: {0: low}\n")
    assert project.stale() == {"report"}
    assert project.ran() == {"report"}
    listed = pd.read_csv(project.path / "data/clusters/clips.csv", keep_default_na=False)
    assert set(listed.loc[listed["cluster"] == 0, "name"]) == {"low"}
    (project.path / "clusters.yaml").write_text("names: {9: low}\n")
    said = project("dvc", "repro", fails=True)
    assert "error: clusters.yaml: names: cluster 9 does not exist" in said and "Traceback" not in said


# What an edit of the code makes stale; tests/stages/test_fingerprints.py has more edits


def test_an_edit_makes_stale_what_imports_it(project):
    project.edit("src/audioclust/methods/spice/spice.py")
    assert project.stale() == {"check"}
    assert project.stale("check") == {"deep@spice", "report"}  # which asks methods what they take
    project.edit("src/audioclust/pretext/simclr.py")
    assert project.stale("check") == {"pretext@simclr", "deep@spice", "deep@temi", "report"}


def test_separation_reruns_by_itself(project):
    project.edit("src/audioclust/separation/network.py")
    assert project.stale("check") == {"separator@speech", "separate"}
    project.edit("src/audioclust/separation/corpora/voices.py")
    assert project.stale("check") == {"mixtures", "separator@speech", "separate"}


def test_a_parameter_of_separation_reruns_what_it_is_of(project):
    project.params(**project.section("separate", restarts=2))
    assert project.stale("check") == {"separate"}
    project.params(**project.section("mixtures", seed=1))
    assert project.stale("check", "mixtures") == {"separate"}  # training sees no test mixture
    project.params(**project.section("mixtures", seed=0, pairs="balanced"))
    assert project.stale("check", "mixtures") == {"separator@speech", "separate"}
    project.params(separators={})
    assert project.ran() == {"check", "mixtures", "separate"}


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
    assert project.ran() == {"check", "label", "grid@byol_a_random", "grid_pretext@simclr", "evaluate", "report"}
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
    users = {"pretext@simclr", "deep@spice", "deep@temi", "report", "separator@speech", "separate"}
    assert project.stale("check") == users


# What a parameter makes stale


def test_a_parameter_reruns_what_it_is_of(project):
    project.params(**project.section("byol_a_random", d=1024))
    assert project.stale() == {"check", "embed@byol_a_random"}
    project.params(**project.section("byol_a_random", d=512), **project.section("temi", heads=3))
    assert project.stale() == {"check", "deep@temi"}
    project.params(**project.section("temi", heads=2), methods={"spice": "simclr", "temi": "byol_a_random"})
    assert project.stale("check") == {"deep@temi", "evaluate", "report"}


def test_a_kind_reruns_what_it_sets_something_of(project):
    project.params(kind="sounds")
    assert project.stale("check") == set()
    project.params(kind="words")
    assert project.stale("check") == {"pretext@simclr", "deep@spice", "deep@temi", "evaluate"}


def test_heads_on_a_frozen_encoder_have_it_embed_views_once(project):
    project.params(methods={"spice": "byol_a_random", "temi": "simclr"})
    ran = project.ran()
    assert ran == {"check", "embed@byol_a_random", "grid@byol_a_random", "deep@spice", "evaluate", "report"}
    table = pd.read_csv(project.path / "metrics/table.csv")
    assert set(table.loc[table["clusterer"] == "spice", "encoder"]) == {"byol_a_random"}
    project.params(**project.section("spice", k=2))
    assert project.stale("check", "label") == {"deep@spice", "report"}


def test_one_k_for_all_reruns_what_has_none_of_its_own(project):
    project.params(k=2)
    assert project.stale("check", "label") == {"deep@temi", "grid@byol_a_random", "grid_pretext@simclr", "report"}


def test_a_method_may_start_from_nothing(project):
    project.params(methods={"spice": "simclr", "deepcluster": None}, **project.section("deepcluster", start="scratch"))
    stages = project("dvc", "stage", "list", "--name-only").split()
    assert "deep@deepcluster" in stages and "deep@temi" not in stages
    assert project.stale("check") == {"label", "deep@deepcluster", "evaluate", "report"}


def test_other_labels_decode_embed_and_train_nothing_again(project):
    project.params(**project.section("data", label="speaker"))
    assert project.stale("check", "label") == {
        "deep@temi",  # its k is auto: two speakers, three digits
        "grid@byol_a_random", "grid_pretext@simclr",  # k-means' k is auto too
        "evaluate", "report",
    }  # fmt: skip


def test_a_mistake_in_params_stops_before_any_work(project):
    before = (project.path / "dvc.lock").read_bytes()
    project.params(kmeans={"k": "auto", "n_int": 3})
    said = project("dvc", "repro", fails=True)
    assert "params.yaml: kmeans.n_int: unknown key" in said and "did you mean 'n_init'" in said
    assert "Traceback" not in said
    assert (project.path / "dvc.lock").read_bytes() == before


def test_a_k_that_does_not_fit_the_clips_stops_before_any_training(project):
    project.params(**project.section("temi", k=99), **project.section("simclr", epochs=3))
    said = project("dvc", "repro", fails=True)
    assert f"temi.k = 99: more clusters than the {DIGITS * SPEAKERS * TAKES} clips" in said
    assert "pretext@simclr" not in said


# What is added to a folder


def test_a_recording_that_is_added_is_decoded_and_embedded_alone(project):
    project.bring("data/raw")
    said = project("python", "stages/freeze.py")
    assert "params.yaml: logmel.statistics = [-" in said
    assert project.ran("embed@byol_a_random") == {"check", "logmel"}, "they are the same numbers"
    soundfile.write(project.path / project.recordings / "0_a_9.wav", np.sin(np.arange(8000) ** 1.1), 8000)
    said = project("dvc", "repro", "embed@byol_a_random")
    for what in ("recordings", "log-mels", "embeddings"):
        assert f"{what}: 1 computed, 36 as an earlier run left them" in said
    # What other tests have left may be held by nothing else.
    linked = [path.stat() for path in (project.path / ".scratch/kept").glob("*/*.npy") if path.stat().st_nlink > 1]
    outs = {(project.path / f"data/{name}.npy").stat().st_size for name in ("clips/audio", "logmel/logmel")}
    assert outs <= {stat.st_size for stat in linked}, "DVC's cache holds them"
    lock = (project.path / "dvc.lock").read_text()
    shutil.rmtree(project.path / ".scratch/kept")
    said = project("dvc", "repro", "-f", "embed@byol_a_random")
    assert "embeddings: 37 computed\n" in said
    assert (project.path / "dvc.lock").read_text() == lock
