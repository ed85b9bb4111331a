"""The tables of separation, in the shape of those of Hershey et al. (2016, arXiv 1508.04306), with theirs beside ours.

The source's mixtures are of WSJ0 at 8 kHz, 30 hours to train on; ours are of whatever corpus was read, so that the two
columns show where ours stands and not which code is better. All are improvements of the SDR over the mixture, in dB,
means over mixtures and their sources.
"""

from typing import Any

import pandas as pd

ALL = "all"  # genders, or instruments
KEY = ["corpus", "model", "sources", "pairs", "k", "activation", "set", "count", "method", "part"]
SCORES = ("sdr_improvement", "si_sdr_improvement", "mixture_sdr", "mixture_si_sdr")
NAMES = {
    "mixture": "mixture", "nmf": "oracle NMF", "oracle": "oracle k-means", "spectral": "oracle spectral",
    "global": "global k-means", "soft": "global, soft masks", "ideal binary": "ideal binary mask",
    "ideal ratio": "ideal ratio mask",
}  # fmt: skip
SETS = ("closed", "open")
DIGITS = 3

# The source's figures, in dB: closed and open set.
METHODS = {"nmf": (5.06, None), "oracle": (6.54, 6.45), "spectral": (6.35, 6.26), "global": (5.87, 5.81)}
EMBEDDINGS = {  # K and activation: oracle, then global permutation
    (5, "tanh"): ((-0.77, -0.74), (-0.96, -1.07)),
    (10, "tanh"): ((5.15, 5.29), (4.52, 4.64)),
    (20, "tanh"): ((6.25, 6.38), (5.56, 5.69)),
    (40, "tanh"): ((6.54, 6.45), (5.87, 5.81)),
    (60, "tanh"): ((6.00, 6.08), (5.19, 5.28)),
    (40, "logistic"): ((6.59, 6.61), (5.86, 5.95)),
}
GENDERS = ("mm", "ff", "fm", ALL)
PAIRS = {  # method and the pairs that were trained on: each of GENDERS
    ("nmf", ""): ((3.25, 3.31, 6.53, 4.90), None),
    ("oracle", "all"): ((3.79, 4.29, 9.04, 6.54), (4.49, 3.21, 8.69, 6.45)),
    ("oracle", "balanced"): ((3.89, 4.35, 8.74, 6.42), (4.61, 3.49, 8.27, 6.41)),
    ("oracle", "female"): ((None, 5.03, None, None), (None, 4.04, None, None)),
    ("global", "all"): ((2.54, 2.85, 9.07, 5.87), (3.51, 1.42, 8.57, 5.80)),
    ("global", "balanced"): ((2.78, 2.87, 8.63, 5.72), (3.89, 1.74, 8.27, 5.83)),
    ("global", "female"): ((None, 3.88, None, None), (None, 2.56, None, None)),
}
THREE = {"nmf": (4.42, None), "oracle": (3.50, 2.81), "global": (2.74, 2.22)}  # by a model of two speakers
TRAINED_ON_THREE = 6.15  # about


