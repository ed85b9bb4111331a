"""Recipes name parameters that exist, with valid values; stubs of ``dvc`` and ``python`` record their calls."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from datasets_fixture import LAYOUTS
from dvc.exceptions import InvalidArgumentError
from dvc.utils.hydra import apply_overrides, get_hydra_sweeps
from ruamel.yaml import YAML

import source
from audioclust import registry
from audioclust.report import literature, separation
from audioclust.runs.label import Label
from params import Params, ParamsError, check_all

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted(path for path in (ROOT / "recipes").glob("*.sh") if not path.name.startswith("_"))
PRINTED = dict.fromkeys(
    ("choice", "kinds", "trained"), "stages/choice_rules.py"
)  # what comes after several runs of the grid
SCENES = {"cc_ablation": "cc", "idfd_ablation": "idfd"}  # on the embedded scenes -> the method that they vary
# A run leaves its scores, a model, and another params.yaml; it needs the one that its overrides are for.
STUB = """#!{python}
import json, os, sys
from pathlib import Path

with open(os.environ["CALLS"], "a") as file:
    print(json.dumps(sys.argv[1:]), file=file)
if sys.argv[1:3] == ["exp", "run"] and "--queue" not in sys.argv:
    assert Path("params.yaml").read_text() == "untouched"
    models = ["data/separators/" + name + "/seed-0/model.safetensors" for name in ("speech", "k40")]
    for name in ("metrics/separation.csv", "metrics/table.csv", *models):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(" ".join(sys.argv))
    Path("params.yaml").write_text("overridden")
"""

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="recipes are bash scripts")


def calls(recipe: Path, tmp_path: Path, *arguments: str, **variables: str) -> list[list[str]]:
    """Run a copy of a recipe with environment ``variables`` and return the arguments of its calls of the stubs."""
    stubs, record, project = tmp_path / "bin", tmp_path / "calls", tmp_path / "project"
    stubs.mkdir()
    for name in ("dvc", "python"):
        (stubs / name).write_text(STUB.format(python=sys.executable))
        (stubs / name).chmod(0o755)
    shutil.copytree(recipe.parent, project / "recipes", dirs_exist_ok=True)
    (project / "params.yaml").write_text("untouched")
    environment = os.environ | {"PATH": f"{stubs}{os.pathsep}{os.environ['PATH']}", "CALLS": str(record)}
    for name in ("DATA", "MODELS"):
        environment.pop(name, None)
    command = [str(project / "recipes" / recipe.name), *arguments]
    subprocess.run(command, cwd=tmp_path, env=environment | variables, check=True, timeout=60)
    return [json.loads(line) for line in record.read_text().splitlines()]


def runs(found: list[list[str]]) -> list[tuple[list[str], list[str]]]:
    """Return options and overrides of each ``dvc exp run``."""
    parsed = []
    for call in found:
        if call[:2] == ["exp", "run"]:
            rest = call[2:]
            places = [i for i, argument in enumerate(rest) if argument == "-S"]
            overrides = [rest[i + 1] for i in places]
            parsed.append(([a for i, a in enumerate(rest) if i not in places and i - 1 not in places], overrides))
    return parsed


def root(overrides: list[str]) -> tuple[str, str] | None:
    """Return the section that says where the recordings lie, and the folder; None of the embedded scenes."""
    found = (re.fullmatch(r"(data|mixtures)\.root=\"?(.*?)\"?", each) for each in overrides)
    return next((match.groups() for match in found if match), None)


@cache
def shipped() -> str:
    """Return the project's parameters as JSON, which is YAML too."""
    return json.dumps(YAML(typ="safe").load((ROOT / "params.yaml").read_text()))


def overridden(overrides: list[str], tmp_path: Path) -> Path:
    """Apply overrides to a copy of the project's parameters, of a sweep the first values, and return its path.

    It is a JSON file, since DVC keeps the comments of a YAML file, and that takes longer than the checks.
    """
    path = tmp_path / "params.json"
    path.write_text(shipped())
    apply_overrides(path, get_hydra_sweeps({path.name: overrides})[0][path.name])
    return path


