"""Everything that is trained can be fitted, resumed, saved, loaded and used on another device than the CPU, and in
bfloat16, as on CUDA.
"""

import sys

import numpy as np
import pytest
import torch
from deep_fixture import sounds
from device_fixture import device

from audioclust import registry
from audioclust.devices import autocast, full_precision
from audioclust.parameters import types
from audioclust.training.loop import Run
from audioclust.views.augment import OPS, Augment

X, FRAMES = sounds(24)[0], np.full(24, 20)
# Every switch of the cut, so that each of its branches runs on the device.
VIEWS = {"width": 12, "pool": (2, 1), "trim": 2.0, "dynamics": 1.0, "centre": "band"}
SMALL = {"channels": 4, "d": 16, "projection": 8, "hidden": 16, "queue": 12, "batch": 12, "epochs": 2}
SELF = {"stage": "self", "heads": 2, "passes": 2, "views": 2}
JOINT = {"stage": "joint", "neighbours": 2, "agreement": 0.5, "confidence": 0.3, "balance": 1.0, "joint_epochs": 2,
         "joint_batch": 4, "mu": 2}  # fmt: skip
METHODS = [  # but PCL: the simulated device has no torch.quantile; test_contract.py tries it on a GPU
    ("spice", SELF),
    ("spice", SELF | JOINT | {"scale": "standardise"}),
    ("spice", SELF | JOINT | {"joint_start": "encoder"}),
    ("temi", {"heads": 4, "warmup_epochs": 1, "neighbours": 5, "scale": "standardise"}),
    ("scan", {"stage": "cluster", "update": "heads", "views": 2, "neighbours": 5, "heads": 2}),
    ("scan", {"stage": "selflabel", "neighbours": 5, "heads": 2, "threshold": 0.3, "selflabel_epochs": 2}),
    ("deepcluster", {"hidden": 16, "n_init": 2, "reassign": 2, "start": "pretext"}),
    ("deepcluster", {"backbone": "audiontt", "channels": 4, "d": 16, "hidden": 16, "n_init": 2, "reassign": 2,
                     "frontend": "decar", "augment": Augment(**VIEWS)}),
    ("cc", {"projection": 8}),
    ("idfd", {"projection": 8, "n_init": 2}),
    ("dec", {"d": 4, "hidden": [8], "layer_epochs": 2, "whole_epochs": 2}),
    ("cmsc_dcca", {"d": 4, "channels": 2, "hidden": [8], "pretrain_epochs": 2}),
]  # fmt: skip


NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture(params=["simulated", pytest.param("cuda", marks=NO_GPU)])
def there(request):
    if request.param == "cuda":
        yield "cuda"
    else:
        with device() as name:
            yield name


