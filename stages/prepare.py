"""Recordings to clips of one rate and length. Run by ``dvc repro prepare`` as ``python stages/prepare.py``.

``summary.txt`` says where labels come from, what was used and what was not.
"""

import json

import own_source  # noqa: F401
from audioclust.results import costs, files
from audioclust.results.kept import Kept, prune
from audioclust.runs.prepare import Prepare
from params import Params, run
from paths import CHECK, CLIPS, COSTS, KEPT, RATES, SCRATCH
from source import found


def main() -> None:
    params = Params()
    with costs.measured() as cost:
        root, recordings = found(params)
        said = recordings.attrs.get("said", [])
        print(*said, sep="\n", end="\n" * bool(said))
        wanted = json.loads(RATES.read_text(encoding="utf-8"))
        kept = Kept(KEPT, (CHECK / "code/prepare").read_text(encoding="utf-8"))
        used = Prepare(**params.part("data", Prepare)).run(
            recordings, root, CLIPS, scratch=SCRATCH / "prepare", rates=(wanted["least"], wanted["most"]), kept=kept,
            known=SCRATCH / "digests.csv",
        )  # fmt: skip
    prune(KEPT)
    files.write_text(CLIPS / "summary.txt", "\n".join([*said, used, ""]))
    costs.write(COSTS, "prepare", [cost])
    print(kept.said("recordings"))
    print(used)


if __name__ == "__main__":
    run(main)
