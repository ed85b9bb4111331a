"""DVC on a tiny configuration: the run cache and what the README shows."""

import json
import shutil
import time

import pytest
from project_fixture import Project
from remotes_fixture import REMOTES, put


def test_the_third_of_two_values_comes_from_the_run_cache(project):
    """3 is what the project was reproduced with."""
    project.params(**project.section("spice", k=2))
    assert project.ran() == {"check", "label", "deep@spice", "evaluate", "report"}
    project.params(**project.section("spice", k=3))
    said = project("dvc", "repro")
    cached = {line.split("'")[1] for line in said.splitlines() if "is cached" in line}
    assert cached == {"check", "label", "deep@spice", "evaluate", "report"}
    assert said.count("Running stage") == said.count("Running stage 'recordings'")


def test_exp_run_show_and_queue_run_the_code_that_they_record(project):
    project.bring("data/raw")  # which Git ignores, so that the copies lack it
    project("dvc", "repro", "-q", "check", "recordings")
    project.commit("recordings of its own")
    said = project("dvc", "exp", "run", "--temp", "-n", "forty", "-S", "evaluate.sample=40")
    assert "Running stage 'evaluate'" in said and "Running stage 'prepare'" not in said
    project("dvc", "exp", "run", "-q", "--queue", "-S", "evaluate.sample=50")
    project.edit("src/audioclust/runs/evaluate.py", "raise RuntimeError('edited after queueing')")
    project("dvc", "queue", "start", "-j", "1")
    _wait_for_queue(project)
    project.back()
    shown = json.loads(project("dvc", "exp", "show", "--json"))
    runs = [exp for rev in shown for exp in (rev.get("experiments") or [])]
    values = {exp["revs"][0]["data"]["params"]["params.yaml"]["data"]["evaluate"]["sample"] for exp in runs}
    assert {40, 50} <= values
    project("git", "reset", "-q", "--hard", "HEAD~1")


def _wait_for_queue(project: Project) -> None:
    """Wait for the task. DVC's worker may die of a message of `queue status` that is half written; it goes on anew."""
    for _ in range(75):
        status = project("dvc", "queue", "status")
        if "Failed" in status:
            raise AssertionError(status)
        if "Success" in status:
            return
        if "Queued" in status and "0 active, 0 idle" in status:
            project("dvc", "queue", "start", "-j", "1")
        time.sleep(4)  # a look takes a second of what the worker could use
    raise AssertionError("the queue did not finish:\n" + status)


def test_metrics_and_params_diff_between_branches(project):
    project("git", "checkout", "-q", "-b", "other")
    project.params(**project.section("spice", k=2))
    project("dvc", "repro", "-q")
    project.commit("two clusters")
    params = json.loads(project("dvc", "params", "diff", "--json", "main"))
    metrics = json.loads(project("dvc", "metrics", "diff", "--json", "--all", "main"))
    project("git", "checkout", "-q", "main")
    project("dvc", "checkout", "-q")
    assert params["params.yaml"]["spice.k"]["new"] == 2
    assert metrics["metrics/summary.json"]["spice.acc"]["diff"] != 0


@pytest.mark.parametrize("kind", REMOTES)
def test_push_pull_and_checkout_in_a_fresh_clone(kind, project, tmp_path):
    """From a folder, and from real servers of SFTP and S3."""
    fresh = Project(tmp_path / "fresh")
    try:
        with REMOTES[kind](tmp_path) as settings:
            project("dvc", "remote", "add", "-d", "-f", "--local", "store", settings.pop("url"))
            for name, value in settings.items():
                project("dvc", "remote", "modify", "--local", "store", name, value)
            project("dvc", "push", "-q")
            project("git", "clone", "-q", str(project.path), str(fresh.path))
            shutil.copy(project.path / ".dvc/config.local", fresh.path / ".dvc/config.local")
            fresh("dvc", "pull", "-q")
    finally:
        (project.path / ".dvc/config.local").unlink(missing_ok=True)
    assert fresh.stale() == set()
    shutil.rmtree(fresh.path / "data/embeddings")
    fresh("dvc", "checkout", "-q")
    assert fresh.stale() == set()
    assert fresh.ran() == set()


def test_recordings_come_from_an_object_store(project, tmp_path):
    """As the page on many clips says it: DVC brings them, and sees when the store has others."""
    wanted = (project.path / "data/clips/audio.npy").read_bytes()
    fresh = Project(tmp_path / "fresh")
    project("git", "clone", "-q", str(project.path), str(fresh.path))
    with REMOTES["s3"](tmp_path) as settings:
        for each in project.recordings.iterdir():
            put(settings, f"recordings/{each.name}", each.read_bytes())
        keys = [f"{name}={settings[name]}" for name in ("endpointurl", "access_key_id", "secret_access_key")]
        fresh("dvc", "import-url", "-q", f"{settings['url']}/recordings", "recordings", "--fs-config", *keys)
        fresh.params(**fresh.section("data", root="."))
        fresh("dvc", "repro", "-q", "prepare")
        assert (fresh.path / "data/clips/audio.npy").read_bytes() == wanted
        assert "recordings.dvc" in fresh("git", "status", "--short")


def test_dag_and_plots_without_a_network(project):
    dag = project("dvc", "dag", "--dot")
    assert "evaluate" in dag and "deep@spice" in dag
    page = shown(project)
    assert 'src="http' not in page and "vegaEmbed" in page
    assert all(f"Training of {name}" in page for name in ("simclr", "spice", "temi"))
    assert "AMI of every cell" in page and "views.png" in page


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
