"""The picture of one clip under every op of training. Run by ``dvc repro views`` as ``python stages/views.py``."""

import numpy as np

from audioclust.nn.augment import Augment
from audioclust.nn.clips import load
from audioclust.plots_views import views
from params import Params, run
from paths import CLIPS, LOGMEL, PLOTS


def main() -> None:
    augment = Augment(**Params().section("augment", Augment))
    clips = load(LOGMEL, CLIPS / "durations.npy")
    # The middle clip: as good as any other, and the same one every time.
    row = clips.n // 2
    logmel = np.load(LOGMEL / "logmel.npy", mmap_mode="r")[row]
    PLOTS.mkdir(exist_ok=True)
    views(logmel, int(clips.frames[row]), clips.mean, clips.std, augment, PLOTS / "views.png")


if __name__ == "__main__":
    run(main)
