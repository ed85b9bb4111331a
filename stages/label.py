"""The labels that clusters are scored against, and every ``k`` resolved. Run by ``dvc repro label``.

``data/truth/checked`` never changes: ``logmel`` depends on it, so that a ``k`` that does not fit the clips is said
before any long work, and yet other labels rerun none of it.
"""

import json

import pandas as pd

import own_source  # noqa: F401
from audioclust.results import files
from audioclust.runs.label import Label, number, resolve
from params import Params, run
from paths import CHECK, CLIPS, TRUTH


def main() -> None:
    clips = pd.read_csv(CLIPS / "clips.csv", dtype=str, keep_default_na=False)
    labels = Label(**Params().part("data", Label)).choose(clips)
    classes = labels[labels != ""].nunique()
    wanted = json.loads((CHECK / "clusters.json").read_text(encoding="utf-8"))
    found = resolve({name: k for sections in wanted.values() for name, k in sections.items()}, classes, len(clips))
    if not classes and "auto" in {k for sections in wanted.values() for k in sections.values()}:
        k = number(0, len(clips))
        print(f"k = auto without labels: {k} clusters; -S k=8 sets another number (plots/numbers.png shows many)")
    files.write_text(TRUTH / "labels.csv", labels.to_frame("label").to_csv(index=False, lineterminator="\n"))
    for stage, sections in wanted.items():
        files.write_text(TRUTH / "k" / f"{stage}.json", json.dumps({name: found[name] for name in sections}) + "\n")
    files.write_text(TRUTH / "checked", "every k fits the clips\n")


if __name__ == "__main__":
    run(main)
