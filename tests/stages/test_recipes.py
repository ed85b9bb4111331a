"""Recipes name parameters that exist, with valid values; ``dvc`` is replaced by a stub that records its calls."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.exceptions import InvalidArgumentError
from dvc.utils.hydra import apply_overrides, get_hydra_sweeps

from params import Params, ParamsError, check_all

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted(path for path in (ROOT / "recipes").glob("*.sh") if not path.name.startswith("_"))
STUB = """#!{python}
import json, os, sys

with open(os.environ["CALLS"], "a") as file:
    print(json.dumps(sys.argv[1:]), file=file)
"""

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="recipes are bash scripts")


def calls(recipe: Path, tmp_path: Path, *arguments: str, **variables: str) -> list[list[str]]:
    """Run a recipe with environment ``variables`` and return the arguments of its calls of ``dvc``."""
    stub, record = tmp_path / "bin" / "dvc", tmp_path / "calls"
    stub.parent.mkdir()
    stub.write_text(STUB.format(python=sys.executable))
    stub.chmod(0o755)
    environment = os.environ | {"PATH": f"{stub.parent}{os.pathsep}{os.environ['PATH']}", "CALLS": str(record)}
    environment.pop("DATA", None)
    subprocess.run([str(recipe), *arguments], cwd=tmp_path, env=environment | variables, check=True, timeout=60)
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


def check(overrides: list[str], tmp_path: Path) -> None:
    """Apply overrides to a copy of the project's params.yaml, of a sweep the first values, and check the result."""
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    apply_overrides(path, get_hydra_sweeps({"params.yaml": overrides})[0]["params.yaml"])
    check_all(Params(path))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_names_parameters_that_exist(recipe, tmp_path):
    found = calls(recipe, tmp_path, "-S", "evaluate.sample=77")
    parsed = runs(found)
    assert parsed and parsed == runs(found[: len(parsed)]), "the queue is started last"
    assert found[len(parsed) :] == ([["queue", "start"]] if len(parsed) > 1 else [])
    assert len({tuple(overrides) for _, overrides in parsed}) == len(parsed), "no run is queued twice"
    for options, overrides in parsed:
        assert overrides[-1] == "evaluate.sample=77", "extra arguments are passed on"
        assert not [each for each in overrides if each.startswith("+")], "params.yaml has every parameter"
        assert options == (["--queue"] if len(parsed) > 1 else [])
        root = next(each.removeprefix("data.root=").strip('"') for each in overrides if each.startswith("data.root="))
        assert not options or Path(root).is_absolute(), "a queued run has a folder of its own"
        check(overrides, tmp_path)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recordings_may_lie_in_any_folder(recipe, tmp_path):
    folder = "/it's (new), [b] {c} = #1 ~ é"
    ((_, overrides), *_) = runs(calls(recipe, tmp_path, DATA=folder))
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    apply_overrides(path, get_hydra_sweeps({"params.yaml": overrides})[0]["params.yaml"])
    assert Params(path)["data"]["root"].startswith(f"{folder}/")


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


def test_results_name_every_recipe():
    named = re.findall(r"recipes/(\w+\.sh)", (ROOT / "docs" / "RESULTS.md").read_text())
    assert set(named) == {path.name for path in RECIPES}
