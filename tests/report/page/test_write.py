"""The file: the same bytes each time, nothing but data in it, and what it leaves out said."""

import base64
import hashlib
import json
import re

import numpy as np
import pytest
from page_fixture import CELL, LABELS, N, page

from audioclust.report import page as listening
from audioclust.report.page import Report

HOSTILE = "a</script><script>window.hacked=1</script>\n\"'&<!--\u202egpj\u2028\udcff.wav"


def written(tmp_path, settings=None, **changes):
    out = tmp_path / "report/index.html"
    left_out = listening.write(out, page(tmp_path, **changes), settings or Report())
    return out.read_text(encoding="utf-8"), left_out


def data(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def unpacked(values):
    kinds = {"u8": "u1", "i16": "<i2", "u16": "<u2", "i32": "<i4", "f32": "<f4"}
    if "c" in values:
        return np.full(values["n"], values["c"])
    return np.frombuffer(base64.b64decode(values["b"]), kinds[values["t"]])


def test_the_same_page_has_the_same_bytes(tmp_path):
    assert written(tmp_path)[0] == written(tmp_path)[0]


def test_nothing_is_named_by_its_place_on_this_machine(tmp_path):
    assert str(tmp_path) not in written(tmp_path)[0]


def test_only_the_bundled_script_may_run_and_nothing_is_loaded(tmp_path):
    text, _ = written(tmp_path)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert len(script) == 1 and f"'sha256-{digest}'" in policy and policy.startswith("default-src 'none'")
    assert "http" not in policy and not re.search(r'(src|href)="(?!data:)', text.split("<script")[0])


def test_names_cannot_end_the_element_that_they_stand_in(tmp_path):
    clips = page(tmp_path).clips
    for column in ("path", "name", "label", "group"):
        clips[column] = HOSTILE
    text, _ = written(
        tmp_path, clips=clips, title=HOSTILE, why=HOSTILE, warnings=[HOSTILE], left_out=[HOSTILE], map_name=HOSTILE
    )
    found = data(text)
    assert found["clips"]["paths"]["rest"] == [HOSTILE] and found["warnings"] == [HOSTILE]
    assert found["names"] == {"0": HOSTILE, "1": HOSTILE, "4": HOSTILE}
    assert len(re.findall("<script[ >]", text.split("<body>")[0])) == 0 and "<title>a&lt;/script&gt;" in text
    assert "window.hacked=1</script>" not in text


def test_the_columns_are_those_of_the_clips(tmp_path):
    found = data(written(tmp_path)[0])
    clips = page(tmp_path).clips
    assert unpacked(found["clips"]["start"]).tolist() == (1000 * clips["start"]).tolist()
    assert set(unpacked(found["clips"]["length"])) == {500}
    assert unpacked(found["clips"]["level"])[:5].tolist() == [-300, -300, -300, -30_000, -300]
    assert unpacked(found["clips"]["confidence"]).tolist() == [70] * (N - 4) + [255] * 4
    first = found["labellings"][0]
    assert np.array(first["ids"])[unpacked(first["codes"])].tolist() == LABELS.tolist()
    assert found["clusters"][1]["level_rest"]["q3"] is None and found["names"] == {"1": "dog"}
    assert found["numbers"]["measures"][1]["values"] == [0.5, 0.6, None]


def test_what_nothing_is_known_of_is_left_out(tmp_path):
    clips = page(tmp_path).clips.assign(label="", group=np.nan, path="x.wav")
    found = data(written(tmp_path, clips=clips, tree=None, numbers=page(tmp_path).numbers[:0])[0])
    assert {"label", "group", "hour"}.isdisjoint(found["clips"]) and found["tree"] is None and not found["numbers"]["k"]


def test_a_map_of_one_point_is_drawn_in_the_middle(tmp_path):
    found = data(written(tmp_path, xy=np.full((N, 2), 7.0))[0])
    assert found["xy"] == {"c": 32768, "n": 2 * N}


def test_of_many_clips_a_part_is_drawn_with_all_that_clusters_name(tmp_path, monkeypatch):
    monkeypatch.setattr(listening, "POINTS", 20)
    text, left_out = written(tmp_path)
    found = data(text)
    assert "30 of 50 clips: the map holds 20." in left_out and found["left_out"] == left_out
    codes = unpacked(found["labellings"][0]["codes"])
    assert len(codes) == 20 and found["total"] == N
    for each in found["clusters"][:3]:
        assert len(each["nearest"]) == 3 and len(each["farthest"]) == 2
        ids = [found["labellings"][0]["ids"][codes[row]] for row in each["nearest"] + each["farthest"]]
        assert set(ids) == {each["cluster"]}


def test_labellings_beyond_the_room_are_left_out_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr(listening._content, "LABELLINGS", N)
    text, left_out = written(tmp_path)
    assert [each["name"] for each in data(text)["labellings"]] == [CELL]
    assert "1 of 2 labellings: logmel_stats/none/kmeans/0." in left_out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"signal": np.ones(3)}, r"50 clips, signal has 3"),
        ({"labellings": {"other": LABELS, CELL: LABELS}}, r"must be the first labelling"),
        ({"clips": page.__globals__["_clips"]().drop(columns=["level", "end"])}, r"lack the columns end, level"),
    ],
)
def test_what_is_not_of_one_set_of_clips_is_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        written(tmp_path, **changes)
    assert not (tmp_path / "report").exists()


def test_settings_out_of_range_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"Report\.most_mb = 81: less than or equal to 80"):
        written(tmp_path, Report(most_mb=81))
