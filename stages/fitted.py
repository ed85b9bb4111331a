"""What this project has fitted, for stages that make a model of a cell."""

import pandas as pd

import cells
import own_source  # noqa: F401
from audioclust import registry
from audioclust.report import table
from audioclust.report.edits import BEST
from audioclust.runs.embed import Embed
from audioclust.runs.predict.export import Outputs
from audioclust.runs.prepare import Prepare
from audioclust.runs.reduce import Reduce
from params import Params
from paths import CLIPS, METRICS


def outputs(params: Params) -> Outputs:
    """Return what the stages have written, with the parameters of ``params.yaml``."""
    frozen = params.items("encoders")
    return Outputs(
        data=CLIPS.parent,
        prepare=Prepare(**params.part("data", Prepare)),
        embed=Embed(**params.section("embed", Embed)),
        seeds=params.items("seeds"),
        scale=Reduce(**params.section("reduce", Reduce)).scale,
        archives=cells.archives(params),
        encoders={name: params.section(name, registry.get("encoders", name)) for name in frozen},
        pca=params.section("pca", registry.get("reducers", "pca")),
    )


def named(cell: str) -> str:
    """Return the name of a cell, of ``BEST`` that of the table's best one."""
    if cell != BEST:
        return cell
    path = METRICS / "table.csv"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; `make repro` writes it")
    best = table.best(pd.read_csv(path))
    return "/".join(best[part] for part in table.KEY)
