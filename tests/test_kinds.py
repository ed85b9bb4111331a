"""What one word sets: every value is one that its section takes, and params.yaml says auto exactly for these."""

from pathlib import Path
from typing import get_args

import pytest
import yaml

import params
from audioclust.kinds import KINDS, Kind
from audioclust.parameters import checked, types

ROOT = Path(__file__).resolve().parents[1]


def kind_of(section: str) -> type:
    if section in params.STAGE_SECTIONS:
        return params._kind(*params.STAGE_SECTIONS[section])
    return params.registry.get("pretext", section)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_values_of_a_kind_are_parameters_of_their_sections(kind):
    assert {name: set(values) for name, values in KINDS[kind].items()} == {
        name: set(values) for name, values in KINDS["any"].items()
    }
    for name, values in KINDS[kind].items():
        assert checked(types(kind_of(name)), values, f"{name}.")[1] == []
        kind_of(name)(**values)


def test_params_says_auto_where_the_kind_decides():
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    said = {name: {key for key, value in content[name].items() if value == "auto"} for name in KINDS["any"]}
    assert said == {name: set(values) for name, values in KINDS["any"].items()}


def test_a_value_of_ones_own_stands(tmp_path):
    content = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"kind": "words"}
    content["augment"] |= {"width": 40}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    found = params.Params(tmp_path / "params.yaml").section("augment", kind_of("augment"))
    assert found["width"] == 40 and found["length"] == "fit" and found["weak"] == ["crop", "gain"]
    content["augment"] |= {"length": "fits"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(params.ParamsError, match=r"augment\.length = 'fits': .*'auto'; did you mean 'fit'"):
        params.Params(tmp_path / "params.yaml").section("augment", kind_of("augment"))
