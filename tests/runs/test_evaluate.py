"""Scores of labellings against labels, groups and nothing."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from audioclust.runs.evaluate import Evaluate

N = 90
TRUTH = np.repeat(["a", "b", "c"], N // 3)
GROUP = np.tile(["s1", "s2"], N // 2)


@pytest.fixture
def embeddings(tmp_path):
    x = np.random.default_rng(0).normal(size=(N, 5)) + 8 * np.repeat(np.arange(3), N // 3)[:, None]
    np.save(tmp_path / "e.npy", x.astype(np.float32))
    return {"e": tmp_path / "e.npy"}


def clips(label=TRUTH, group=GROUP):
    return pd.DataFrame({"label": label, "group": group})


def cell(seed=0, reason=""):
    return {"encoder": "e", "reducer": "none", "clusterer": "x", "seed": seed, "chosen": {}, "reason": reason}


def scored(embeddings, labels, table=None):
    return Evaluate().rows(clips() if table is None else table, [(cell(), np.asarray(labels))], embeddings).iloc[0]


def test_a_perfect_labelling(embeddings):
    row = scored(embeddings, np.repeat([2, 0, 1], N // 3))
    assert row["nmi"] == row["acc"] == row["ari"] == pytest.approx(1)
    assert row["group_nmi"] < 0.05 and row["clusters"] == 3 and row["noise"] == 0
    assert row["silhouette"] > 0.5


def test_a_labelling_that_follows_the_group_is_seen(embeddings):
    row = scored(embeddings, np.tile([0, 1], N // 2))
    assert row["group_nmi"] == pytest.approx(1) and row["nmi"] < 0.05


def test_without_labels_only_label_free_scores(embeddings):
    row = scored(embeddings, np.repeat([2, 0, 1], N // 3), clips(label=[""] * N, group=[""] * N))
    assert "nmi" not in row and "group_nmi" not in row and row["silhouette"] > 0.5


def test_one_class_only_has_no_label_scores(embeddings):
    assert "nmi" not in scored(embeddings, np.repeat([2, 0, 1], N // 3), clips(label=["a"] * N))


def test_clips_without_a_label_are_left_out_of_label_scores(embeddings):
    labels = np.where(np.arange(N) % 3 == 0, "", TRUTH)
    found = np.where(np.arange(N) % 3 == 0, 7, np.repeat([2, 0, 1], N // 3))
    assert scored(embeddings, found, clips(label=labels))["acc"] == pytest.approx(1)


def test_noise_is_counted(embeddings):
    found = np.repeat([2, 0, 1], N // 3)
    found[:9] = -1
    row = scored(embeddings, found)
    assert row["noise"] == pytest.approx(0.1) and row["clusters"] == 3


def test_a_cell_that_did_not_run_keeps_its_reason(embeddings):
    rows = Evaluate().rows(clips(), [(cell(reason="too large"), np.full(N, -1))], embeddings)
    assert rows.iloc[0]["reason"] == "too large" and "nmi" not in rows


def test_a_method_without_an_encoder_has_no_score_of_a_space(embeddings):
    rows = Evaluate().rows(clips(), [(cell() | {"encoder": "scratch"}, np.repeat([2, 0, 1], N // 3))], embeddings)
    assert rows.iloc[0]["acc"] == 1 and "silhouette" not in rows


def test_equal_labels_of_two_encoders_are_scored_in_the_space_of_each(embeddings, tmp_path):
    np.save(tmp_path / "other.npy", np.random.default_rng(1).normal(size=(N, 5)).astype(np.float32))
    found = np.repeat([2, 0, 1], N // 3)
    cells = [(cell(), found), (cell() | {"encoder": "other"}, found)]
    first, second = Evaluate().rows(clips(), cells, embeddings | {"other": tmp_path / "other.npy"})["silhouette"]
    assert first > 0.5 > 0.1 > second


def test_agreement_of_seeds_needs_no_labels(embeddings):
    blocks, other = np.repeat([0, 1, 2], N // 3), np.tile([0, 1], N // 2)
    unlabelled = clips(label=[""] * N, group=[""] * N)
    cells = [(cell(0), blocks), (cell(1), (blocks + 1) % 3), (cell(2), other)]
    rows = Evaluate().rows(unlabelled, cells, embeddings)
    apart = adjusted_rand_score(blocks, other)
    assert list(rows["agreement"]) == pytest.approx([(1 + apart) / 2, (1 + apart) / 2, apart])
    cells[2] = (cell(2, reason="too large"), np.full(N, -1))
    assert list(Evaluate().rows(unlabelled, cells, embeddings)["agreement"][:2]) == pytest.approx([1, 1])
    assert "agreement" not in Evaluate().rows(unlabelled, cells[:1], embeddings)


def test_seeds_that_find_one_cluster_agree_on_nothing(embeddings):
    for nothing in (0, -1):
        rows = Evaluate().rows(clips(), [(cell(seed), np.full(N, nothing)) for seed in (0, 1)], embeddings)
        assert list(rows["agreement"]) == [0, 0]
