"""DCASE 2018 task 5 (from SINS): nine classes of domestic activity, 10 s, 16 kHz, four microphones per node.

72,984 development clips: 18,246 moments, each heard by four nodes. Clips of one moment are near-duplicates, so one node
is the default; a session is one continuous recording of one activity, and clusters follow it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from audioclust.datasets import _download as web
from audioclust.datasets import _layout
from audioclust.parameters import Natural, validate

# Record 1217452 is superseded: its audio was replaced because of an error.
URL = "https://zenodo.org/record/1247102/files/DCASE2018-task5-dev.{part}.zip"
AUDIO_MD5 = """
    ae81259fa58b4ed11babd52386cb035a 88f2fa5306f76d6b4c4c82ce63798dc4 6fe16ce76abf801aa64662b06eecdacf
    29892d9d444db700283058ea032ed18e 05aad2d1c80bf4b73d8c23ade155e9df aa9bad6f4b877e5c4c74aa26f9e31c32
    b87d1fb20da8ce1f45d50c56bf35c560 d214fe45d50a18a18ebe7051956b872b 668631009d2b3bcf872bdd3d780446c6
    195c2d2a810c5c4bf6523541a8536a58 1c92328c0fad3f9eb4a114bac89e8b19 b651887afa7558bcbd79267fc40ea6c6
    f05a08f5c85633210be81c5ad5da3ef0 5c97b4ed12c167bf27bf3320fc3e665d 78370c4047caedfbc002b9d010ae4172
    635747f2a89eb4fee971c53585bbac93 a166c76ef8af1eef1e2c1b193de127a6 ed326b2f5e8bb65553cea738a1a42250
    429874b969a345e176136f2da6c6ec13 b5779fdfb14194c3823f981f573f4784 684874d4882945145642be946dc10f39
    6d1767a8ef6e3c5978f86a5b372641b6 4b727a3aca0b6b1456df46dd6196ae97
"""
# In the order of fetching. meta.txt, by which the corpus is recognised, comes last: a fetch that was cut short is
# continued, and never taken for the corpus.
CHECKSUMS = (
    {"doc": "md5:4517a2560820af5da20e65e4a15a2d90"}
    | {f"audio.{i}": f"md5:{digest}" for i, digest in enumerate(AUDIO_MD5.split(), start=1)}
    | {"meta": "md5:8fd269986c168db5562e7509e6dc033a"}
)
SIZE = 45_800_000_000  # zipped, in 23 archives of sound and two small ones
UNPACKED = 93_400_000_000  # 72,984 x 1.28 MB
PART = 2_000_000_000  # one zipped audio archive, at most
LICENSE = "free for non-commercial use; the text is in the doc archive"
CITATION = "G. Dekkers et al., The SINS database for detection of daily activities in a home environment, DCASE 2017"
LABELS = ("scene", "node")
FOLDERS = ("DCASE2018-task5-dev",)

Node = Annotated[int, Field(ge=1, le=7)]


@dataclass
class DCASE2018Task5:
    """``root`` is the corpus' folder, or the one that holds ``DCASE2018-task5-dev``."""

    nodes: Annotated[tuple[Node, ...], Field(min_length=1)] = (1,)  # the microphones that are listened to
    balance: Natural = 0  # clips per class at most, spread over its sessions; 0 for all

    def recordings(self, root: Path) -> pd.DataFrame:
        """Return path, group (the session), scene and node."""
        validate(self)
        folder = _layout.find(root, "meta.txt", FOLDERS, "dcase2018_task5")
        meta = pd.read_csv(folder / "meta.txt", sep="\t", header=None, names=["file", "scene", "session"], dtype=str)
        meta["node"] = meta["file"].str.extract(r"Node(\d)_", expand=False).fillna("")
        meta = meta[meta["node"].isin([str(node) for node in self.nodes])].sort_values("file")
        if not len(meta):
            nodes = list(self.nodes)
            raise ValueError(f"dcase2018_task5.nodes = {nodes}: {folder / 'meta.txt'} lists no clip of these nodes")
        if self.balance:
            scenes = meta.groupby("scene", group_keys=False)[list(meta.columns)]
            meta = scenes.apply(lambda clips: _spread(clips, self.balance))
        rows = [
            {"path": _layout.relative(folder / r.file, root), "group": r.session, "scene": r.scene, "node": r.node}
            for r in meta.itertuples()
        ]
        return _layout.table(rows, LABELS)

    def download(self, root: Path) -> None:
        """Fetch and unpack the 25 archives of the development set below ``root``; each one that is done is kept."""
        archives = {part: root / f"DCASE2018-task5-dev.{part}.zip" for part in CHECKSUMS}
        left = [part for part, archive in archives.items() if not web.is_unpacked(archive, root)]
        audio = sum(part.startswith("audio") for part in left)
        web.check_space(root, audio * UNPACKED // 23 + PART * bool(audio), "DCASE 2018 task 5")
        for part in left:
            web.fetch_and_unpack(URL.format(part=part), CHECKSUMS[part], archives[part], root, None)


def _spread(clips: pd.DataFrame, count: int) -> pd.DataFrame:
    """Take clips session by session in turn, in a random order with a fixed seed, until there are ``count``."""
    shuffled = clips.iloc[np.random.default_rng(0).permutation(len(clips))]
    turn = shuffled.groupby("session").cumcount()
    return shuffled.iloc[np.argsort(turn.to_numpy(), kind="stable")[:count]]
