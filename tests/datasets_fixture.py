"""Tiny corpora in the layouts of the real ones, with generated clips; ``LAYOUTS[name](root)`` writes one.

A layout is written by what the corpora's own documents say, not through their loaders.
"""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import soundfile

SCENES = ("absence", "cooking", "vacuum_cleaner")


def clip(path: Path, channels: int = 1, rate: int = 8000) -> None:
    """Write 10 ms of noise, seeded by the file's name; the ending says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(list(path.name.encode())).uniform(-0.5, 0.5, (rate // 100, channels))
    soundfile.write(path, noise, rate)


def fsdd(root: Path) -> None:
    """Two digits, two speakers, takes 4 (test) and 5 (train)."""
    for digit in "07":
        for speaker in ("george", "theo"):
            for take in (4, 5):
                clip(root / f"free-spoken-digit-dataset-1.0.10/recordings/{digit}_{speaker}_{take}.wav")


def librispeech(root: Path) -> None:
    """Two subsets, three readers, of whom one is not in the table."""
    corpus = root / "LibriSpeech"
    for subset, name in (("dev-clean", "84-121-0000"), ("dev-clean", "84-122-0003"), ("test-clean", "61-70-0001")):
        reader, chapter, _ = name.split("-")
        clip(corpus / subset / reader / chapter / f"{name}.flac")
        (corpus / subset / reader / chapter / f"{reader}-{chapter}.trans.txt").write_text(f"{name} A WORD\n")
    clip(corpus / "test-clean/99/5/99-5-0000.flac")
    clip(corpus / "test-clean/61-70-0001-cut.flac")
    table = "; comment | with | bars\n;ID |SEX| SUBSET |MINUTES| NAME\n61   | M | test-clean | 8.0 | A B\n"
    (corpus / "SPEAKERS.TXT").write_text(table + "84   | F | dev-clean  | 8.0 | C | D\n")


def esc50(root: Path) -> None:
    """Four classes out of four major groups, one of ESC-10."""
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for fold, target, category in ((1, 0, "dog"), (2, 19, "thunderstorm"), (1, 20, "crying_baby"), (5, 49, "hand_saw")):
        name = f"{fold}-100032-A-{target}.wav"
        lines.append(f"{name},{fold},{target},{category},{target in (0, 20)},100032,A")
        clip(root / "ESC-50-master/audio" / name)
    write(root / "ESC-50-master/meta/esc50.csv", lines)


def urbansound8k(root: Path) -> None:
    """Two clips of one Freesound recording and one of another, stereo."""
    lines = ["slice_file_name,fsID,start,end,salience,fold,classID,class"]
    for name, fold, label in (
        ("7061-6-0-0.wav", 10, "gun_shot"),
        ("7061-6-0-1.wav", 10, "gun_shot"),
        ("100032-3-0-0.wav", 5, "dog_bark"),
    ):
        lines.append(f"{name},{name.split('-')[0]},0.0,0.3,1,{fold},{name.split('-')[1]},{label}")
        clip(root / f"UrbanSound8K/audio/fold{fold}" / name, channels=2)
    write(root / "UrbanSound8K/metadata/UrbanSound8K.csv", lines)


def speech_commands(root: Path) -> None:
    """Two words, two speakers, one of them twice, and the background noise that is no word."""
    corpus = root / "speech_commands_v0.02"
    for name in ("yes/004ae714_nohash_0", "yes/004ae714_nohash_1", "no/0a7c2a8d_nohash_0", "_background_noise_/pink"):
        clip(corpus / f"{name}.wav")
    write(corpus / "testing_list.txt", ["no/0a7c2a8d_nohash_0.wav"])
    write(corpus / "validation_list.txt", [])


def dcase2018_task5(root: Path) -> None:
    """Three scenes of 12, 6 and 2 moments in sessions of 4, 3 and 2, each moment heard by two nodes."""
    lines, session = [], 0
    for scene, sessions in zip(SCENES, ((4, 4, 4), (3, 3), (2,)), strict=True):
        for count in sessions:
            session += 1
            for segment in range(count):
                for node in (1, 2):
                    name = f"audio/DevNode{node}_ex{session}_{segment}.wav"
                    clip(root / "DCASE2018-task5-dev" / name, channels=4)
                    lines.append(f"{name}\t{scene}\tDevNode{node}_ex{session}")
    write(root / "DCASE2018-task5-dev/meta.txt", lines)


def folder(root: Path) -> None:
    """Two labelled subfolders; endings in both cases, hidden files and other files."""
    for name in ("cat/a.wav", "cat/deep/b.FLAC", "dog/c.wav", "dog/.hidden.wav", ".cache/d.wav"):
        clip(root / name)
    write(root / "dog/notes.txt", ["no recording"])


def write(path: Path, lines: list[str]) -> None:
    """Write ``lines``, each ended by a line feed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def packed(kind: str, members: dict[str, bytes]) -> bytes:
    """Return a .zip or .tar.gz of ``members``."""
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as stream:
            for name, content in members.items():
                stream.writestr(name, content)
        return out.getvalue()
    with tarfile.open(fileobj=out, mode="w:gz") as stream:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            stream.addfile(member, io.BytesIO(content))
    return out.getvalue()


LAYOUTS = {
    layout.__name__: layout
    for layout in (fsdd, librispeech, esc50, urbansound8k, speech_commands, dcase2018_task5, folder)
}
