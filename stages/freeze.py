"""Keep the statistics that log-mels are standardised with, so that recordings that are added change no other embedding.

Run as ``python stages/freeze.py`` after ``dvc repro``: it writes the mean and the deviation of the clips that are there
into ``params.yaml`` (``logmel.statistics``), where ``auto`` takes them anew in each run.
"""

import io
import json

from ruamel.yaml import YAML

import own_source  # noqa: F401
from audioclust.results import files
from params import Params, run
from paths import LOGMEL


def main() -> None:
    path = Params().path
    own = json.loads((LOGMEL / "info.json").read_text(encoding="utf-8"))["of_these_clips"]
    yaml, text = YAML(), io.StringIO()  # which leaves comments where they are, as DVC does
    yaml.width, yaml.preserve_quotes = 4096, True
    content = yaml.load(path.read_text(encoding="utf-8"))
    content["logmel"] = content.get("logmel") or {}
    content["logmel"]["statistics"] = [own["mean"], own["std"]]
    yaml.dump(content, text)
    files.write_text(path, text.getvalue())
    print(f"{path}: logmel.statistics = [{own['mean']}, {own['std']}]")


if __name__ == "__main__":
    run(main)
