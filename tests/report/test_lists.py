"""Lists of clips and recordings, against sums by hand."""

import io

import numpy as np
import pandas as pd
import pytest

from audioclust.report import lists

RATE = 44_100


def clips(*rows: tuple[str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["path", "start", "duration"])


def listed(table: pd.DataFrame, labels: list[int], names: dict[int, str] | None = None) -> pd.DataFrame:
    shares = np.where(np.array(labels) < 0, np.nan, 2 / 3)
    return lists.clip_list(table, np.array(labels), names or {}, shares, [0], RATE)


def joined(found: pd.DataFrame, channels: list[int] | None = None) -> pd.DataFrame:
    return lists.joined(found, np.zeros(len(found), int) if channels is None else np.array(channels), RATE)


TABLE = clips(("b.wav", 0, 4), ("b.wav", 4, 4), ("b.wav", 8, 2.5), ("a.wav", 0, 1))


def test_the_list_has_a_row_per_clip_in_its_order():
    found = listed(TABLE, [3, 3, -1, 1], {3: 'a "dog", wet'})
    assert found.columns.tolist() == ["path", "start", "end", "cluster", "name", "confidence", "is_exemplar"]
    text = found.to_csv(index=False)
    assert text.splitlines()[1] == 'b.wav,0.0,4.0,3,"a ""dog"", wet",0.67,True'
    assert text.splitlines()[3] == "b.wav,8.0,10.5,-1,,,False"
    again = pd.read_csv(io.StringIO(text), keep_default_na=False)
    assert again["name"].tolist() == ['a "dog", wet'] * 2 + ["", ""]


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 44_100, 48_000, 192_000])
def test_times_are_right_at_the_sample_and_clips_meet(rate):
    samples, n = round(1.23456 * rate), 3000
    starts = [round(i * samples / rate, 6) for i in range(n)]  # as stage prepare writes them
    table = clips(*(("x", start, round(samples / rate, 6)) for start in starts))
    found = lists.clip_list(table, np.zeros(n, int), {}, np.ones(n), [], rate)
    assert (np.rint(found["start"] * rate) == np.arange(n) * samples).all()
    assert (np.rint(found["end"] * rate) == np.arange(1, n + 1) * samples).all()
    assert (found["end"][:-1].to_numpy() == found["start"][1:].to_numpy()).all()
    assert len(lists.joined(found, np.zeros(n, int), rate)) == 1


def test_consecutive_clips_of_one_cluster_are_joined():
    table = clips(("a", 0, 4), ("a", 4, 4), ("a", 8, 4), ("a", 16, 4), ("b", 0, 4), ("b", 2, 4), ("b", 4, 4))
    found = joined(listed(table, [1, 1, 2, 2, 2, 2, 1]))
    assert found[["path", "start", "end", "cluster"]].values.tolist() == [
        ["a", 0, 8, 1], ["a", 8, 12, 2], ["a", 16, 20, 2],  # what lies between was silent
        ["b", 0, 6, 2], ["b", 4, 8, 1],  # clips that overlap
    ]  # fmt: skip


def test_channels_are_joined_each_by_itself():
    table = clips(("a", 0, 4), ("a", 0, 4), ("a", 4, 4), ("a", 4, 4))
    found = joined(listed(table, [1, 2, 1, 3]), [0, 1, 0, 1])
    assert found[["channel", "start", "end", "cluster"]].values.tolist() == [[0, 0, 8, 1], [1, 0, 4, 2], [1, 4, 8, 3]]
    assert lists.file_list(listed(table, [1, 2, 1, 3]), found)["timeline"].tolist() == ["0-8:1|0-4:2;4-8:3"]


def test_recordings_have_their_shares_by_seconds():
    found = listed(TABLE, [3, 1, -1, 1], {1: "cat"})
    table = lists.file_list(found, joined(found)).set_index("path")
    assert table.index.tolist() == ["b.wav", "a.wav"]
    assert table.columns.tolist() == [
        "clips", "seconds", "cluster", "name", "timeline", "share_1", "share_3", "share_noise",
    ]  # fmt: skip
    b = table.loc["b.wav"]
    assert (b["clips"], b["seconds"], b["timeline"]) == (3, 10.5, "0-4:3;4-8:1;8-10.5:-1")
    assert b[["share_1", "share_3", "share_noise"]].tolist() == [0.381, 0.381, 0.2381]
    assert (b["cluster"], b["name"]) == (1, "cat"), "of equals the first"
    assert table.loc["a.wav"].tolist() == [1, 1.0, 1, "cat", "", 1, 0, 0], "one clip has no timeline"


def test_labellings_stand_side_by_side():
    cell = {"encoder": "e", "reducer": "none", "clusterer": "kmeans", "seed": 1, "reason": ""}
    cells = [cell, cell | {"seed": 2}, cell | {"seed": 3, "reason": "too long"}]
    found = lists.labellings(TABLE, cells, [np.arange(4), np.arange(4)[::-1], np.full(4, -1)])
    assert found.columns.tolist() == ["path", "start", "e/none/kmeans/1", "e/none/kmeans/2"]
    assert found["e/none/kmeans/2"].tolist() == [3, 2, 1, 0]


def test_regions_leave_noise_out_and_are_named():
    found = joined(listed(TABLE, [3, 1, -1, -1], {1: "cat"}))
    first, second = lists.recordings(found, {"b.wav": 8000, "a.wav": 16_000})
    assert (first.path, first.rate, [tuple(each) for each in first.regions]) == (
        "b.wav", 8000, [(0, 4, 0, 3, "3"), (4, 8, 0, 1, "cat")],
    )  # fmt: skip
    assert (second.path, second.rate, second.regions) == ("a.wav", 16_000, [])
