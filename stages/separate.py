"""Test mixtures separated by every model, scored, drawn, and written as sounds. Run by ``dvc repro separate``.

With arguments it separates a recording of your own, one file per source:

    python stages/separate.py --model data/separators/speech/seed-0 --sources 2 in.wav out/
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import pandas as pd

import own_source  # noqa: F401
from audioclust.devices import pick_device
from audioclust.report import separation
from audioclust.results import costs, files
from audioclust.runs.examples import chosen, example
from audioclust.runs.mixtures import MIXTURES as DRAWN
from audioclust.runs.recording import separate_recording
from audioclust.runs.separate import COLUMNS, Separate
from audioclust.separation.corpus import Corpus, read_mixtures
from audioclust.separation.separator import Separator
from params import Params, run
from paths import COSTS, METRICS, MIXTURES, PLOTS, SEPARATED, SEPARATORS


def main() -> None:
    if len(sys.argv) > 1:
        recording()
        return
    params = Params()
    settings = Separate(**params.section("separate", Separate))
    device = pick_device(params["train"]["device"])
    shutil.rmtree(PLOTS / "separation", ignore_errors=True)  # those of models that are no more
    (PLOTS / "separation").mkdir(parents=True)
    rows, about = [], {}
    with costs.measured() as cost:
        for section in params.mixtures():
            corpus = Corpus.load(MIXTURES / section)
            mixtures = read_mixtures(MIXTURES / section / DRAWN)
            names = [name for name, own in params.separators().items() if own["mixtures"] == section]
            models = {
                (name, seed): Separator.load(SEPARATORS / name / f"seed-{seed}", device)
                for name in names for seed in params.items("seeds")
            }  # fmt: skip
            for (name, _), model in models.items():
                pairs = params[section].get("pairs", "all")
                about[name] = {"sources": model.sources, "pairs": pairs, "k": model.k, "activation": model.activation}
            rows.append(settings.rows(corpus, mixtures, models).assign(corpus=section))
            for row in chosen(mixtures).itertuples():
                of_as_many = [model for model in models.values() if model.sources == row.count]
                model = next(iter(of_as_many or models.values()))
                example(f"{section}-{row.count}", settings, corpus, row, model, SEPARATED, PLOTS / "separation")
        _write(pd.concat(rows) if rows else pd.DataFrame(columns=[*COLUMNS, "corpus"]), about)
    costs.write(COSTS, "separate", [cost])


def _write(rows: pd.DataFrame, about: dict) -> None:
    table = separation.aggregate(rows, about)
    text = separation.markdown(table)
    files.write_text(SEPARATED / "scores.csv", rows.to_csv(index=False))
    files.write_text(SEPARATED / "tables.md", text)
    files.write_text(METRICS / "separation.csv", table.to_csv(index=False))
    files.write_text(METRICS / "separation.json", json.dumps(separation.summary(table), indent=1) + "\n")
    print(text)


def recording() -> None:
    """Separate the recording that the arguments name."""
    parser = argparse.ArgumentParser(prog="separate.py", description="Separate a recording, one file per source.")
    parser.add_argument("--model", type=Path, required=True, help="folder of a separator, such as data/separators/...")
    parser.add_argument("--sources", default="auto", help="how many there are; auto: estimated")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("recording", type=Path)
    parser.add_argument("out", type=Path, help="folder for <name>-1.wav, <name>-2.wav, ...")
    given = parser.parse_args()
    model = Separator.load(given.model, pick_device(given.device))
    print(separate_recording(given.recording, given.sources, model, given.out))


if __name__ == "__main__":
    run(main)
