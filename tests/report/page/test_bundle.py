"""The script in the page is what tools/page makes of its own modules and of the libraries that its lock file names."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from audioclust.report.page import STATIC

TOOLS = Path(__file__).resolve().parents[3] / "tools/page"
SOURCES = json.loads((STATIC / "sources.json").read_text())
BUILDS = shutil.which("node") and (TOOLS / "node_modules/esbuild").is_dir()


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_it_was_built_from_the_files_that_are_here():
    here = sorted(path for path in (TOOLS / "src").rglob("*") if path.suffix in (".js", ".css"))
    names = {path.relative_to(TOOLS).as_posix() for path in here} | {"build.mjs", "package.json", "package-lock.json"}
    assert {name: digest(TOOLS / name) for name in names} == SOURCES["read"], "run: npm run build, in tools/page"


def test_it_is_what_was_built():
    assert {name: digest(STATIC / name) for name in ("bundle.js", "page.css", "LICENCES.txt")} == SOURCES["written"]


@pytest.mark.skipif(not BUILDS, reason="not installed: node and esbuild (npm ci --prefix tools/page)")
def test_a_build_gives_the_same_bytes(tmp_path):
    subprocess.run(["node", TOOLS / "build.mjs", tmp_path], check=True, timeout=120)
    for name in SOURCES["written"]:
        assert digest(tmp_path / name) == SOURCES["written"][name]


def test_the_licence_of_every_library_in_it_is_in_the_page():
    lock = json.loads((TOOLS / "package-lock.json").read_text())["packages"]
    licences = (STATIC / "LICENCES.txt").read_text()
    named = dict(re.findall(r"^(\S+) (\d+\.\d+\.\d+) \(", licences, re.MULTILINE))
    libraries = {"regl-scatterplot", "wavesurfer.js"}
    for name in list(libraries):
        libraries |= set(lock[f"node_modules/{name}"].get("dependencies", {}))
    assert libraries <= set(named)
    assert all(lock[f"node_modules/{name}"]["version"] == version for name, version in named.items())
    assert licences.count("Permission") + licences.count("Redistribution and use") >= len(named)


def test_no_licence_and_no_script_ends_the_element_that_it_stands_in():
    for name in ("bundle.js", "LICENCES.txt"):
        assert not re.search(r"</script|<!--", (STATIC / name).read_text(), re.IGNORECASE)


def test_data_never_becomes_markup():
    for path in (TOOLS / "src").rglob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", path.read_text()), path
