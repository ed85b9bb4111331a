"""The labels that clusters are scored against, and every ``k`` resolved. Run by ``dvc repro label``.

``data/truth/checked`` never changes: ``logmel`` depends on it, so that a ``k`` that does not fit the clips is said
before any long work, and yet other labels rerun none of it.
"""

import json

import pandas as pd

import own_source  # noqa: F401
from audioclust.runs.label import Label, resolve
from params import Params, run
from paths import CHECK, CLIPS, TRUTH


def main() -> None:
    clips = pd.read_csv(CLIPS / "clips.csv", dtype=str, keep_default_na=False)
    labels = Label(**Params().part("data", Label)).choose(clips)
    classes = labels[labels != ""].nunique()
    (TRUTH / "k").mkdir(parents=True, exist_ok=True)
    labels.to_frame("label").to_csv(TRUTH / "labels.csv", index=False, lineterminator="\n")
    for stage, wanted in json.loads((CHECK / "clusters.json").read_text(encoding="utf-8")).items():
        (TRUTH / "k" / f"{stage}.json").write_text(json.dumps(resolve(wanted, classes, len(clips))) + "\n")
    (TRUTH / "checked").write_text("every k fits the clips\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
