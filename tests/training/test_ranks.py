"""One training by two processes (gloo, on the CPU): the curve and the embedding of one process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audioclust import registry
from audioclust.networks.backbones import build
from audioclust.training import loop, ranks
from audioclust.training.loop import Run
from audioclust.views.augment import Augment

ROOT, HERE = Path(__file__).resolve().parents[2], Path(__file__).resolve().parent
BACKBONES = {"simclr": "audiontt", "moco": "grid", "byol": "audiontt"}
SCRIPT = f"""
import sys; sys.path.insert(0, {str(HERE)!r})
from pathlib import Path
import numpy as np, torch, test_ranks
torch.set_num_threads(1)
test_ranks.ranks.join("cpu")
for name in test_ranks.BACKBONES:
    test_ranks.fit(Path(sys.argv[1], name), name)
test_ranks.fit(Path(sys.argv[1], "resumed"), "simclr")
"""


def fit(out: Path, name: str) -> None:
    """Train an encoder; the first process writes its curves and embedding into ``out``."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 4, (4, 16, 1))[np.arange(22) % 4] - 8 + rng.normal(0, 1, (22, 16, 40))
    views = Augment(width=24, length="crop")
    kind = registry.get("pretext", name)
    model = kind(backbone=BACKBONES[name], channels=4, d=16, batch=11, epochs=6, augment=views)
    (out / "checkpoints").mkdir(parents=True, exist_ok=True)
    run = Run(out / "checkpoints", "key", every=0)
    embedding = model.fit(x.astype(np.float16), run=run).transform(x.astype(np.float16))
    if not ranks.rank():
        np.save(out / "embedding.npy", embedding)
        (out / "curves.json").write_text(json.dumps(run.curves))


def curves(out: Path) -> list[dict[str, float]]:
    return [
        {name: row[name] for name in row if name != "phase"} for row in json.loads((out / "curves.json").read_text())
    ]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Folders of one process and of two, the latter with a training that one process began."""
    top = tmp_path_factory.mktemp("ranks")
    for name in BACKBONES:
        fit(top / "one" / name, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_write", interrupting(loop._write, 3))
        with pytest.raises(KeyboardInterrupt):
            fit(top / "two/resumed", "simclr")
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    (top / "script.py").write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    subprocess.run([*start, top / "script.py", top / "two"], env=environment, check=True)
    return top / "one", top / "two"


def interrupting(write, after):
    def written(run, phase, state, done):
        write(run, phase, state, done)
        if done == after:
            raise KeyboardInterrupt

    return written


@pytest.mark.parametrize("name", [*BACKBONES, "resumed"])
def test_two_processes_have_the_curve_of_one(name, both):
    one, two = both[0] / ("simclr" if name == "resumed" else name), both[1] / name
    assert len(curves(one)) == len(curves(two)) == 6
    for before, after in zip(curves(one), curves(two), strict=True):
        assert after == pytest.approx(before, rel=2e-3, abs=1e-4)
    assert curves(two)[0]["loss"] == pytest.approx(curves(one)[0]["loss"], rel=1e-5)
    np.testing.assert_allclose(*(np.load(each / "embedding.npy") for each in (one, two)), rtol=0.02, atol=2e-3)


def test_one_process_is_left_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    ranks.join("cpu")
    network = build("audiontt", 16, 16, 4)
    kinds = [type(module) for module in network.modules()]
    assert ranks.count() == 1 and ranks.rank() == 0 and ranks.joint(network) is network
    assert [type(module) for module in network.modules()] == kinds


def test_a_network_that_draws_random_numbers_of_its_own_is_refused(monkeypatch):
    monkeypatch.setattr(ranks, "count", lambda: 2)
    with pytest.raises(ValueError, match="EfficientNetB0 skips blocks at random"):
        ranks.joint(build("efficientnet_b0", 1280, 64))
