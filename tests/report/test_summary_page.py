"""The page that describes clusters."""

import numpy as np
import pandas as pd

from audioclust.report import summary, summary_page

CELL = {"encoder": "byol", "reducer": "none", "clusterer": "dbscan", "seed": 2}
EDGES = np.array([0, 400, 1200, 4000.0])


def page(clusters, encoder="byol", headline="choice", **columns):
    n = len(clusters)
    basis = {"path": [f"{i}.wav" for i in range(n)], "start": "0.0", "duration": "4.0", "level": "-30.0"}
    clips = pd.DataFrame(basis | columns)
    means = np.zeros((n, 3), np.float32)
    means[np.asarray(clusters) == 0, 1] = np.log(100)
    found = summary.describe(clips, np.asarray(clusters), np.arange(n, dtype=np.float32)[:, None], means, EDGES)
    return summary_page.markdown(found, clips, CELL, encoder, headline)


def test_it_names_the_cell_how_it_was_chosen_and_where_distances_are_taken():
    text = page([0, 0, 1])
    assert text.startswith("# Clusters of byol / none / dbscan\n\nThe best cell") and text.endswith(
        "dBFS (quartiles -30.0 and -30.0)\n"
    )
    assert "by its choice, without labels. Labelling of seed 2." in text
    assert "in the embedding of byol." in text and "All clips last 4 s." in text
    other = page([0, 0, 1], encoder=None, headline="ami", duration=["4.0", "4.0", "3.5"])
    assert "by its AMI, which has seen the labels" in other
    assert "between mean log-mels, because this method starts from no encoder" in other
    assert "All clips last" not in other


def test_a_table_and_a_list_per_cluster_noise_last():
    text = page([-1, 0, 0, 0, -1, 1], duration=["4.0"] * 5 + ["2.5"])
    assert "| 0 | 3 | 50.0 % | 0.67 | -30.0 | 400 Hz–1.2 kHz (+20.0 dB) |" in text
    assert "| noise | 2 | 33.3 % | 0.00 | -30.0 |" in text
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["## Cluster 0", "## Cluster 1", "## Noise"]
    assert "- nearest to the centre: `2.wav`, `1.wav`, `3.wav`\n" in text
    assert "- duration: median 2.5 s (quartiles 2.5 and 2.5); the rest median 4 s (quartiles 4 and 4)\n" in text
    assert "- 1 clip, 16.7 % of all\n" in text
    assert "centre" not in text.split("## Noise")[1]


def test_one_cluster_is_described_without_a_rest():
    text = page([0, 0, 0])
    assert "the rest" not in text.split("## Cluster 0")[1] and "bands against" not in text and "nan" not in text


def test_what_is_unknown_is_left_out():
    text = page([0, 0, 1], level="")
    assert "- level" not in text and "nan" not in text and "| 0 | 2 | 66.7 % | 1.00 |  |" in text
    assert "- terms" not in text and "| terms |" not in text


def test_terms_where_there_is_text():
    text = page([0, 0, 1], text=["left", "left", ""])
    assert "| terms |" in text and "- terms: `left`\n" in text


def test_a_clip_of_a_longer_recording_is_named_with_its_start():
    text = page([0, 0, 1], path=["a`b|c.wav", "two.wav", "two.wav"], start=["0.0", "0.0", "4.5"])
    assert "`` a`b|c.wav ``, `two.wav` from 0 s\n" in text and "`two.wav` from 4.5 s\n" in text


def test_of_many_clusters_the_largest_are_shown(monkeypatch):
    monkeypatch.setattr(summary_page, "ON_PAGE", 2)
    text = page([0, 1, 1, 1, 2, 2, -1])
    assert "## Cluster 0" not in text and "| 0 |" not in text and "## Noise" in text
    assert "These are the 2 largest of 3 clusters" in text


def test_a_range_within_one_rounding_is_one_frequency():
    assert summary_page._ranges([(1180, 1220, 6.0)]) == "1.2 kHz (+6.0 dB)"
    assert summary_page._ranges([(101, 104, -1.0)]) == "100 Hz (-1.0 dB)"
