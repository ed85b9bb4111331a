"""Exports parsed back by readers that are written from the formats' descriptions; hostile names."""

import csv
import json
import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest

from audioclust import registry
from audioclust.report.exports import audacity, label_studio, raven
from audioclust.report.exports._texts import Recording, Region, file_names

CELL = "e/none/kmeans/0"
REGIONS = [
    Region(0.0, 4.0, 0, 3, "3"),
    Region(4.0, 4.000023, 1, 1, 'a "dog"\tand\n<b>&\x07 cat'),
    Region(3599.999977, 3600.5, 0, 12, "été"),
]
LABELS = ["3", 'a "dog" and <b>& cat', "été"]
RECORDINGS = [
    Recording("sub folder/ß=1, (2).wav", 44_100, REGIONS),
    Recording("sub folder/line\nend\tx.wav", 8000, []),
    Recording("q'#%&+?.wav", 8000, REGIONS[:1]),
]


def audacity_labels(text: str) -> list[tuple[float, float, str]]:
    """Read a label track: start, end and label, separated by tabs, a label a line."""
    assert text == "" or text.endswith("\n")
    found = []
    for line in text.split("\n")[:-1]:
        start, end, label = line.split("\t")
        found.append((float(start), float(end), label))
    return found


def raven_table(text: str) -> list[dict[str, str]]:
    """Read a selection table: tab-separated, the first line names the columns."""
    rows = list(csv.reader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert {len(row) for row in rows} == {len(rows[0])}
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def studio_regions(tasks: list[dict], interface: str) -> list[tuple[str, list[tuple[float, float, int, str]]]]:
    """Read tasks as Label Studio does, against the labelling interface: the file that is served, and its regions."""
    view = ElementTree.fromstring(interface)
    control, sound = view.find("Labels"), view.find("Audio")
    assert control.get("toName") == sound.get("name")
    allowed, found = {label.get("value") for label in control.findall("Label")}, []
    for task in tasks:
        address = urlsplit(task["data"][sound.get("value").removeprefix("$")])
        assert address.path == "/data/local-files/" and not address.fragment
        (file,) = parse_qs(address.query)["d"]
        (prediction,) = task["predictions"]
        assert prediction["model_version"] == CELL
        ids = [region["id"] for region in prediction["result"]]
        assert len({*ids}) == len(ids)
        regions = []
        for region in prediction["result"]:
            assert (region["from_name"], region["to_name"]) == (control.get("name"), sound.get("name"))
            value = region["value"]
            (label,) = value[region["type"]]
            assert label in allowed
            regions.append((value["start"], value["end"], value["channel"], label))
        found.append((file, regions))
    return found


def test_audacity_reads_the_label_tracks():
    found = audacity.files(RECORDINGS, CELL)
    tracks = [audacity_labels(text) for text in found.values()]
    expected = [(each.start, each.end, label) for each, label in zip(REGIONS, LABELS, strict=True)]
    assert tracks == [expected, [], expected[:1]]
    assert next(iter(found)) == "audacity/sub folder/ß=1, (2).wav.txt"


def test_raven_reads_the_selection_tables():
    found = raven.files(RECORDINGS, CELL)
    tables = [raven_table(text) for text in found.values()]
    assert [len(table) for table in tables] == [3, 0, 1]
    for number, (row, region, label) in enumerate(zip(tables[0], REGIONS, LABELS, strict=True), 1):
        assert (row["Selection"], row["View"], row["Channel"]) == (
            str(number),
            "Spectrogram 1",
            str(region.channel + 1),
        )
        assert (float(row["Begin Time (s)"]), float(row["End Time (s)"])) == (region.start, region.end)
        assert (float(row["Low Freq (Hz)"]), float(row["High Freq (Hz)"])) == (0, 22_050)
        assert (row["Annotation"], row["Begin File"]) == (label, "ß=1, (2).wav")
    assert next(iter(found)) == "raven/sub folder/ß=1, (2).wav.Table.1.selections.txt"


def test_label_studio_reads_the_tasks():
    found = label_studio.files(RECORDINGS, CELL)
    tasks = json.loads(found["label_studio.json"])
    regions = [(each.start, each.end, each.channel, label) for each, label in zip(REGIONS, LABELS, strict=True)]
    read = studio_regions(tasks, found["label_studio.xml"])
    assert read == [(each.path, part) for each, part in zip(RECORDINGS, (regions, [], regions[:1]), strict=True)]
    assert [task["data"]["recording"] for task in tasks] == [each.path for each in RECORDINGS]


@pytest.mark.parametrize("name", registry.names("report.exports"))
def test_every_format_is_written_below_its_folder_and_the_same_twice(name, tmp_path):
    files = registry.module("report.exports", name).files(RECORDINGS, CELL)
    assert files == registry.module("report.exports", name).files(RECORDINGS, CELL)
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(text.encode())
        assert (tmp_path / path).resolve().is_relative_to(tmp_path)
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == len(files)


HOSTILE = [
    "a.wav", "A.wav", "a?.wav", "a*.wav", "a_.wav", "con.wav", "CON", "aux /x.wav", "x. /y.wav", "\x00\x07",
    "../up.wav",
    "\ud800.wav", "e\u0301.wav", "\u00e9.wav", "a.wav.txt/b.wav", "a.wav.TXT_/b.wav", "long" * 100, "é" * 200 + ".wav",
    "d/" * 9 + "deep.wav", "line\nend.wav", "\u202egpj.wav", ".", "..", "f/x", "F/x", "f?/x", "f_/x", "lpt¹.txt/x",
]  # fmt: skip


def test_names_are_safe_whole_and_each_its_own(tmp_path):
    found = file_names(HOSTILE)
    assert list(found) == sorted(HOSTILE) and found["a.wav.txt/b.wav"] == "a.wav.txt_~2/b.wav"
    assert (found["A.wav"], found["a.wav"]) == ("A.wav", "a.wav~2")
    assert found["d/" * 9 + "deep.wav"] == "d/" * 9 + "deep.wav"
    written = [f"{name}{raven.ENDING}" for name in found.values()] + [f"{name}.txt" for name in found.values()]
    assert len({name.casefold() for name in written}) == len(written)
    for name in written:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        assert Path(os.path.normpath(path)).is_relative_to(tmp_path) and ".." not in path.parts
        assert all(each.isprintable() and each not in '<>:"|?*\\' for each in name)
        assert not any(part.endswith((".", " ")) for part in name.split("/"))
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 2 * len(HOSTILE)


def test_the_names_do_not_depend_on_the_order():
    assert file_names(reversed(HOSTILE)) == file_names(HOSTILE)