def check(overrides: list[str], tmp_path: Path) -> None:
    """Check the project's parameters with overrides."""
    check_all(Params(overridden(overrides, tmp_path)))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_names_parameters_that_exist(recipe, tmp_path):
    found = calls(recipe, tmp_path, "-S", "evaluate.sample=77")
    parsed, separates = runs(found), "separation" in recipe.stem
    printed = "stages/separation_tables.py" if separates else PRINTED.get(recipe.stem)
    queued = len(parsed) > 1 and printed is None
    last = found[-1] if printed or queued else []
    assert parsed and last[:1] == [printed] * (printed is not None) + ["queue"] * queued
    assert len({tuple(overrides) for _, overrides in parsed}) == len(parsed), "no run is made twice"
    for options, overrides in parsed:
        assert overrides[-1] == "evaluate.sample=77", "extra arguments are passed on"
        new = [each for each in overrides if re.match(r"\+(?!separators\.|\+methods\.|\+pairs\.)", each)]
        assert not new, "params.yaml has every parameter"
        roads = ("mixtures", "separate") if separates else ("evaluate",)  # the other one is not run
        assert options in [[road, *["--queue"] * queued] for road in roads]
        folder = root(overrides)
        assert not queued or folder is None or Path(folder[1]).is_absolute(), "a queued run has a folder of its own"
        check(overrides, tmp_path)


@pytest.mark.parametrize("recipe", [path for path in RECIPES if path.stem not in SCENES], ids=lambda path: path.stem)
def test_recordings_may_lie_in_any_folder(recipe, tmp_path):
    folder = "/it's (new), [b] {c} = #1 ~ é"
    found = runs(calls(recipe, tmp_path, DATA=folder))
    overrides = next(overrides for _, overrides in found if root(overrides))
    path = tmp_path / "params.yaml"
    shutil.copy(ROOT / path.name, path)
    apply_overrides(path, overrides)
    assert Params(path)[root(overrides)[0]]["root"].startswith(f"{folder}/")


def test_separation_fills_the_four_tables_of_its_source(tmp_path):
    recipe = ROOT / "recipes" / "librispeech_separation.sh"
    found = calls(recipe, tmp_path)
    *_, (script, *kept) = found
    assert script == "stages/separation_tables.py" and (ROOT / script).is_file()
    about, models = {}, {}
    for _, overrides in runs(found):
        params = Params(overridden(overrides, tmp_path))
        check_all(params)
        sections = {name: params.separator(name) for name in params.separators()}
        models |= sections
        about |= {name: (params["mixtures"]["pairs"], section["sources"]) for name, section in sections.items()}
    dimensions = {(models[name]["k"], models[name]["activation"]) for name in about if about[name] == ("all", 2)}
    assert dimensions == set(separation.EMBEDDINGS)
    assert {pairs for pairs, _ in about.values()} == {pairs for _, pairs in separation.PAIRS if pairs}
    assert ("all", 3) in about.values()
    project = tmp_path / "project"
    texts = {Path(name).stem: (project / name).read_text() for name in kept}
    base, *later = texts.values()
    starts = {name: section["start"] for name, section in models.items() if section["start"]}
    begun = {name: (project / start / "model.safetensors").read_text() for name, start in starts.items()}
    assert begun == {"balanced": base, "female": base, "logistic": texts["embedding"]}, "of tanh, trained on all pairs"
    assert all(f"+separators.{name}=" in "".join([base, *later]) for name in models if name != "speech")
    assert len(later) == len(runs(found)) - 1 and (project / "params.yaml").read_text() == "untouched"


