"""Recordings to clips of one rate and length. Run by ``dvc repro prepare`` as ``python stages/prepare.py``."""

from pathlib import Path

from audioclust import costs, registry
from audioclust.prepare import prepare
from params import PREPARE_SUPPLIED as SUPPLIED
from params import Params, accepted, check_all, dataset_targets, run, source
from paths import CLIPS, COSTS, SCRATCH


def main() -> None:
    params = Params()
    check_all(params)
    _check_weights(params)
    data = params.section("data", source, prepare, supplied=SUPPLIED)
    name = data.pop("dataset")
    dataset = registry.module("datasets", name)
    section = params.section(name, *dataset_targets(dataset), supplied=("root",))
    root = Path(data.pop("root", "data/raw"))
    with costs.measured() as cost:
        recordings = _recordings(dataset, root, section)
        prepare(recordings, root, CLIPS, scratch=SCRATCH / "prepare", **data)
    costs.write(COSTS, "prepare", [cost])


def _check_weights(params: Params) -> None:
    """Find and load every encoder's weights, so that absent ones stop the run before any work."""
    for name in params.items("encoders"):
        kind = registry.get("encoders", name)
        kind(**params.section(name, kind), device="cpu").prepare()


def _recordings(dataset, root: Path, section: dict):
    """List the recordings; where a folder lacks them and the set can be fetched (or rendered), do that first."""
    try:
        return dataset.recordings(root, **accepted(dataset.recordings, section))
    except FileNotFoundError:
        # A folder that does not exist is a slip of the pen, not a wish for gigabytes.
        if not hasattr(dataset, "download") or not root.is_dir():
            raise
    dataset.download(root, **accepted(dataset.download, section))
    return dataset.recordings(root, **accepted(dataset.recordings, section))


if __name__ == "__main__":
    run(main)
