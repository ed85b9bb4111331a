"""The fingerprint of a stage's code changes with what the stage imports, and with nothing else."""

import shutil
from pathlib import Path

import pytest

import fingerprints

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the project's code that can be edited; returns a function that edits one of its files."""
    for folder in ("src", "stages"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    for name in ("SOURCE", "STAGES", "PINS"):
        monkeypatch.setattr(fingerprints, name, tmp_path / getattr(fingerprints, name).relative_to(ROOT))
    moved = {tmp_path / path.relative_to(ROOT) for path in fingerprints.BOOKKEEPING}
    monkeypatch.setattr(fingerprints, "BOOKKEEPING", moved)

    def edit(path: str, change):
        file = tmp_path / path
        file.write_text(change(file.read_text()))
        for cached in (fingerprints._imports, fingerprints._digest, fingerprints._pin):
            cached.cache_clear()

    edit("requirements.txt", str)
    yield edit
    for cached in (fingerprints._imports, fingerprints._digest, fingerprints._pin):
        cached.cache_clear()


SPICE = ("deep", ("methods", "spice"), ("pretext", "simclr"))
TEMI = ("deep", ("methods", "temi"))
SIMCLR = ("pretext", ("pretext", "simclr"))
BYOL_A = ("embed", ("encoders", "byol_a_random"))
STAGES = {"spice": SPICE, "temi": TEMI, "simclr": SIMCLR, "byol_a": BYOL_A, "logmel": ("logmel",)}


def changed(edit, path: str, change) -> set[str]:
    """Return which of ``STAGES`` an edit makes stale."""
    before = {name: fingerprints.stage(*stage) for name, stage in STAGES.items()}
    edit(path, change)
    return {name for name, stage in STAGES.items() if fingerprints.stage(*stage) != before[name]}


def append(line: str):
    return lambda text: f"{text}\n{line}\n"


@pytest.mark.parametrize(
    ("path", "stale"),
    [
        ("src/audioclust/methods/spice/spice.py", {"spice"}),
        ("src/audioclust/methods/spice/reliable.py", {"spice"}),
        ("src/audioclust/methods/temi.py", {"temi"}),
        ("src/audioclust/pretext/simclr.py", {"spice", "simclr"}),
        ("src/audioclust/encoders/byol_a_random.py", {"byol_a"}),
        ("src/audioclust/clips/logmel.py", {"logmel", "byol_a"}),  # log-mels of views too
        ("src/audioclust/views/waves.py", {"byol_a"}),
        ("src/audioclust/training/loop.py", {"spice", "temi", "simclr"}),
        ("src/audioclust/clusterers/kmeans.py", set()),
        ("src/audioclust/registry.py", set()),
        ("stages/params.py", set()),
        ("stages/deep.py", {"spice", "temi"}),
    ],
)
def test_an_edit_makes_stale_what_imports_it(copy, path, stale):
    assert changed(copy, path, append("EDITED = 1")) == stale


def test_the_files_that_no_result_depends_on_are_there():
    assert [path for path in fingerprints.BOOKKEEPING if not path.is_file()] == []


def test_new_files_make_nothing_stale(copy, tmp_path):
    before = {name: fingerprints.stage(*stage) for name, stage in STAGES.items()}
    for room in ("methods", "encoders", "networks", "points", "training", "views", "clusterers", "pretext"):
        (tmp_path / f"src/audioclust/{room}/brand_new.py").write_text("X = 1\n")
    copy("requirements.txt", str)
    assert {name: fingerprints.stage(*stage) for name, stage in STAGES.items()} == before


@pytest.mark.parametrize("line", ["# a remark", "", '"""A text that nothing reads."""'])
def test_remarks_make_nothing_stale(copy, line):
    top = (lambda text: text.replace('"""', '"""Another text. ', 1)) if line.startswith('"') else append(line)
    assert changed(copy, "src/audioclust/training/loop.py", top) == set()


def test_essence_keeps_what_counts():
    essence = fingerprints.essence
    code = 'def f(x):\n    """Doc\n\n    more."""\n    # why\n    return "# no comment", x  # what\n'
    assert essence(code) == 'def f(x):\n    return "# no comment", x'
    assert essence("def f(): 'doc'\n") == "def f(): 'doc'"
    assert essence('x = """a\n\nb"""\n') != essence('x = """a\nb"""\n')
    assert essence("x = 'é'  # ü\n") == "x = 'é'"


def test_a_pin_makes_stale_what_uses_the_library(copy):
    assert changed(copy, "requirements.txt", lambda t: t.replace("torch==2.11.0", "torch==2.12.0")) == set(STAGES)
    assert changed(copy, "requirements.txt", lambda t: t.replace("numba==", "numba==9")) == set()
    assert changed(copy, "requirements.txt", lambda t: t.replace("tqdm==", "tqdm==9")) == set()


def test_a_local_version_makes_nothing_stale(copy):
    assert changed(copy, "requirements.txt", lambda t: t.replace("torch==2.11.0", "torch==2.11.0+cpu")) == set()
