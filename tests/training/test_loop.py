"""A killed training resumes and ends byte-identical; a checkpoint that is damaged or of another run is not used."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from audioclust.devices import autocast, memory_hint, pick_device, seeded
from audioclust.threads import one_thread
from audioclust.training import loop as training
from audioclust.training.loop import Epoch, Run, batches, epochs

COUNT = 4
X = torch.linspace(-1, 1, 21 * 6).reshape(21, 6)


class Killed(Exception):
    pass


def raising():
    raise Killed


def killing():
    os.kill(os.getpid(), signal.SIGKILL)


def train(run, stop=None, at=-1):
    """Two phases that depend on all that a checkpoint must hold: stop in epoch ``at`` of both phases, counted through.

    Returns the weights, the best ones, a memory bank that a closure knows by another name, and a last random draw.
    """
    with one_thread(), seeded(3, "cpu"):
        network = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 6))
        optimiser = torch.optim.Adam(network.parameters(), 0.01)
        schedule = torch.optim.lr_scheduler.StepLR(optimiser, 2, 0.5)
        bank = torch.randn(21, 6)
        memory = {"bank": bank, "loss": math.inf, "weights": None, "nested": {"seen": 0}}
        state = {"network": network, "optimiser": optimiser, "schedule": schedule, "memory": memory}
        done = 0
        for phase in ("first", "second"):
            done += COUNT * (phase == "second")
            bank += torch.randn(21, 6)  # between two phases, from the restored state
            for epoch in epochs(COUNT, state, run, phase):
                total = 0.0
                for rows in batches(21, 5):
                    loss = (network(X[rows]) - bank[rows]).square().mean()
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()
                    bank[rows] = 0.9 * bank[rows] + 0.1 * torch.randn(len(rows), 6)
                    epoch.add(loss=loss, rows=len(rows))
                    total += loss.item()
                    if done + epoch.number == at:
                        stop()
                schedule.step()
                memory["nested"]["seen"] += 1
                if total < memory["loss"]:
                    memory["loss"] = total
                    memory["weights"] = {name: value.clone() for name, value in network.state_dict().items()}
        return {**network.state_dict(), "bank": bank, "draw": torch.rand(1), "seen": memory["nested"]["seen"],
                "lr": optimiser.param_groups[0]["lr"],
                **{f"best {name}": value for name, value in memory["weights"].items()}}  # fmt: skip


@pytest.fixture(scope="module")
def whole():
    """Results and curves of a run that nothing stopped and that wrote nothing."""
    run = Run()
    return train(run), run.curves


def same(result, run, whole):
    assert run.curves == whole[1]
    assert result.keys() == whole[0].keys()
    for name, value in result.items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(whole[0][name])), name


def test_curves_hold_the_means_of_each_epoch(whole):
    curves = whole[1]
    assert [(row["phase"], row["epoch"]) for row in curves] == [(p, e) for p in ("first", "second") for e in range(4)]
    assert all(row["rows"] == 5 and type(row["loss"]) is float for row in curves)
    assert curves[-1]["loss"] < curves[0]["loss"]


@pytest.mark.parametrize("every", [0, 1e9], ids=["each epoch", "ends of phases only"])
@pytest.mark.parametrize("at", range(2 * COUNT))
def test_a_training_stopped_in_any_epoch_ends_in_the_same_bits(at, every, tmp_path, whole):
    with pytest.raises(Killed):
        train(Run(tmp_path, "key", every=every), raising, at)
    run = Run(tmp_path, "key", every=every)
    same(train(run), run, whole)


def test_a_killed_process_ends_in_the_same_bits(tmp_path, whole):
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_loop as t; from pathlib "
        f"import Path; t.train(t.Run(Path({str(tmp_path)!r}), 'key', every=0), t.killing, 6)"
    )
    assert subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode == -signal.SIGKILL
    assert (tmp_path / "second.ckpt").exists()
    run = Run(tmp_path, "key")
    same(train(run), run, whole)


def test_a_finished_phase_is_restored_without_an_epoch(tmp_path, whole):
    train(Run(tmp_path, "key"))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert before.keys() == {"first.ckpt", "second.ckpt"}
    run = Run(tmp_path, "key")
    same(train(run, raising, 0), run, whole)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_momentum_and_parameters_in_a_dict_are_restored(tmp_path):
    def fit(count):
        parameter = nn.Parameter(torch.ones(3))
        optimiser = torch.optim.SGD([parameter], 0.1, momentum=0.9)
        for _ in epochs(count, {"weights": {"w": parameter}, "optimiser": optimiser}, Run(tmp_path, every=0)):
            optimiser.zero_grad()
            parameter.square().sum().backward()
            optimiser.step()
        return parameter.detach()

    fit(2)
    resumed = fit(4)
    (tmp_path / "train.ckpt").unlink()
    assert torch.equal(resumed, fit(4))


@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty", "header only"])
def test_a_damaged_checkpoint_is_set_aside(damage, tmp_path, whole):
    train(Run(tmp_path, "key"))
    path = tmp_path / "second.ckpt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes({"flipped": data, "truncated": data[:-9], "empty": b"", "header only": data[:20]}[damage])
    run = Run(tmp_path, "key")
    with pytest.warns(UserWarning, match=r"second\.ckpt is damaged"):
        same(train(run), run, whole)
    assert (tmp_path / "second.ckpt.damaged").exists() and path.exists()


def test_a_checkpoint_of_another_key_is_ignored(tmp_path, whole):
    train(Run(tmp_path, "other"))
    with pytest.raises(Killed):  # the first epoch is not taken as done
        train(Run(tmp_path, "key"), raising, 0)
    run = Run(tmp_path, "key")
    same(train(run), run, whole)
    with pytest.raises(Killed):  # and what the other left has been replaced
        train(Run(tmp_path, "other"), raising, 0)


def test_a_write_that_was_cut_short_does_no_harm(tmp_path, whole):
    with pytest.raises(Killed):
        train(Run(tmp_path, "key", every=0), raising, 2)
    (tmp_path / "first.ckpt.part").write_bytes(b"half a checkpoint")
    run = Run(tmp_path, "key")
    same(train(run), run, whole)


def test_a_checkpoint_of_edited_code_says_what_to_delete(tmp_path):
    list(epochs(1, {"network": nn.Linear(2, 3)}, Run(tmp_path)))
    for state in ({"network": nn.Linear(2, 4)}, {"backbone": nn.Linear(2, 3)}):
        with pytest.raises(ValueError, match=r"train\.ckpt does not fit .* delete it"):
            list(epochs(1, state, Run(tmp_path)))


@pytest.mark.parametrize("value", [np.float64(1), np.zeros(2), {1}, object()])
def test_what_would_not_load_again_is_refused_when_it_is_saved(value, tmp_path):
    with pytest.raises(TypeError, match=r"best\.loss is a .*: a checkpoint holds tensors"):
        list(epochs(1, {"best": {"loss": value}}, Run(tmp_path)))


def test_a_view_does_not_bring_its_whole_storage(tmp_path):
    list(epochs(1, {"best": {"row": torch.zeros(1000, 1000)[3]}}, Run(tmp_path)))
    assert (tmp_path / "train.ckpt").stat().st_size < 50_000


def test_a_dict_comes_back_in_place(tmp_path):
    first = {"bank": torch.arange(3.0), "best": {"a": torch.ones(2)}, "list": [1, (2.5, "x")], "none": None}
    list(epochs(1, {"memory": first}, Run(tmp_path)))
    bank, best = torch.zeros(3), {"b": 1}
    second = {"bank": bank, "best": best, "stale": 1}
    list(epochs(1, {"memory": second}, Run(tmp_path)))
    assert second["bank"] is bank and second["best"] is best
    assert torch.equal(bank, first["bank"]) and torch.equal(best.pop("a"), torch.ones(2)) and not best
    assert second["list"] == first["list"] and second["none"] is None and "stale" not in second


def test_checkpoints_are_written_every_so_often(tmp_path, monkeypatch):
    now, written = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(training.checkpoints, "write", lambda path, content: written.append(content["done"]))
    for _ in epochs(9, {}, Run(tmp_path, every=30)):
        now[0] += 12
    assert written == [3, 6, 9]


def test_each_phase_has_its_own_name():
    run = Run()
    list(epochs(1, {}, run))
    with pytest.raises(ValueError, match="the phase 'train' has been run"):
        list(epochs(1, {}, run))


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path):
    with pytest.raises(RuntimeError, match=r"toy train: the mean loss of epoch 1 is nan"):
        for epoch in epochs(3, {}, Run(tmp_path, name="toy", every=0)):
            epoch.add(loss=torch.tensor(math.nan if epoch.number else 1.0))


def test_metrics_are_means_over_the_steps_that_gave_them():
    epoch = Epoch(3, 12)
    weight = torch.ones((), requires_grad=True)
    for value in (1.0, 2.0, 6.0):
        epoch.add(loss=weight * value, plain=value)
    epoch.add(once=torch.tensor(5))
    assert epoch.means() == {"loss": 3.0, "plain": 3.0, "once": 5.0}
    assert epoch.progress == 0.25


def test_adding_a_metric_does_not_wait_for_its_value():
    epoch = Epoch(0, 1)
    for _ in range(2):
        epoch.add(loss=torch.ones((), device="meta"))  # a device from which no value can be had
    with pytest.raises((RuntimeError, NotImplementedError)):
        epoch.means()


@pytest.mark.parametrize(("n", "size", "drop_last", "sizes"), [
    (10, 4, True, [4, 4]), (10, 4, False, [4, 4, 2]), (8, 4, True, [4, 4]), (3, 4, True, [3]), (3, 4, False, [3]),
    (1, 1, True, [1]),
])  # fmt: skip
def test_batches(n, size, drop_last, sizes):
    rows = list(batches(n, size, drop_last))
    assert [len(part) for part in rows] == sizes
    together = torch.cat(rows)
    assert together.dtype == torch.int64 and len(together.unique()) == len(together) and together.max() < n


def test_seeded_gives_the_same_numbers_and_leaves_the_callers_alone():
    torch.manual_seed(0)
    before, draws = torch.get_rng_state(), []
    for _ in range(2):
        with seeded(7, "cpu"):
            draws.append(torch.rand(3))
    with pytest.raises(Killed), seeded(7, "cpu"):
        raising()
    assert torch.equal(*draws)
    assert torch.equal(torch.get_rng_state(), before)


def test_devices():
    assert pick_device("cpu") == "cpu"
    assert pick_device() == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ValueError, match="device = 'gpu': choose one of auto, cpu, cuda"):
        pick_device("gpu")
    with autocast("cpu"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none():
    with pytest.raises(ValueError, match="torch finds no CUDA device here"):
        pick_device("cuda")


def test_out_of_memory_names_what_to_lower():
    with pytest.raises(RuntimeError, match=r"simclr\.batch = 512: lower it"), memory_hint("simclr.batch = 512"):
        raise torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(Killed), memory_hint("simclr.batch = 512"):
        raising()


def test_progress_goes_to_stderr_and_little_of_it_to_a_file(capfd):
    for epoch in epochs(50, {}, Run(name="toy", position=2), "second"):  # one of several side by side
        epoch.add(loss=1.5)
    out, err = capfd.readouterr()
    assert out == "" and "toy second" in err and "50/50" in err and "loss 1.5" in err
    assert err.count("\r") < 5 and err.count("\n") < 5 and "\x1b" not in err


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_no_step_waits_and_the_generator_is_restored(tmp_path):
    def draw(count):
        with seeded(1, "cuda"):
            memory = {"x": None}
            for epoch in epochs(count, {"memory": memory}, Run(tmp_path)):
                torch.cuda.set_sync_debug_mode("error")
                epoch.add(loss=torch.rand((), device="cuda"))
                memory["x"] = torch.rand(2, device="cuda")
                torch.cuda.set_sync_debug_mode("default")
            return memory["x"], torch.rand(3, device="cuda")

    before = torch.cuda.get_rng_state()
    first, again = draw(2), draw(2)
    assert again[0].device.type == "cuda"
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert torch.equal(torch.cuda.get_rng_state(), before)
