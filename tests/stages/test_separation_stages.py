"""The stages of separation one after another, as scripts, and a recording of one's own from the command line."""

import contextlib
import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

import params

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "separators": {
        "speech": {"mixtures": "mixtures", "sources": 2},
        "trio": {"mixtures": "music", "sources": 3, "hidden": 12, "window": 64.0, "hop": 16.0},
    },
    "separator": {"k": 4, "hidden": 8, "epochs": 1, "steps": 2, "batch": 2, "frames": [20], "counted": 4},
    "mixtures": {"corpus": "voices", "two": 2, "three": 0, "seconds": 1.0, "workers": 1},
    "voices": {"men": 3, "women": 3, "utterances": 2, "seconds": 1.0},
    "music": {"corpus": "stems", "root": "in", "two": 0, "three": 1, "seconds": 1.0, "workers": 1},
    "stems": {"closed_share": 0.4},
    "separate": {"bases": 4, "iterations": 5, "restarts": 1, "workers": 1},
    "seeds": [0],
    "data": {"dataset": "folder", "root": "in", "label": "label"},
    "encoders": ["logmel_stats"], "pretexts": [], "methods": {},
}  # fmt: skip


def stems(folder: Path) -> None:
    """Write pieces of three instruments, each a tone of its own with an envelope of its own."""
    t = np.arange(8000 * 4) / 8000
    for piece in range(7):
        (folder / f"piece{piece}").mkdir(parents=True)
        for pitch, name in ((300, "piano"), (1500, "violin"), (100, "cello")):
            x = 0.2 * np.sin(2 * np.pi * (pitch + 10 * piece) * t) * (1 + 0.5 * np.sin(pitch * t / 50))
            soundfile.write(folder / f"piece{piece}/{name}.wav", x, 8000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A working folder in which the stages have run; ``said`` holds what the last one printed."""
    folder = tmp_path_factory.mktemp("work")
    stems(folder / "in")
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name, section in TINY.items():
        whole = name in ("separators", "methods") or not isinstance(section, dict)
        content[name] = section if whole else content[name] | section
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    (folder / "requirements.txt").write_text((ROOT / "requirements.txt").read_text())
    for stage in ("check", "recordings", "mixtures", "separator speech mixtures", "separator trio music", "separate"):
        said = run(folder, *stage.split())
    (folder / "said").write_text(said)
    return folder


def run(folder: Path, stage: str, *arguments: str) -> str:
    """Run a stage in this process as its script does, in a folder; return what it printed."""
    spec = importlib.util.spec_from_file_location(f"stages_{stage}", ROOT / f"stages/{stage}.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        patch.chdir(folder)
        patch.delenv("DVC_ROOT", raising=False)
        patch.setattr(sys, "argv", [f"{stage}.py", *arguments])
        spec.loader.exec_module(module)
        params.run(module.main)
    return said.getvalue()


def test_every_output_is_there(folder):
    assert {path.name for path in (folder / "data/mixtures").iterdir()} == {"mixtures", "music"}
    for name in ("speech", "trio"):
        assert {p.name for p in (folder / f"data/separators/{name}/seed-0").iterdir()} == {
            "config.json", "model.safetensors",
        }  # fmt: skip
        curve = pd.read_csv(folder / f"plots/training/separator_{name}.csv")
        assert curve["loss"].notna().all() and curve["valid"].notna().all() and len(curve) == 1
    assert {path.name for path in (folder / "plots/separation").iterdir()} == {
        "mixtures-2.png", "mixtures-2_affinities.png", "music-3.png", "music-3_affinities.png",
    }  # fmt: skip
    assert (folder / "data/separated/music-3/estimate-3.wav").is_file()
    assert not list((folder / "data").rglob("*.part"))


def test_scores_and_tables_belong_together(folder):
    scores = pd.read_csv(folder / "data/separated/scores.csv", keep_default_na=False)
    assert set(scores["model"]) == {"", "speech", "trio"} and set(scores["corpus"]) == {"mixtures", "music"}
    assert set(scores.loc[scores["corpus"] == "music", "part"]) == {"piano", "violin", "cello"}
    text = (folder / "data/separated/tables.md").read_text()
    assert "## mixtures: two speakers" in text and "## music: 3 instruments" in text and "nan" not in text
    assert text in (folder / "said").read_text()
    summary = json.loads((folder / "metrics/separation.json").read_text())
    own = scores[(scores["model"] == "speech") & (scores["method"] == "global") & (scores["set"] == "open")]
    found = summary["mixtures"]["2 sources"]["open"]["speech global"]["sdr_improvement"]
    assert found == pytest.approx(own["sdr_improvement"].astype(float).mean(), abs=1e-3)
    assert summary["music"]["3 sources"]["open"]["ideal binary"]["sdr_improvement"] > 5


def test_a_model_of_its_own_window(folder):
    config = json.loads((folder / "data/separators/trio/seed-0/config.json").read_text())["parameters"]
    assert (config["window"], config["hidden"], config["k"], config["sources"]) == (64.0, 12, 4, 3)


def test_a_recording_is_separated_from_the_command_line(folder):
    t = np.arange(22050) / 22050
    soundfile.write(folder / "my song.flac", 0.3 * np.sin(900 * t) + 0.3 * np.sin(9000 * t), 22050)
    arguments = ["--model", "data/separators/speech/seed-0", "--sources", "2", "my song.flac", "out/new"]
    script = [sys.executable, str(ROOT / "stages/separate.py"), *arguments]
    done = subprocess.run(script, cwd=folder, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "out/new/my song-1.wav, out/new/my song-2.wav: 1.0 s at 22050 Hz each\n"
    assert sorted(path.name for path in (folder / "out/new").iterdir()) == ["my song-1.wav", "my song-2.wav"]
    with pytest.raises(SystemExit, match=r"error: out/new/my song-1\.wav is there already: move it away, or choose an"):
        run(folder, "separate", *arguments)


SPEECH = ["--model", "data/separators/speech/seed-0"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([*SPEECH, "nowhere.wav", "out"], 1, "error: nowhere.wav: unreadable: no such file"),
        (["--model", "nowhere", "in.wav", "out"], 1, "error: nowhere: holds no separator; `dvc repro separator`"),
        ([*SPEECH, "--sources", "some", "in.wav", "out"], 1, "error: --sources some:"),
        (["in.wav", "out"], 2, "error: the following arguments are required: --model"),
        (["--model", "m", "--device", "tpu", "in.wav", "out"], 2, "argument --device: invalid choice: 'tpu'"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_said_in_a_line(folder, capsys, arguments, status, message):
    with pytest.raises(SystemExit) as caught:
        run(folder, "separate", *arguments)
    code = caught.value.code
    assert code == 2 if status == 2 else isinstance(code, str), "a message is status 1"
    assert message in (capsys.readouterr().err if status == 2 else code)
    assert not (folder / "out/in-1.wav").exists()
