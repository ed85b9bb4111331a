"""The texts of all clips, one file per encoder. Run by ``dvc repro texts`` as ``python stages/texts.py``."""

import json

import pandas as pd

import own_source  # noqa: F401
from audioclust.runs.texts import write
from params import run
from paths import CHECK, CLIPS, TEXTS


def main() -> None:
    clips = pd.read_csv(CLIPS / "clips.csv", dtype=str, keep_default_na=False)
    write(clips, json.loads((CHECK / "inputs.json").read_text(encoding="utf-8")), TEXTS)


if __name__ == "__main__":
    run(main)
