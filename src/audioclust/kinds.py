"""What one word sets: what is to be heard decides what a view may change and what a network must keep.

A parameter that reads ``auto`` in ``params.yaml`` has the value of this table; any other value stands. ``docs/LOG.md``
says on which recordings the values were found.
"""

from collections.abc import Mapping
from typing import Any, Literal

Kind = Literal["any", "words", "voices", "sounds", "music"]
Sections = Mapping[str, Mapping[str, Any]]


def _changed(base: Sections, **sections: Mapping[str, Any]) -> Sections:
    """Return sections of which some values are others."""
    return {name: {**values, **sections.get(name, {})} for name, values in base.items()}


SOUNDS: Sections = {
    "augment": {
        "width": 48,
        "length": "crop",
        "centre": "none",
        "weak": ["crop", "gain"],
        "strong": ["crop", "stretch", "mixup", "fader", "noise", "time_mask", "band_mask"],
        "trim": 0.0,
        "pool": [2, 2],
        "dynamics": 0.0,
        "warp": 0.15,
        "tilt": 1.0,
        "ripple": 0.5,
    },
    "waves": {"speed": 0.1},
    "simclr": {"backbone": "audiontt", "views": 0, "batch": 64, "epochs": 20},
    "moco": {"backbone": "audiontt", "views": 0, "batch": 64, "epochs": 25},
    "byol": {
        "ops": ["crop", "mixup", "resize_crop", "fader"],
        "backbone": "audiontt",
        "views": 0,
        "batch": 64,
        "epochs": 20,
    },
}
# A word is the same whoever says it, however fast: quiet ends are cut off and the rest is stretched to one length, the
# mean of each band, which is a voice's and a microphone's, is subtracted, views warp the vocal tract, and the network
# keeps the order of time. Words are told apart only after many steps, and against many others at a time.
WORDS = _changed(
    SOUNDS,
    augment={
        "width": 32,
        "length": "fit",
        "centre": "band",
        "strong": ["crop", "stretch", "warp", "tilt", "filter", "fader", "noise"],
        "trim": 1.05,
        "pool": [2, 1],
        "dynamics": 2.0,
        "warp": 0.25,
        "tilt": 2.0,
        "ripple": 1.0,
    },
    simclr={"backbone": "grid", "views": 16, "batch": 256, "epochs": 100},
    moco={"backbone": "grid", "views": 16, "batch": 128, "epochs": 100},
    byol={
        "ops": ["crop", "stretch", "warp", "tilt", "filter", "fader", "noise"],
        "backbone": "grid",
        "views": 16,
        "batch": 128,
        "epochs": 60,
    },
)
# A voice is the same throughout a clip: short windows of it are views of one another, and nothing changes its pitch or
# its formants.
VOICES = _changed(
    SOUNDS,
    augment={
        "width": None,
        "weak": ["crop"],
        "strong": ["crop", "gain", "time_mask"],
        "pool": [2, 1],
    },
    waves={"speed": 0.0},
    simclr={"views": 16},
    moco={"views": 16},
    byol={"ops": ["crop", "gain", "time_mask"], "views": 16},
)
KINDS: Mapping[str, Sections] = {
    "any": SOUNDS,
    "words": WORDS,
    "voices": VOICES,
    "sounds": SOUNDS,
    "music": SOUNDS,
}