def encoder(name, **parameters):
    """Return an encoder with those of the small parameters that it has."""
    kind = registry.get("pretext", name)
    return kind(**{key: value for key, value in SMALL.items() if key in types(kind)} | parameters)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of an encoder trained on the CPU."""
    folder = tmp_path_factory.mktemp("encoder")
    encoder("simclr", augment=Augment(**VIEWS)).fit(X, frames=FRAMES).save(folder)
    return folder


def fitted(name, trained, there, tmp_path, **parameters):
    start = registry.get("pretext", "simclr").load(trained, there)
    embedding = start.transform(X, frames=FRAMES)
    model = registry.get("methods", name)(3, epochs=2, batch=12, device=there, **parameters)
    x = {"logmel": X, "embedding": embedding, "views": [X, embedding]}[model.input]
    run = Run(tmp_path / "checkpoints", every=0)
    return x, model.fit(x, frames=FRAMES, encoder=start, embedding=embedding, run=run), run


def test_the_simulated_device_is_one():
    with device() as there:
        x = torch.ones(3, device=there)
        assert x.device.type == there and x.cpu().device.type == "cpu"
        assert torch.equal((x + x)[torch.tensor([0, 2])].cpu(), torch.full((2,), 2.0))
        with pytest.raises(RuntimeError, match="expected all tensors to be on the same device"):
            x + torch.ones(3)
        with pytest.raises(RuntimeError, match="expected all tensors to be on the same device"):
            torch.ones(3)[torch.tensor([0]).to(there)]
        with pytest.raises(TypeError, match="convert"):
            np.asarray(x)


@pytest.mark.parametrize("length", ["fit", "crop"])
def test_every_op_stays_on_the_device(there, length):
    x = torch.randn(5, 16, 24, device=there)
    frames = torch.tensor([24, 20, 9, 3, 1]).to(there)
    for op in OPS:
        view = Augment(**VIEWS, length=length, strong=("crop", op)).strong_view(x, frames)
        assert view.device.type == there and view.isfinite().all()


@pytest.mark.parametrize("backbone", ["audiontt", "grid", "resnet18"])
def test_backbones_on_the_device(there, backbone):
    model = encoder("simclr", epochs=1, backbone=backbone, device=there)
    assert np.isfinite(model.fit(X, frames=FRAMES).transform(X, frames=FRAMES)).all()


@pytest.mark.parametrize("name", registry.names("pretext"))
def test_encoders_on_the_device(there, tmp_path, name):
    def fit(epochs, run):
        model = encoder(name, epochs=epochs, views=2, augment=Augment(**VIEWS), device=there)
        return model.fit(X, frames=FRAMES, run=run)

    fit(1, Run(tmp_path, every=0))
    run = Run(tmp_path, every=0)
    model = fit(2, run)  # with the restored optimiser
    assert run.earlier > 0
    embedding = model.transform(X, frames=FRAMES)
    assert isinstance(embedding, np.ndarray) and np.isfinite(embedding).all()
    model.save(tmp_path / "saved")
    np.testing.assert_array_equal(type(model).load(tmp_path / "saved", there).transform(X, frames=FRAMES), embedding)
    on_the_cpu = type(model).load(tmp_path / "saved").transform(X, frames=FRAMES)
    assert on_the_cpu.shape == embedding.shape


@pytest.mark.parametrize(("name", "parameters"), METHODS)
def test_methods_on_the_device(trained, there, tmp_path, name, parameters):
    x, model, _ = fitted(name, trained, there, tmp_path, **parameters)
    assert isinstance(model.labels_, np.ndarray) and model.labels_.shape == (24,)
    _, again, run = fitted(name, trained, there, tmp_path, **parameters)
    assert run.earlier > 0  # restored, not trained again
    np.testing.assert_array_equal(again.labels_, model.labels_)
    model.save(tmp_path / "saved")
    loaded = type(model).load(tmp_path / "saved", there)
    np.testing.assert_array_equal(loaded.predict(x, frames=FRAMES), model.predict(x, frames=FRAMES))


def test_full_precision(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(torch, "autocast", lambda *chosen: chosen)
    assert autocast("cuda") == ("cuda", torch.bfloat16)
    with pytest.raises(KeyError), full_precision():
        with autocast("cuda") as nothing:
            assert nothing is None
        raise KeyError
    assert autocast("cuda") == ("cuda", torch.bfloat16)  # whatever was raised inside


@pytest.fixture
def bfloat16(monkeypatch):
    """Autocast of the CPU, whose list of operations is not CUDA's: what comes out of products is bfloat16 in both."""
    used = []

    def autocast(device):
        used.append(device)
        return torch.autocast("cpu", torch.bfloat16)

    for folder in ("pretext", "methods"):
        for name in registry.names(folder):
            registry.get(folder, name)  # imported before it is patched
    for name, module in list(sys.modules.items()):
        if name.startswith("audioclust.") and hasattr(module, "autocast"):
            monkeypatch.setattr(module, "autocast", autocast)
    yield
    assert used


@pytest.mark.parametrize("name", registry.names("pretext"))
def test_encoders_in_bfloat16(bfloat16, name):
    embedding = encoder(name, augment=Augment(**VIEWS)).fit(X, frames=FRAMES).transform(X, frames=FRAMES)
    assert embedding.dtype == np.float32 and np.isfinite(embedding).all()
    bits = embedding.view(np.uint32)
    assert not (bits & 0xFFFF).any()  # the last layer's output, so it was computed in bfloat16


@pytest.mark.parametrize(("name", "parameters"), METHODS)
def test_methods_in_bfloat16(trained, bfloat16, tmp_path, name, parameters):
    x, model, _ = fitted(name, trained, "cpu", tmp_path, **parameters)
    np.testing.assert_array_equal(model.predict(x, frames=FRAMES), model.labels_)