def aggregate(rows: pd.DataFrame, about: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return one row per cell and part, from one row per mixture, source, method, model and seed.

    Args:
        rows: as ``runs.separate.Separate.rows`` returns them, with ``corpus``.
        about: of each model its ``sources``, ``pairs``, ``k`` and ``activation``.

    Returns:
        ``KEY``, where ``part`` is "all" or, of speech, the genders, of music an instrument; ``mixtures``, ``seeds``;
        ``counted``, the share of mixtures whose number of sources is told right; the means of ``SCORES`` over the
        sources that have a sound, and of the first the deviation over seeds (population).
    """
    # As objects: among floats, which the baselines' "" would make of them, 2 sources are written as 2.0.
    rows = rows.assign(**{
        key: pd.Series([about.get(name, {}).get(key, "") for name in rows["model"]], rows.index, object)
        for key in ("sources", "pairs", "k", "activation")
    })  # fmt: skip
    parts = pd.concat([rows.assign(part=ALL), rows[rows["part"] != ""]])
    table = [_row(key, cell) for key, cell in parts.groupby(KEY, sort=False)]
    order = {name: place for place, name in enumerate(NAMES)}
    table.sort(key=lambda row: [row["corpus"], row["count"], row["set"], row["model"], order[row["method"]]])
    return pd.DataFrame(table, columns=[*KEY, "mixtures", "seeds", "counted", *SCORES, "sdr_improvement_std"])


def read(source: Any) -> pd.DataFrame:
    """Return a table of ``aggregate`` that was written as CSV, from a file or its path."""
    figures = ["counted", *SCORES, "sdr_improvement_std"]
    table = pd.read_csv(source, keep_default_na=False, na_values={name: [""] for name in figures})
    for name in ("sources", "k"):  # which baselines have not
        table[name] = pd.Series([int(value) if value != "" else "" for value in table[name]], table.index, object)
    return table


def _row(key: tuple, cell: pd.DataFrame) -> dict[str, Any]:
    seeds = cell.groupby("seed")["sdr_improvement"].mean()
    row = dict(zip(KEY, key, strict=True)) | {"mixtures": cell["mixture"].nunique(), "seeds": len(seeds)}
    for name in ("counted", *SCORES):
        row[name] = _rounded(pd.to_numeric(cell[name]).mean())
    return row | {"sdr_improvement_std": _rounded(seeds.std(ddof=0))}


def _rounded(value: float) -> float:
    return round(float(value), DIGITS) + 0.0


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """Return the scores that ``dvc metrics`` shows: by corpus, number of sources, set, and model with method."""
    found: dict[str, Any] = {}
    for row in table[table["part"] == ALL].to_dict("records"):
        cell = found.setdefault(row["corpus"], {}).setdefault(f"{row['count']} sources", {}).setdefault(row["set"], {})
        name = f"{row['model']} {row['method']}".strip()
        of_mixture = {"sdr": row["mixture_sdr"], "si_sdr": row["mixture_si_sdr"]}
        gains = {key: row[key] for key in ("sdr_improvement", "si_sdr_improvement")}
        gains |= {"counted": row["counted"]} if row["method"] == "global" else {}
        scores = of_mixture if row["method"] == "mixture" else gains
        cell[name] = {key: value for key, value in scores.items() if not pd.isna(value)}  # which JSON does not know
    return found


def markdown(table: pd.DataFrame) -> str:
    """Return all tables: the source's four for each corpus of speakers, and one per corpus of instruments.

    Args:
        table: what ``aggregate`` returns, of this run or of several, one under the other.
    """
    parts = []
    for corpus, own in table.groupby("corpus", sort=False):
        parts += _speech(corpus, own) if own["part"].str.fullmatch(f"{ALL}|[fm]+").all() else _music(corpus, own)
    note = (
        "SDR improvement over the mixture in dB (BSSEval v3), means over mixtures and sources, and the deviation over "
        "seeds. Beside ours, in brackets, the figures of Hershey et al. (2016), whose mixtures are of WSJ0."
    )
    return "\n\n".join([note, *parts]) + "\n"


def _counted(table: pd.DataFrame) -> list[str]:
    """Return a sentence on how often the number of sources is told right; none where no model tells it."""
    told = table[(table["method"] == "global") & (table["part"] == ALL) & table["counted"].notna()]
    said = [f"{row['model']} {row['set']} {row['counted']:.0%} of {row['mixtures']}" for row in told.to_dict("records")]
    return [f"The number of sources is told right: {', '.join(said)}."] if said else []


def _speech(corpus: str, table: pd.DataFrame) -> list[str]:
    models = table[(table["sources"] == 2) | (table["method"].isin(("mixture", "nmf", "ideal binary", "ideal ratio")))]
    two = models[models["count"] == 2]
    parts = [f"## {corpus}: two speakers", *_methods(two), *_counted(two)]
    parts += [f"## {corpus}: dimensions and activation of the embedding", _embeddings(two)]
    parts += [f"## {corpus}: genders, and the pairs trained on", _genders(two)]
    three = table[table["count"] == 3]
    if len(three):
        parts += [f"## {corpus}: three speakers", _three(three), *_counted(three)]
    return parts


def _methods(table: pd.DataFrame) -> list[str]:
    """Return table 1, clustering methods, for each model."""
    mixed = table[(table["method"] == "mixture") & (table["part"] == ALL)].drop_duplicates("set")
    said = ", ".join(f"{row['set']} {row['mixture_sdr']:.2f} dB" for row in mixed.to_dict("records"))
    lines = [f"SDR of the mixtures themselves: {said}." if said else ""]
    cells = [(model, method) for model in _models(table) for method in NAMES if method in _of(table, model)]
    rows = []
    for model, method in [("", m) for m in NAMES if m in _of(table, "") and m != "mixture"] + cells:
        # Beside the first model: others differ from it by what the source's tables 2 and 3 are about.
        source = METHODS.get(method, (None, None)) if model in ("", *_models(table)[:1]) else (None, None)
        row = [model, NAMES[method]]
        rows.append(row + [_cell(table, model, method, each, ALL, source[i]) for i, each in enumerate(SETS)])
    return [*filter(None, lines), _table(["model", "method", *SETS], rows)]


def _embeddings(table: pd.DataFrame) -> str:
    """Return table 2, dimensions of the embedding and its activation; all pairs trained on."""
    own = table[(table["pairs"] == "all") & (table["part"] == ALL)]
    have = {(int(k), activation) for k, activation in zip(own["k"], own["activation"], strict=True) if k != ""}
    rows = []
    for k, activation in sorted(have | set(EMBEDDINGS), key=lambda each: (each[1] != "tanh", each[0])):
        these = own[(own["k"] == k) & (own["activation"] == activation)]
        sources = EMBEDDINGS.get((k, activation), ((None,) * 2,) * 2)
        for model in _models(these) or [""]:
            cells = [
                _cell(these, model, method, each, ALL, sources[m][i])
                for m, method in enumerate(("oracle", "global")) for i, each in enumerate(SETS)
            ]  # fmt: skip
            rows.append([str(k), activation, model, *cells])
            sources = ((None,) * 2,) * 2  # beside the first model only
    return _table(["K", "activation", "model", "oracle closed", "oracle open", "global closed", "global open"], rows)


def _genders(table: pd.DataFrame) -> str:
    """Return table 3, pairs of genders, by what was trained on."""
    rows = []
    for (method, pairs), sources in PAIRS.items():
        own = table[table["pairs"] == pairs]
        model = next(iter(_models(own)), None) if pairs else ""
        for name, figures in zip(SETS, sources, strict=True):
            if figures is not None:
                cells = [_cell(own, model, method, name, g, figures[i]) for i, g in enumerate(GENDERS)]
                rows.append([NAMES[method], pairs or "–", name, *cells])
    return _table(["method", "trained on", "set", "m + m", "f + f", "f + m", "all"], rows)


def _three(table: pd.DataFrame) -> str:
    """Return table 4, three speakers, by models of two and of three."""
    rows, seen = [], set()
    # Of several runs, models of two and of three may have one name.
    known = {"": THREE, 2: THREE, 3: {"oracle": (TRAINED_ON_THREE, None)}}
    for (model, trained), own in table.groupby(["model", "sources"], sort=False):
        for method in (m for m in NAMES if m in _of(table, model) and m != "mixture"):
            source = known.get(trained, {}).get(method, (None, None)) if trained not in seen else (None, None)
            cells = [_cell(own, model, method, each, ALL, source[i]) for i, each in enumerate(SETS)]
            rows.append([model, str(trained), NAMES[method], *cells])
        seen.add(trained)
    return _table(["model", "trained on", "method", *SETS], rows)


def _music(corpus: str, table: pd.DataFrame) -> list[str]:
    """Return a table per number of sources: instruments by method."""
    parts = []
    for count, own in table.groupby("count"):
        instruments = sorted(set(own["part"]) - {ALL})
        rows = []
        for model in ["", *_models(own)]:
            trained = next((str(n) for n in own.loc[own["model"] == model, "sources"] if n != ""), "–")
            for method in (m for m in NAMES if m in _of(own, model) and m != "mixture"):
                for name in SETS:
                    cells = [_cell(own, model, method, name, part) for part in [*instruments, ALL]]
                    if any(cells):
                        rows.append([model, trained, NAMES[method], name, *cells])
        header = ["model", "trained on", "method", "set", *instruments, ALL]
        parts += [f"## {corpus}: {count} instruments", _table(header, rows), *_counted(own)]
    return parts


def _models(table: pd.DataFrame) -> list[str]:
    return [name for name in dict.fromkeys(table["model"]) if name]


def _of(table: pd.DataFrame, model: str) -> set[str]:
    return set(table.loc[table["model"] == model, "method"])


def _cell(
    table: pd.DataFrame, model: str | None, method: str, name: str, part: str, source: float | None = None
) -> str:
    """Return ours and, in brackets, the source's figure; "" where there is neither."""
    keys = {"model": model, "method": method, "set": name, "part": part}
    found = table[(table[list(keys)] == pd.Series(keys)).all(axis=1)].to_dict("records")
    ours = ""
    if found and not pd.isna(found[0]["sdr_improvement"]):
        ours = f"{found[0]['sdr_improvement']:.2f}"
        ours += f" ± {found[0]['sdr_improvement_std']:.2f}" if found[0]["seeds"] > 1 else ""
    return ours + (f" [{source:.2f}]" if source is not None else "")


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *([cell.strip() or "–" for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
