"""Fitted encoders and methods in a folder: weights and ``config.json``, the same bytes for the same model."""

import json
from inspect import signature
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from audioclust.nn.augment import Augment

CONFIG, WEIGHTS = "config.json", "model.safetensors"
CALLERS = ("augment", "device", "random_state")  # what the caller supplies, not the parameters of a method


def save(folder: Path, model: Any, tensors: dict[str, Tensor], weights: str = WEIGHTS, **more: Any) -> None:
    """Write an encoder or a method: its parameters, ``tensors`` and ``more``.

    Args:
        model: one on log-mels has ``augment_``, ``mean_`` and ``std_`` too, which are written.
        tensors: by name, none of which shares its memory with another.
        weights: the name of their file.
        more: values that JSON has, which ``load`` returns.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.cpu().contiguous() for name, value in tensors.items()}, folder / weights)
    config = {
        "parameters": {name: getattr(model, name) for name in signature(type(model)).parameters if name not in CALLERS},
        "more": more,
    }
    if hasattr(model, "augment_"):
        config |= {"augment": model.augment_.parameters(), "logmel": {"mean_": model.mean_, "std_": model.std_}}
    (folder / CONFIG).write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load(
    folder: Path, kind: type, device: str = "cpu", weights: str = WEIGHTS
) -> tuple[Any, dict[str, Tensor], dict[str, Any]]:
    """Return a model of ``kind`` as its constructor makes it, its tensors on ``device``, and what else was saved.

    Raises:
        FileNotFoundError: there is no saved model; the message names the file.
    """
    folder = Path(folder)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    model = kind(**config["parameters"], device=device)
    if "augment" in config:
        model.augment_ = Augment(**config["augment"])
        vars(model).update(config["logmel"])
    return model, load_file(folder / weights, device=device), config["more"]
