"""Fitted encoders and methods in a folder: weights and ``config.json``, byte-identical for the same model."""

import json
from pathlib import Path
from typing import Any

from safetensors import torch as safetensors
from torch import Tensor

from audioclust.parameters import values
from audioclust.results import files
from audioclust.views.augment import Augment

CONFIG, WEIGHTS = "config.json", "model.safetensors"
LOGMEL = ("mean_", "std_", "front_end_")  # attributes of a model on log-mels: what its input is


def save(folder: Path, model: Any, tensors: dict[str, Tensor], weights: str = WEIGHTS, **more: Any) -> None:
    """Write an encoder or a method: its parameters, ``tensors`` and ``more``.

    Args:
        folder: made if it is missing.
        model: a dataclass; one on log-mels has ``augment_`` and ``LOGMEL`` too, which are written. ``augment_`` None:
            it was fitted to embeddings.
        tensors: by name, none of which shares its memory with another.
        weights: the name of their file.
        more: JSON values, which ``load`` returns.
    """
    folder = Path(folder)
    with files.whole(folder / weights) as stream:
        stream.write(safetensors.save({name: value.cpu().contiguous() for name, value in tensors.items()}))
    config = {"parameters": values(model), "more": more}
    if getattr(model, "augment_", None) is not None:
        config |= {"augment": values(model.augment_), "logmel": {name: getattr(model, name) for name in LOGMEL}}
    # A parameter may be one of numpy's numbers.
    text = json.dumps(config, indent=1, sort_keys=True, default=lambda value: value.item())
    files.write_text(folder / CONFIG, text + "\n")


def load(
    folder: Path, kind: type, device: str = "cpu", weights: str = WEIGHTS
) -> tuple[Any, dict[str, Tensor], dict[str, Any]]:
    """Return an unfitted model of ``kind`` with the saved parameters, its tensors on ``device``, and ``more``.

    Raises:
        FileNotFoundError: there is no saved model; the message names the file.
    """
    folder = Path(folder)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    model = kind(**config["parameters"], device=device)
    if "augment" in config:
        model.augment_ = Augment(**config["augment"])
        vars(model).update(config["logmel"])
    return model, safetensors.load_file(folder / weights, device=device), config["more"]
