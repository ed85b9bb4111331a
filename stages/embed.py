"""One encoder over all clips. Run by ``dvc repro embed@byol_a`` as ``python stages/embed.py byol_a``."""

import json
import sys

import numpy as np

import own_source  # noqa: F401
from audioclust import registry
from audioclust.clips.logmel import FrontEnd
from audioclust.results import costs
from audioclust.results.embeddings import EMBEDDING, about
from audioclust.results.kept import Kept, prune, share
from audioclust.runs.embed import Embed, origin
from audioclust.runs.embed_views import Sounds, embed_views
from audioclust.views.waves import Waves
from cached import cached
from params import Params, run
from paths import CHECK, CLIPS, COSTS, EMBEDDINGS, ENCODERS, KEPT, LOGMEL, TEXTS


def main() -> None:
    name = sys.argv[1]
    params = Params()
    kind = registry.get("encoders", name)
    section = params.section(name, kind)
    embed = Embed(**params.section("embed", Embed))
    skipped = json.loads((ENCODERS / f"{name}.json").read_text(encoding="utf-8"))["skipped"]
    about(EMBEDDINGS / name, origin(kind), skipped)
    if skipped:
        return
    rate = json.loads((CLIPS / "format.json").read_text(encoding="utf-8"))["sample_rate"]
    durations, digests = np.load(CLIPS / "durations.npy"), np.load(CLIPS / "digests.npy")
    stats = json.loads((LOGMEL / "stats.json").read_text(encoding="utf-8"))
    moments = stats["mean"], stats["std"]
    source = {"logmel": LOGMEL / "logmel.npy", "waveform": CLIPS / "audio.npy", "text": TEXTS / f"{name}.json"}
    share(KEPT, cached(source["logmel"]))
    code = (CHECK / "code/embed" / name).read_text(encoding="utf-8")
    kept = Kept(KEPT, code, stats["front_end"] if kind.input == "logmel" else None)
    with costs.measured(encoder=name) as cost:
        out = EMBEDDINGS / name / EMBEDDING
        embed.run(name, section, source, rate, moments, durations, out, kept=kept, digests=digests)
        asked = json.loads((CHECK / "views" / f"{name}.json").read_text(encoding="utf-8"))
        if asked:
            embed_views(
                embed, name, section, Sounds.of(source["waveform"], rate, durations, digests),
                FrontEnd(**params.part("logmel", FrontEnd)), moments, Waves(**asked["waves"]), asked["counts"],
                EMBEDDINGS / name, kept,
            )  # fmt: skip
    prune(KEPT)
    if kept.computed or kept.taken:
        print(kept.said("embeddings"))
    costs.write(COSTS, f"embed-{name}", [cost])


if __name__ == "__main__":
    run(main)
