"""Scores of labellings against labels, groups and nothing."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from audioclust.points.scale import scale
from audioclust.report import table
from audioclust.runs import evaluate
from audioclust.runs.evaluate import Evaluate, space, tree_points

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


def scored(embeddings, labels, of=None):
    return Evaluate().rows(clips() if of is None else of, [(cell(), np.asarray(labels))], embeddings).iloc[0]


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


def test_sizes_are_of_all_clips_whatever_the_sample(embeddings):
    found = np.repeat([0, 1, -1], [80, 8, 2])
    found[87] = 2
    row = Evaluate(sample=10).rows(clips(), [(cell(), found)], embeddings).iloc[0]
    assert row["largest"] == pytest.approx(80 / 90) and row["coverage"] == pytest.approx(87 / 90)


def test_clusters_that_follow_a_nuisance_are_seen(embeddings):
    rng = np.random.default_rng(0)
    nuisances = {
        "duration": np.repeat([0.5, 1.0, 1.5], N // 3) + rng.uniform(0, 0.1, N),
        "rate": np.tile([8000, 44100], N // 2),
        "level": rng.normal(-30, 5, N),
    }
    row = scored(embeddings, np.repeat([2, 0, 1], N // 3), clips(label=[""] * N).assign(**nuisances))
    assert row["duration_nmi"] == pytest.approx(np.sqrt(np.log(3) / np.log(9)), abs=0.01)
    assert row["duration_explained"] == pytest.approx(1)
    assert abs(row["rate_explained"]) < 0.05 and abs(row["level_explained"]) < 0.05 < row["level_nmi"]


def test_groups_are_compared_with_labels_that_they_cross_and_with_no_others(embeddings):
    """A group within one class, a recording of one sound, explains the clusters by its class."""
    found, within = np.tile([0, 1], N // 2), np.char.add(TRUTH, np.tile(["1", "2", "3"], N // 3))
    assert scored(embeddings, found)["group_explained"] == pytest.approx(1)
    for of in (clips(group=within), clips(label=[""] * N), clips(label=["a"] * N)):
        row = scored(embeddings, found, of)
        assert "group_explained" not in row and row["group_nmi"] >= 0


def test_a_nuisance_that_is_absent_or_constant_has_no_score(embeddings):
    found = np.repeat([2, 0, 1], N // 3)
    row = scored(embeddings, found, clips().assign(duration=4.0, level=np.nan))
    assert not [name for name in row.index if name.startswith(("duration", "rate", "level"))]


def test_clips_of_unknown_rate_are_left_out_of_its_score(embeddings):
    rate = np.where(np.arange(N) % 3 == 0, np.nan, np.repeat([8000, 16000, 44100], N // 3))
    found = np.where(np.arange(N) % 3 == 0, 7, np.repeat([2, 0, 1], N // 3))
    assert scored(embeddings, found, clips().assign(rate=rate))["rate_nmi"] == pytest.approx(1)


def test_a_cell_that_did_not_run_keeps_its_reason(embeddings):
    rows = Evaluate().rows(clips(), [(cell(reason="too large"), np.full(N, -1))], embeddings)
    assert rows.iloc[0]["reason"] == "too large" and "nmi" not in rows


def test_a_method_without_an_encoder_has_no_score_of_a_space(embeddings):
    rows = Evaluate().rows(clips(), [(cell() | {"encoder": "scratch"}, np.repeat([2, 0, 1], N // 3))], embeddings)
    assert rows.iloc[0]["acc"] == 1 and "silhouette" not in rows


def test_the_space_of_a_cell_is_its_encoders_of_its_seed(embeddings, tmp_path):
    np.save(tmp_path / "trained.npy", np.stack([np.load(embeddings["e"]), np.zeros((N, 5), np.float32)]))
    known = embeddings | {"trained": tmp_path / "trained.npy"}
    assert space(cell(7), known, [3, 7])[0].shape == (N, 5) and space(cell(7), known, [3, 7])[1] is None
    x, position = space(cell(7) | {"encoder": "trained"}, known, [3, 7])
    assert x.shape == (N, 5) and not x.any() and position == 1
    assert space(cell() | {"encoder": "scratch"}, known, [0]) == (None, None)


def test_the_tree_is_of_a_cells_own_encoder_and_seed_or_of_the_first(embeddings, tmp_path):
    both = np.stack([np.load(embeddings["e"]), np.load(embeddings["e"])[:, ::-1]])
    np.save(tmp_path / "trained.npy", both)
    known = embeddings | {"trained": tmp_path / "trained.npy"}
    labels = np.repeat([0, 1, 2], N // 3)
    for asked, wanted in (("trained", both[1]), ("text+trained", both[1]), ("e", both[0]), ("none", both[0])):
        encoder, rows, x = tree_points(cell(seed=7) | {"encoder": asked}, labels, known, (3, 7))
        assert encoder == ("trained" if "trained" in asked else "e") and rows.tolist() == list(range(N))
        np.testing.assert_array_equal(x, scale(wanted, "standardise_l2"))


def test_the_tree_of_many_clips_is_of_a_part_that_has_every_cluster(embeddings, monkeypatch):
    monkeypatch.setattr(evaluate, "IN_TREE", 20)
    _, rows, x = tree_points(cell(), np.arange(N) // 2, embeddings, (0,))
    assert len(rows) == len(x) < N and set(rows // 2) == set(range(N // 2))


def test_one_far_clip_is_not_the_best_clustering_without_labels(embeddings):
    x = np.load(embeddings["e"])
    x[0] += 500
    np.save(embeddings["e"], x)
    cells = [
        (cell(), np.repeat([2, 0, 1], N // 3)),
        (cell() | {"clusterer": "outlier"}, (np.arange(N) == 0).astype(int)),
    ]
    result = table.aggregate(Evaluate().rows(clips(label=[""] * N), cells, embeddings)).set_index("clusterer")
    assert result["silhouette_all_mean"].idxmax() == "outlier"
    assert table.best(result.reset_index())["clusterer"] == "x"


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


def test_clusters_of_a_majority_row_are_scored_as_their_most_frequent_label(embeddings):
    found = np.repeat(np.arange(9), N // 9)  # three clusters per label
    found[0] = 8
    plain, named = (
        Evaluate().rows(clips(), [(cell() | {"clusterer": name}, found)], embeddings).iloc[0]
        for name in ("scan", "scan/majority")
    )
    assert named["acc"] == pytest.approx(1 - 1 / N) and plain["acc"] < 0.4 and named["clusters"] == 3
    without = Evaluate().rows(clips(label=[""] * N), [(cell() | {"clusterer": "scan/majority"}, found)], embeddings)
    assert without.iloc[0]["clusters"] == 9
    some = np.where(found == 4, "", TRUTH)  # a cluster in which no clip has a label
    row = Evaluate().rows(clips(label=some), [(cell() | {"clusterer": "scan/majority"}, found)], embeddings).iloc[0]
    assert row["clusters"] == 4 and row["acc"] == pytest.approx(1 - 1 / (N - N // 9))


def test_the_probe_is_the_encoders_whatever_the_clusters_and_needs_labels(embeddings):
    found = [(cell() | {"clusterer": name}, np.full(N, value)) for name, value in (("x", 0), ("y", 1))]
    assert list(Evaluate().rows(clips(), found, embeddings)["probe"]) == [1, 1]
    assert "probe" not in Evaluate().rows(clips(label=[""] * N), found, embeddings)
    assert "probe" not in Evaluate().rows(clips(), [(cell() | {"encoder": "scratch"}, np.zeros(N, int))], embeddings)


def test_the_choice_goes_to_clusters_that_the_other_encoder_sees_and_none_named_by_labels_is_asked(tmp_path):
    rng = np.random.default_rng(0)
    x = np.eye(3, 6)[pd.factorize(TRUTH)[0]] + 0.1 * rng.normal(size=(N, 6))
    for name, points in (("one", x), ("two", np.stack([x[:, ::-1]] * 2))):
        np.save(tmp_path / f"{name}.npy", points.astype(np.float32))
    found, chance = pd.factorize(TRUTH)[0], rng.integers(0, 3, N)
    cells = [
        (cell() | {"encoder": encoder, "clusterer": name}, labels)
        for encoder in ("one", "two")
        for name, labels in (("right", found), ("wrong", chance), ("right/majority", found))
    ]
    files = {name: tmp_path / f"{name}.npy" for name in ("one", "two")}
    rows = Evaluate().rows(clips(label=[""] * N), cells, files, (0, 1)).set_index(["encoder", "clusterer"])
    for encoder in files:
        right, wrong = rows.loc[encoder, "right"], rows.loc[encoder, "wrong"]
        assert right["kappa"] > 0.9 and abs(wrong["kappa"]) < 0.3 and right["choice"] > wrong["choice"] + 0.4
        assert right["found_again"] == wrong["found_again"] == pytest.approx(0, abs=0.05)
        assert right["like_chosen"] == pytest.approx(1) and wrong["like_chosen"] < 0.1
        assert np.isnan(rows.loc[encoder, "right/majority"]["choice"])
