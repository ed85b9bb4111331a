"""The page in a real browser, from a file, without a network: what a reader does, and what they then see and hear."""

import base64
import io
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from page_fixture import CELL, LABELS, SECONDS, page
from ruamel.yaml import YAML
from scipy.cluster.hierarchy import fcluster
from sklearn.metrics import adjusted_rand_score

from audioclust.report import page as listening
from audioclust.report.page import Report

TOOLS = Path(__file__).resolve().parents[3] / "tools/page"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
MISSING = [
    name
    for name, found in {
        "chromium (apt-get install chromium)": CHROMIUM,
        "node (apt-get install nodejs)": shutil.which("node"),
        "playwright-core (npm ci --prefix tools/page)": (TOOLS / "node_modules/playwright-core").is_dir(),
    }.items()
    if not found
]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
# Of clusters 0 to 3: 3 and 2 are split, which makes 4 and 5; 2 is merged into 1, 3 and 5 are dropped.
EDITS = {"names": {0: "wind"}, "merge": [[1, 2]], "split": {3: 2, 2: 2}, "drop": [3, 5]}
HOSTILE = "</script><img src=x onerror=window.hacked=1><b>\n\u202egpj\udcff'\""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What the browser saw: by visit, by check."""
    folder = tmp_path_factory.mktemp("pages")
    shown = page(folder)
    listening.write(folder / "page.html", shown, Report(audio="all"))
    edited = replace(shown, edits=EDITS)
    listening.write(folder / "silent.html", edited, Report(audio="exemplars"))
    clips = shown.clips.assign(path=f"a/{HOSTILE}.wav", name=HOSTILE, label=HOSTILE, group=HOSTILE)
    listening.write(
        folder / "hostile.html",
        page(folder, clips=clips, title=HOSTILE, why=HOSTILE, warnings=[HOSTILE], left_out=[HOSTILE], map_name=HOSTILE),
        Report(audio="all"),
    )
    ran = subprocess.run(
        ["node", Path(__file__).with_name("browser.mjs"), CHROMIUM, folder], capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture
def at(seen):
    def found(visit, check):
        result = seen[visit][check]
        assert not (isinstance(result, dict) and "failed" in result), result["failed"]
        return result

    return found


@pytest.mark.parametrize("visit", ["page", "plain", "hostile", "phone", "silent"])
def test_no_request_leaves_the_page_and_nothing_is_complained_of(seen, visit):
    outside = [url for url in seen[visit]["requests"] if not url.startswith(("file:///", "blob:", "data:"))]
    files = {url for url in seen[visit]["requests"] if url.startswith("file:///")}
    assert outside == [] and len(files) == 1 and seen[visit]["errors"] == []


@pytest.mark.parametrize(("visit", "kind"), [("page", "webgl"), ("plain", "canvas")])
def test_points_have_the_colours_of_their_clusters(at, visit, kind):
    found = at(visit, "draws")
    picture = matplotlib.image.imread(io.BytesIO(base64.b64decode(found["picture"])), format="png")[:, :, :3]
    assert found["kind"] == kind
    palette = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in found["palette"]]) / 255
    wanted = {0: 0, 1: 1, 4: 2, -1: 10}
    right = []
    for (x, y), label in zip(found["places"], LABELS, strict=True):
        right.append(np.abs(picture[y, x] - palette[wanted[label]]).max() < 0.15)
    assert np.mean(right) > 0.85  # some lie below the number of their cluster


@pytest.mark.parametrize("visit", ["page", "plain"])
def test_a_click_plays_the_clip_with_its_own_length(at, visit):
    found = at(visit, "plays")
    assert found["duration"] == pytest.approx(SECONDS, abs=0.01)
    assert (found["sampleRate"], found["length"]) == (8000, 4000)
    assert found["ended"] > SECONDS - 0.02
    assert "20230501_060600.wav" in found["title"] and found["title"].startswith("1")
    assert "0.5 s – 1 s" in found["facts"] and "confidence 70 %" in found["facts"] and "−30 dBFS" in found["facts"]
    assert found["tip"].startswith("20230501_000000.wav\n1.5 s – 2 s\ncluster 0, confidence 70 %")


def test_clusters_are_listed_with_what_they_are_like_and_are_listened_through(at):
    found = at("page", "clusters")
    assert [card.split("\n")[1] for card in found["cards"]] == ["cluster 0", "dog", "cluster 4", "noise"]
    first, second = found["cards"][:2]
    for text in ("24 clips · 48 %", "200 Hz – 500 Hz", "+6.2 dB", "−4.0 dB", "90 % of the nearest", "rain 100 %"):
        assert text in first
    assert "bark" in second and found["said"] == ["Cluster 1: 1 of 3", "Cluster 1: 2 of 3"]
    assert found["current"] == "cluster-0"


def test_filters_leave_the_clips_that_they_name(at):
    found = at("page", "filters")
    clips = page.__globals__["_clips"]()
    assert found["label"] == np.flatnonzero(clips["label"] == "bark").tolist()
    assert found["legend"] == np.flatnonzero(LABELS == 4).tolist() and "8 of 50 clips" in found["chips"]
    assert found["cleared"] == len(clips)
    wanted = clips.index[clips["path"].str.contains("site 1") & clips["path"].str.contains("0501_11")].tolist()
    assert found["search"] == found["rows"] == wanted and wanted
    assert found["colouring"] == "folder" and [text.split("\n")[-2:] for text in found["folders"]] == [
        ["site 0/", "25"],
        ["site 1/", "25"],
    ]


def test_an_example_finds_its_nearest_clips_in_their_order(at):
    found = at("page", "example")
    near = [9, 11, 8, 12]
    assert found["near"] == near and found["rows"] == [10, *near] and found["shown"] == sorted([10, *near])


def test_keys_play_step_and_search(at):
    found = at("page", "keyboard")
    assert [clip for _, clip in found["steps"]] == [38, 39, 38, 24, 38, 46, 0]
    assert found["paused"] is False and found["focus"] == "search" and found["typed"] == "x4"
    assert found["cleared"] == "" and found["tab"] == "tab-clips" and found["clip"] == 0


def test_two_labellings_are_compared(at):
    found = at("page", "compares")
    other = page.__globals__["LABELS"].copy()
    other[:6], other[30:33] = 1, 0
    assert f"Adjusted Rand index {adjusted_rand_score(LABELS, other):.3f}" in found["said"]
    table = {row[0]: dict(zip(found["heads"][1:], row[1:], strict=True)) for row in found["cells"]}
    assert table == {
        "0": {"0": "18", "1": "6", "4": "", "–": ""},
        "1 dog": {"0": "3", "1": "11", "4": "", "–": ""},
        "4": {"0": "", "1": "", "4": "8", "–": ""},
        "–": {"0": "", "1": "", "4": "", "–": "4"},
    }
    assert found["shown"] == list(range(6)) and found["colouring"] == "labelling:1"


def test_recordings_of_several_clips_have_timelines(at):
    found = at("page", "timelines")
    assert found["lines"] == 12 and found["head"].startswith("12 recordings of several clips; 2 recordings of one clip")


def test_the_tree_is_cut_as_scipy_cuts_it(at):
    found = at("page", "tree")
    groups = fcluster(page.__globals__["linkage"](np.array([[0.0], [1.0], [5.0]]), "average"), 2, "maxclust")
    joined = "+".join(str(c) for c, group in zip((0, 1, 4), groups, strict=True) if group == groups[0])
    assert joined == "0+1" and found["groups"] == [joined, "4", "–"] and found["chosen"] == "Tree, cut into 2"
    assert YAML(typ="safe").load(found["merged"])["merge"] == [[0, 1]]
    assert found["marks"] == [3, 2] and found["fewer"] == [2] and found["slider"] == "3"
    assert found["advice"] == "Three clusters."


def test_edits_are_the_text_of_clusters_yaml_and_outlive_a_reload(at):
    found = at("page", "edits")
    read = YAML(typ="safe").load
    assert found["focus"] == "Name of cluster 4"
    wanted = {"cell": CELL, "names": {1: "dog", 4: found["title"]}, "merge": [[4, 1]], "split": {0: 3}, "drop": []}
    assert read(found["text"]) == read(found["again"]) == wanted
    assert found["heading"] == 'rain: "hard" # \\u202ex\\'
    assert found["splits"] == [True, False, False]  # 1 is merged into 4
    dropped = read(found["dropped"])
    assert (dropped["drop"], dropped["merge"], dropped["split"]) == ([4], [], {0: 3})
    assert read(found["forgotten"]) == {"cell": CELL, "names": {1: "dog"}, "merge": [], "split": {}, "drop": []}


def test_edits_that_were_made_before_are_kept_in_their_order(at):
    found = at("silent", "again")
    lines = found["before"].splitlines()
    assert lines[1:] == ["names: {0: wind, 1: dog}", "merge: [[1, 2]]", "split: {3: 2, 2: 2}", "drop: [3, 5]"]
    assert found["splits"] == [True, False, False]  # 1 is a merger, 4 was made by a split
    wanted = ["names: {1: dog}", "merge: [[1, 2, 4]]", "split: {3: 2, 2: 2, 0: 3}", "drop: [3, 5]"]
    assert found["after"].splitlines()[1:] == wanted


def test_every_control_has_a_name(at):
    assert at("page", "unnamed") == []


def test_what_is_left_out_is_said(at):
    text = at("page", "about")
    assert (
        "Two files that are no sound." in text and "the sounds of 50 clips: whoever has the file can hear them" in text
    )
    assert "Confidence" in text and "Space" in text


def test_hostile_names_are_text(at):
    found = at("hostile", "hostile")
    assert found["hacked"] is None and found["elements"] == 0
    shown = HOSTILE.replace("\n", "\\u000a").replace("\u202e", "\\u202e").replace("\udcff", "\\xff")
    assert found["heading"] == shown and found["file"] == f"{shown.split('/')[-1]}.wav"
    assert shown in found["label"] and found["title"].startswith("</script><img")


def test_a_phone_shows_all_of_its_width_and_the_player_at_its_foot(at):
    found = at("phone", "phone")
    assert set(found["wide"].values()) == {0} and len(found["wide"]) == 7
    assert found["height"] / 2 < found["top"] < found["bottom"] <= found["height"]


def test_a_clip_whose_sound_is_not_in_the_page_says_so(at):
    found = at("silent", "quiet")
    assert found == {"said": "The sound of this clip is not in the page.", "play": True}
