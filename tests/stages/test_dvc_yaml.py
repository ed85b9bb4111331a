"""What DVC makes of dvc.yaml before any stage runs: names that do not exist must reach stage ``check``."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from dvc.fs import LocalFileSystem
from dvc.parsing import DataResolver, ResolveError

ROOT = Path(__file__).resolve().parents[2]
CONTENT = yaml.safe_load((ROOT / "params.yaml").read_text())


def stages(tmp_path: Path, content: dict) -> dict[str, dict]:
    """Return the stages that DVC finds with this params.yaml."""
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    project = SimpleNamespace(fs=LocalFileSystem(), config={})
    return DataResolver(project, str(tmp_path), yaml.safe_load((ROOT / "dvc.yaml").read_text())).resolve()["stages"]


def without(*names: str) -> dict:
    return {name: section for name, section in CONTENT.items() if name not in names}


@pytest.mark.parametrize(
    ("content", "stage"),
    [
        (CONTENT | {"data": {"dataset": "fsd"}}, "recordings"),
        (CONTENT | {"encoders": ["byola"]}, "embed@byola"),
        (CONTENT | {"pretexts": ["simcrl"]}, "pretext@simcrl"),
        (CONTENT | {"methods": {"temy": "byol"}}, "deep@temy"),
        (CONTENT | {"methods": {"temi": "byoll"}}, "deep@temi"),
        (without("spice", "moco", "byol_a_random", "scenes"), "deep@spice"),
        (CONTENT | {"encoders": []}, "evaluate"),
    ],
)
def test_whatever_is_named_has_its_stages_and_check_runs_before_each(tmp_path, content, stage):
    found = stages(tmp_path, content)
    assert stage in found
    waiting = [name for name, each in found.items() if not any(d.startswith("data/check/") for d in each["deps"])]
    assert waiting == ["check"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoders": "byol_a"}, r"stages\.embed\.foreach.*expected list/dictionary, got str"),
        ({"pretexts": None}, r"stages\.pretext\.foreach.*expected list/dictionary, got NoneType"),
        ({"methods": "spice"}, r"stages\.deep\.foreach.*expected list/dictionary, got str"),
    ],
)
def test_what_is_no_list_is_named_by_dvc(tmp_path, changes, message):
    """DVC needs the lists before any stage can speak."""
    with pytest.raises(ResolveError, match=message):
        stages(tmp_path, CONTENT | changes)