def test_separation_on_a_gpu_trains_what_it_scores(tmp_path):
    recipe = ROOT / "recipes" / "librispeech_separation_gpu.sh"
    (tmp_path / "trained").mkdir()
    trained = {name: how for name, _, _, how in runpy.run_path(str(ROOT / "recipes/separation_on_gpu.py"))["NETWORKS"]}
    found = calls(recipe, tmp_path / "trained")
    assert [call for call in found if call[0] == "recipes/separation_on_gpu.py"]
    for _, overrides in runs(found)[1:]:
        params = Params(overridden(overrides, tmp_path))
        check_all(params)
        for name in params.separators():
            section = params.separator(name)
            kept, _, start = section["start"].rpartition("/")
            assert kept.endswith("/models") and section["epochs"] == 0
            assert section["sources"] == trained[start].get("sources", 2)
    (tmp_path / "given/project/given/female").mkdir(parents=True)
    found = calls(recipe, tmp_path / "given", MODELS="given")
    assert [name for name, *_ in found] == ["exp"] * 3 + ["stages/separation_tables.py"]


@pytest.mark.parametrize("recipe", SCENES)
def test_an_ablation_runs_each_variant_of_its_source_once(recipe, tmp_path):
    method, known = SCENES[recipe], literature.read(ROOT / "docs/reference_deep.csv")
    variants = [each for each in known.loc[known["method"] == method, "settings"].unique() if each]
    found = []
    for _, overrides in runs(calls(ROOT / f"recipes/{recipe}.sh", tmp_path)):
        params = Params(overridden(overrides, tmp_path))
        assert params["data"]["dataset"] == "scenes" and params["seeds"] == [0, 1, 2]
        assert params.methods() == {method: None}, "from random weights, as in the paper"
        section = params.section(method, registry.get("methods", method))
        found += [each for each in variants if literature.is_variant(section, each)]
    assert sorted(found) == sorted(variants)


def test_dcase2018_reads_its_corpus_and_runs_the_reports_table(tmp_path):
    LAYOUTS["dcase2018_task5"](tmp_path / "DATA/dcase2018")
    recipe = ROOT / "recipes/dcase2018.sh"
    ((_, overrides),) = runs(calls(recipe, tmp_path, "-S", "dcase2018_task5.balance=4", DATA=str(tmp_path / "DATA")))
    params = Params(overridden(overrides, tmp_path))
    where, recordings = source.found(params)
    assert where == tmp_path / "DATA/dcase2018" and set(recordings["node"]) == {"1"}
    assert dict(Label(**params.part("data", Label)).choose(recordings).value_counts()) == {
        "absence": 4, "cooking": 4, "vacuum_cleaner": 2,
    }  # fmt: skip
    report = pd.read_csv(ROOT / "docs/reference_table.csv")
    for column in ("encoder", "reducer", "clusterer"):
        assert set(params[f"{column}s"]) == set(report[column]), "all that the report has, and nothing else"
    assert set(params.methods()) == {"spice", "temi"}


@pytest.mark.parametrize(
    ("override", "error"),
    [
        ("spice.exclusive=true", InvalidArgumentError),
        ("+spice.exclusive=true", ParamsError),
        ("spice.heads=0", ParamsError),
        ("spice.heads=0,1", ParamsError),
        ("~methods.dec", InvalidArgumentError),
    ],
)
def test_a_wrong_override_fails(override, error, tmp_path):
    with pytest.raises(error):
        check([override], tmp_path)
    check(["spice.heads=1,0", "~methods.scan"], tmp_path)


def test_all_is_every_encoder_trained_here_and_every_method(tmp_path):
    """What ``make all`` and the recipes with every method run."""
    script = '. recipes/_all.sh; printf "%s\\n" "${ALL[@]}"'
    said = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    params = Params(overridden([line for line in said.splitlines() if line != "-S"], tmp_path))
    check_all(params)
    assert set(params["pretexts"]) == set(registry.names("pretext"))
    assert {*params["methods"], *params["clusterers"]} >= set(registry.names("methods"))
    assert "recipes/_all.sh" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("room", ["methods", "pretext", "reducers"])
def test_the_page_of_methods_has_every_one(room):
    text = (ROOT / "docs/METHODS.md").read_text()
    assert [name for name in registry.names(room) if name != "none" and f"`{name}`" not in text] == []


def test_results_name_every_recipe():
    pages = "".join((ROOT / "docs" / name).read_text() for name in ("RESULTS.md", "CHOICE.md"))
    assert set(re.findall(r"recipes/(\w+\.sh)", pages)) == {path.name for path in RECIPES}
