"""What users bring: a folder without labels, of one class, of fewer clips than clusters, with odd names. In process."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml
from matplotlib.image import imread
from stages_fixture import RATE, ROOT, run, tone


def run_all() -> pd.DataFrame:
    for stage in ("check", "recordings", "prepare", "label", "logmel"):
        run(stage)
    run("embed", "logmel_stats")
    run("grid", "logmel_stats")
    run("evaluate")
    return pd.read_csv("metrics/table.csv")


def test_a_labelled_folder_with_spaces_accents_and_equal_names(work, unpainted):
    root = work()
    for i in range(6):
        tone(root / f"in/graves é/clip {i}.wav", 200, seed=i)
        tone(root / f"in/aigus 高/clip {i}.wav", 4000, seed=i)
    table = run_all()
    assert table["acc_mean"].iloc[0] == 1
    clips = pd.read_csv(root / "data/clips/clips.csv")
    labels = pd.read_csv(root / "data/truth/labels.csv")["label"]
    assert set(labels) == {"graves é", "aigus 高"} and clips["clip_id"].is_unique and len(clips) == 12


def test_without_labels_k_is_ten_or_what_is_given_and_scores_are_label_free(work, capsys):
    root = work()
    for i in range(6):
        tone(root / f"in/{i}.wav", 200 if i % 2 else 4000, seed=i)
    table = run_all()
    assert "k = auto without labels: 2 clusters; -S k=8 sets another number" in capsys.readouterr().out
    assert table["ami_mean"].isna().all() and table["clusters"].iloc[0] == 2
    work(k=3)
    assert run_all()["clusters"].iloc[0] == 3
    assert "without labels" not in capsys.readouterr().out.partition("Chosen")[0]
    work(k=2)
    table = run_all()
    assert table["nmi_mean"].isna().all() and table["choice_mean"].iloc[0] > 0.5
    best = json.loads(Path("metrics/summary.json").read_text())["best"]
    assert best["choice"] > 0.5 and best["largest"] == 0.5 and best["coverage"] == 1 and "nmi" not in best
    colours = [image_colours(root / f"plots/{name}.png") for name in ("map_label", "map_group", "confusion")]
    assert all({(0x33, 0x22, 0x88), (0xDD, 0xCC, 0x77)} <= found for found in colours)
    assert (root / "plots/bars.png").stat().st_size and (root / "plots/examples.png").stat().st_size
    described = pd.read_csv("data/clusters/summary.csv")
    assert set(described["cluster"]) == {0, 1} and set(described["purity"]) == {1} and described["clips"].sum() == 6
    ranges = [json.loads(bands)[0] for bands in described["bands"]]
    assert sorted(any(b["from_hz"] < hz < b["to_hz"] for b in ranges) for hz in (200, 4000)) == [True, True]
    page = (root / "metrics/clusters.md").read_text()
    assert page.startswith("# Clusters of logmel_stats / none / kmeans") and "by its choice, without labels" in page
    rows = pd.read_csv("plots/confusion.csv")
    assert set(rows["actual"]) == {"no label"} and set(rows["predicted"]) == {"cluster 0", "cluster 1"}


def image_colours(path: Path) -> set[tuple[int, ...]]:
    """Return the different colours of a picture as 8-bit triples."""
    image = (imread(path)[..., :3] * 255).round().astype(int)
    return {tuple(colour) for colour in np.unique(image.reshape(-1, 3), axis=0)}


def test_clusters_that_follow_the_duration_are_warned_of(work, unpainted, capsys):
    root = work(kmeans={"k": 2})
    for i in range(24):
        tone(root / f"in/{'ab'[i // 2 % 2]}/{i}.wav", 300, seconds=(0.1, 0.5)[i % 2], seed=i)
    shutil.copy(ROOT / "docs/reference_deep.csv", root / "docs")
    table = run_all()
    assert table["duration_nmi_mean"].iloc[0] > 0.5 > table["nmi_mean"].iloc[0]
    said = capsys.readouterr().out
    assert "warning: the clusters of logmel_stats / none / kmeans follow the clips' duration" in said
    run("table")
    assert said.splitlines()[-1] in capsys.readouterr().out.splitlines()


def test_one_k_for_all_that_have_none_of_their_own(work):
    root = work(k=2, clusterers=["kmeans", "agglomerative", "spectral"], kmeans={"k": 3}, spectral={})
    for i in range(6):
        tone(root / f"in/{'ab'[i % 2]}/{i}.wav", 300, seed=i)
    for stage in ("check", "recordings", "prepare", "label"):
        run(stage)
    found = json.loads((root / "data/truth/k/grid.json").read_text())
    assert found == {"kmeans": 3, "agglomerative": 2, "spectral": 2}
    before = (root / "data/check/grid.json").read_bytes()
    work(k="auto")
    run("check")
    assert json.loads((root / "data/check/clusters.json").read_text())["grid"]["spectral"] == "auto"
    assert (root / "data/check/grid.json").read_bytes() == before, "two is the number of classes, too"


def test_texts_are_clustered_like_sounds(work, unpainted):
    """All sounds are alike, and no text holds a label."""
    root = work(encoders=["text"])
    words = {"x": ("kelo", "miba", "suti"), "y": ("vura", "zeba", "noti")}
    rows = []
    for i in range(12):
        tone(root / f"in/{i}.wav", 300, seed=i)
        label = "xy"[i % 2]
        rows.append(
            {"path": f"{i}.wav", "label": label, "transcript": f"{words[label][i % 3]} {words[label][i % 4 // 2]}"}
        )
    pd.DataFrame(rows).to_csv(root / "in/labels.csv", index=False)
    for stage in ("check", "recordings", "prepare", "label", "texts", "logmel"):
        run(stage)
    run("embed", "text")
    run("grid", "text")
    run("evaluate")
    table = pd.read_csv("metrics/table.csv")
    assert table["encoder"].tolist() == ["text"] and table["acc_mean"].iloc[0] == 1


def test_an_encoder_of_texts_without_texts_is_refused_before_any_work(work):
    root = work(encoders=["logmel_stats", "text"])
    tone(root / "in/a/1.wav", 300)
    tone(root / "in/b/1.wav", 300)
    run("check")
    with pytest.raises(SystemExit, match=r"no recording has a text: give them in a column transcript or caption"):
        run("recordings")
    assert not (root / "data/recordings").exists()


def test_labels_that_would_end_a_script_or_a_line(work):
    hostile = ["</script><img src=x onerror=alert(1)>", "a|b`c`\nd"]
    root = work()
    rows = []
    for i in range(6):
        tone(root / f"in/{i}.wav", 300 if i % 2 else 3000, seed=i)
        rows.append({"path": f"{i}.wav", "label": hostile[i % 2], "group": hostile[1 - i % 2]})
    pd.DataFrame(rows).to_csv(root / "in/labels.csv", index=False)
    table = run_all()
    assert table["acc_mean"].iloc[0] == 1
    assert "<" not in (root / "plots/confusion.csv").read_text()
    assert len(pd.read_csv(root / "plots/confusion.csv")["actual"].unique()) == 2


def test_one_class_only(work):
    root = work(kmeans={"k": 2})
    for i in range(6):
        tone(root / f"in/only/{i}.wav", 200 * (i + 1), seed=i)
    table = run_all()
    assert table["nmi_mean"].isna().all() and table["clusters"].iloc[0] == 2


def test_fewer_clips_than_clusters(work):
    root = work(kmeans={"k": 9})
    for i in range(4):
        tone(root / f"in/a/{i}.wav", 300, seed=i)
    with pytest.raises(SystemExit, match=r"kmeans\.k = 9: more clusters than the 4 clips"):
        run_all()


def test_a_missing_folder(work):
    work(data={"dataset": "folder", "root": "nowhere"})
    run("check")
    for stage in ("recordings", "prepare"):
        with pytest.raises(SystemExit, match=r"data\.root = nowhere"):
            run(stage)


def test_one_label_for_all_is_refused_before_any_work(work):
    root = work()
    tone(root / "in/a.wav", 300)
    (root / "in/labels.csv").write_text("path,label\na.wav,only\n")
    with pytest.raises(SystemExit, match="one class is nothing to compare clusters with"):
        run("recordings")
    assert not (root / "data").exists()


def test_bad_recordings_are_listed_and_the_rest_goes_on(work, unpainted):
    root = work(data={"dataset": "folder", "root": "in", "clip_seconds": 0.5, "max_rejected": 0.8})
    for i in range(6):
        tone(root / f"in/{'ab'[i % 2]}/{i}.wav", 300 if i % 2 else 3000, seed=i)
    expected = damage(root / "in")
    before = contents(root / "in")
    table = run_all()
    rejected = pd.read_csv(root / "data/clips/rejected.csv").set_index("path")["reason"]
    assert rejected.to_dict() == expected
    assert table["acc_mean"].iloc[0] == 1
    assert contents(root / "in") == before


def damage(folder: Path) -> dict[str, str]:
    """Write recordings that cannot be used into ``folder/a``; return path -> reason."""
    sound = (folder / "a/0.wav").read_bytes()
    noise = np.random.default_rng(0)
    (folder / "a/text.wav").write_text("this is no sound")
    (folder / "a/no bytes.wav").write_bytes(b"")
    (folder / "a/corrupt é.wav").write_bytes(noise.bytes(4000))
    (folder / "a/truncated.wav").write_bytes(sound[: len(sound) // 3])
    soundfile.write(folder / "a/truncated.flac", noise.normal(0, 0.1, RATE), RATE)
    whole = (folder / "a/truncated.flac").read_bytes()
    (folder / "a/truncated.flac").write_bytes(whole[: len(whole) // 3])
    soundfile.write(folder / "a/no samples.wav", np.zeros(0), RATE)
    soundfile.write(folder / "a/nan.wav", np.r_[np.full(RATE // 4, 0.1), np.nan, 0.1], RATE, subtype="FLOAT")
    soundfile.write(folder / "a/one hertz.wav", np.full(10, 0.1), 1)
    soundfile.write(folder / "a/silent.wav", np.zeros(RATE), RATE)
    return {f"a/{name}": reason for name, reason in {
        "text.wav": "unreadable", "no bytes.wav": "empty", "corrupt é.wav": "unreadable",
        "truncated.wav": "unreadable", "truncated.flac": "unreadable", "no samples.wav": "empty",
        "nan.wav": "not finite", "one hertz.wav": "unreadable", "silent.wav": "silent",
    }.items()}  # fmt: skip


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("policy, clips", [("mean", 12), ("first", 12), ("each", 72)])
def test_six_channels_of_24_bits_at_96_khz(work, unpainted, policy, clips):
    root = work(data={"dataset": "folder", "root": "in", "clip_seconds": 0.5, "channels": policy})
    t = np.arange(48000) / 96000
    for i in range(12):
        x = 0.3 * np.sin(2 * np.pi * (3000 if i % 2 else 300) * t) + np.random.default_rng(i).normal(0, 0.01, len(t))
        path = root / f"in/{'ab'[i % 2]}/{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.stack([x] * 6, axis=1), 96000, subtype="PCM_24")
    table = run_all()
    assert table["acc_mean"].iloc[0] == 1
    assert len(pd.read_csv(root / "data/clips/clips.csv")) == clips


def test_statistics_are_frozen_by_a_command_and_nothing_but_them_changes(work):
    root = work()
    for name in "ab":
        tone(root / f"in/{name}.wav", 300.0)
    for stage in ("check", "recordings", "prepare", "label", "logmel"):
        run(stage)
    before, stats = yaml.safe_load((root / "params.yaml").read_text()), (root / "data/logmel/stats.json").read_bytes()
    run("freeze")
    own = [json.loads(stats)[name] for name in ("mean", "std")]
    before["logmel"]["statistics"] = own
    assert yaml.safe_load((root / "params.yaml").read_text()) == before
    tone(root / "in/c.wav", 3000.0)
    for stage in ("check", "recordings", "prepare", "label", "logmel"):
        run(stage)
    assert (root / "data/logmel/stats.json").read_bytes() == stats
    info = json.loads((root / "data/logmel/info.json").read_text())
    assert info["statistics"] == "fixed" and list(info["of_these_clips"].values()) != own


def test_nothing_can_be_frozen_before_there_are_log_mels(work):
    work()
    with pytest.raises(SystemExit, match=r"data/logmel/info\.json: no such file or directory: `dvc repro` writes it"):
        run("freeze")


def test_constant_embeddings(work):
    root = work(reducers=["none", "pca", "tsne"])
    for i in range(12):
        tone(root / f"in/{'ab'[i % 2]}/{i}.wav", 300)
    work(clusterers=["kmeans", "dbscan", "meanshift", "agglomerative", "spectral"])
    table = run_all()
    assert len(np.unique(np.load("data/embeddings/logmel_stats/embedding.npy"), axis=0)) == 1
    assert len(table) == 15 and table["reason"].isna().all() and table["nmi_mean"].max() < 1


def test_too_many_bad_recordings_stop_the_run_with_counts(work):
    root = work()
    tone(root / "in/a/0.wav", 300)
    for name in ("text", "more"):
        (root / f"in/a/{name}.wav").write_text("this is no sound")
    with pytest.raises(SystemExit, match=r"2 of 3 recordings cannot be used \(2 unreadable\).*max_rejected"):
        for stage in ("check", "recordings", "prepare"):
            run(stage)
    assert (root / "in/a/text.wav").is_file()


def test_costs_are_kept_outside_the_tracked_outputs(work, unpainted):
    root = work()
    for i in range(6):
        tone(root / f"in/{'ab'[i % 2]}/{i}.wav", 300 if i % 2 else 3000, seed=i)
    run_all()
    space, cost = json.loads((root / ".scratch/costs/grid-logmel_stats.json").read_text())
    assert space["reducer"] == "none" and cost["clusterer"] == "kmeans"
    assert cost["seconds"] >= 0 and cost["peak_mb"] > 0
    assert "seconds" not in (root / "metrics/table.csv").read_text()


def test_absent_weights_stop_before_any_work(work):
    root = work(encoders=["byol_a"], byol_a={"weights": "nowhere.pth"})
    tone(root / "in/a/0.wav", 300)
    with pytest.raises(SystemExit, match=r"nowhere\.pth"):
        run("check")
    assert not (root / "data/check").exists()


def test_a_method_that_starts_from_nothing_needs_no_encoder_of_its_own(work, unpainted):
    root = work(
        methods={"deepcluster": None}, augment={"width": 16},
        deepcluster={"k": 2, "start": "scratch", "epochs": 1, "channels": 4, "d": 16, "batch": 8, "hidden": 16},
        kmeans={"k": 2},
    )  # fmt: skip
    for i in range(12):
        tone(root / f"in/{'ab'[i % 2]}/{i}.wav", 300 if i % 2 else 3000, seed=i)
    for stage in ("check", "recordings", "prepare", "label", "logmel"):
        run(stage)
    run("deep", "deepcluster", "None")
    run("embed", "logmel_stats")
    run("grid", "logmel_stats")
    run("evaluate")
    table = pd.read_csv("metrics/table.csv").set_index("clusterer")
    assert table.loc["deepcluster", "encoder"] == "scratch" and table["acc_mean"].notna().all()


def test_what_clusters_are_like_does_not_depend_on_labels(work, unpainted):
    root = work(kmeans={"k": 2})
    for i in range(12):
        tone(root / f"in/{i}.wav", 300 if i % 2 else 3000, seconds=0.1 * (3 + i % 3), seed=i)
    outputs = []
    for label in ("xy", "pq"):
        rows = [{"path": f"{i}.wav", "label": label[i % 2], "group": label[i // 6]} for i in range(12)]
        pd.DataFrame(rows).to_csv(root / "in/labels.csv", index=False)
        run_all()
        outputs.append([(root / name).read_bytes() for name in ("data/clusters/summary.csv", "metrics/clusters.md")])
    assert set(pd.read_csv("data/truth/labels.csv")["label"]) == {"p", "q"}
    assert outputs[0] == outputs[1] and b"by its AMI" in outputs[0][1] and b"- duration" in outputs[0][1]


PRETRAINED = ["speech_embedding", "resemblyzer", "aisfx", "musicnn"]


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """No weights in the cache, and none to be fetched."""
    monkeypatch.setenv("AUDIOCLUST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))


def test_pretrained_encoders_without_weights_are_rows_that_say_why(work, offline, capsys):
    root = work(encoders=["logmel_stats", *PRETRAINED])
    for i in range(12):
        tone(root / f"in/{'ab'[i % 2]}/{i}.wav", 300 if i % 2 else 3000, seed=i)
    for stage in ("check", "recordings", "prepare", "label", "logmel"):
        run(stage)
    assert (
        "encoder aisfx is skipped: its weights are not there: aisfx==0.1.2 cannot be fetched" in capsys.readouterr().out
    )
    for encoder in ("logmel_stats", *PRETRAINED):
        run("embed", encoder)
        run("grid", encoder)
    run("evaluate")
    table = pd.read_csv("metrics/table.csv").set_index("encoder")
    assert table.loc["logmel_stats", "acc_mean"] == 1 and table.loc["logmel_stats", "weights"] == "no weights"
    for encoder in PRETRAINED:
        assert table.loc[encoder, "clusterer"] == "skipped" and np.isnan(table.loc[encoder, "ami_mean"])
    assert "put it at" in table.loc["aisfx", "reason"] and "kind = any" in table.loc["musicnn", "reason"]
    assert "CC BY 4.0, A. B. Ma and A. Lerch" in table.loc["aisfx", "weights"]


def test_a_pretrained_encoder_that_is_asked_for_ends_in_an_error_that_says_what_to_fetch(work, offline):
    work(encoders=["logmel_stats", "aisfx"])
    with pytest.raises(
        SystemExit, match=r"aisfx==0\.1\.2 cannot be fetched .*take it out of the wheel.*checkpoint\.pth"
    ):
        run("check")
