"""The only reader of ``params.yaml``: each section is checked against the signature of what it configures.

A parameter is declared once, in the annotated signature of the class or function that uses it. ``Params.section``
turns a section into keyword arguments, or stops with every mistake at once: file, key, rule, value, nearest name.
"""

import difflib
import inspect
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from audioclust import registry

SUPPLIED = {"random_state", "device", "augment"}  # what a class gets from its caller, never from the file
LISTS = {
    "encoders": list[str],
    "pretexts": list[str],
    "reducers": Annotated[list[str], Field(min_length=1)],
    "clusterers": Annotated[list[str], Field(min_length=1)],
    "seeds": Annotated[list[Annotated[int, Field(ge=0, strict=True)]], Field(min_length=1)],
}
METHODS = "methods"  # the mapping from a method to the encoder it starts from
STAGE_SECTIONS = ("data", "logmel", "embed", "augment", "train", "reduce", "baseline", "evaluate")
# What a list (or the mapping) names -> the folder of audioclust where its items are.
ITEMS = {
    "encoders": "encoders",
    "pretexts": "pretext",
    "reducers": "reducers",
    "clusterers": "clusterers",
    METHODS: "methods",
}


class ParamsError(ValueError):
    """What is wrong in the file, one line a mistake."""


class Params:
    """The content of one ``params.yaml``.

    Args:
        path: the file.

    Raises:
        ParamsError: the file is missing, is no YAML mapping, or names sections or items that do not exist.
    """

    def __init__(self, path: str | Path = "params.yaml"):
        self.path = Path(path)
        self.content = _read(self.path)
        self._check_names()

    def __getitem__(self, key: str) -> Any:
        if key not in self.content:
            raise ParamsError(f"{self.path}: the key {key!r} is missing")
        return self.content[key]

    def items(self, key: str) -> list:
        """Return a top-level list (``encoders``, ``seeds``), checked for type, length and repetition."""
        values, mistakes = self._validated({key: LISTS[key]}, {key: self[key]}, prefix="")
        if not mistakes and len(set(values[key])) < len(values[key]):
            mistakes = [f"{key} = {self[key]}: names an item twice; every item may stand there once"]
        self._stop(mistakes)
        return values[key]

    def methods(self) -> dict[str, str]:
        """Return the deep methods that run, and the encoder of ``encoders`` or ``pretexts`` that each starts from."""
        values, mistakes = self._validated({METHODS: dict[str, str]}, {METHODS: self[METHODS] or {}}, prefix="")
        known = [*self.items("encoders"), *self.items("pretexts")]
        for method, encoder in values.get(METHODS, {}).items():
            if encoder not in known:
                mistakes.append(f"{METHODS}.{method} = {encoder!r}: no encoder that runs{_choices(encoder, known)}")
            elif encoder in self.items("encoders") and registry.get(METHODS, method).input == "logmel":
                mistakes.append(
                    f"{METHODS}.{method} = {encoder!r}: {method} goes on with the network of an encoder that is "
                    f"trained here, one of pretexts{_choices(encoder, self.items('pretexts'))}"
                )
        self._stop(mistakes)
        return values[METHODS]

    def section(self, name: str, *targets: Callable, supplied: tuple[str, ...] = (), **resolved: Any) -> dict[str, Any]:
        """Check section ``name`` against the signatures of ``targets`` and return it as keyword arguments.

        Args:
            name: the section; a section that is empty in the file stands for all the defaults.
            targets: the functions or classes whose parameters the section sets.
            supplied: parameters that the caller hands over itself, not the file.
            resolved: what ``auto`` means here, e.g. ``k=9``.

        Raises:
            ParamsError: unknown key, wrong type, value out of range, or a required key that is missing.
        """
        raw = self.content.get(name)
        raw = {} if raw is None else raw
        if not isinstance(raw, dict):
            raise ParamsError(f"{self.path}: {name} = {raw!r}: must be a section of keys and values")
        types, required = _signature(targets, set(supplied))
        mistakes = [f"{name}.{key}: unknown key{_choices(key, types)}" for key in raw if key not in types]
        mistakes += [f"{name}.{key}: missing; it has no default" for key in required if key not in raw]
        known = {key: value for key, value in raw.items() if key in types}
        values, wrong = self._validated(types, known, prefix=f"{name}.")
        self._stop(mistakes + wrong)
        return {key: _resolve(name, key, value, resolved) for key, value in values.items()}

    def _check_names(self) -> None:
        """Every top-level key is a list or a section of a stage or a registered file; lists name such files."""
        registered = {key: registry.names(folder) for key, folder in ITEMS.items()}
        datasets = registry.names("datasets")
        known = [*LISTS, METHODS, *STAGE_SECTIONS, *datasets, *chain.from_iterable(registered.values())]
        mistakes = [f"{key}: unknown section{_choices(key, known)}" for key in self.content if key not in known]
        for key, names in registered.items():
            items = self.content.get(key)
            for item in items if isinstance(items, list | dict) else []:
                if item not in names:
                    mistakes.append(f"{key}: {item!r} is no {key[:-1]}{_choices(item, names)}")
                elif item not in self.content:
                    mistakes.append(f"{item}: its section is missing ({key} names it); `{item}: {{}}` will do")
        dataset = (self.content.get("data") or {}).get("dataset")
        if dataset not in datasets:
            mistakes.append(f"data.dataset: {dataset!r} is no data set{_choices(dataset, datasets)}")
        self._stop(mistakes)

    def _validated(self, types: dict[str, Any], raw: dict[str, Any], prefix: str) -> tuple[dict[str, Any], list[str]]:
        values, mistakes = {}, []
        for key, value in raw.items():
            try:
                values[key] = TypeAdapter(types[key]).validate_python(value)
                if isinstance(value, bool) and not isinstance(values[key], bool):
                    mistakes.append(f"{prefix}{key} = {value!r}: must be a number, not true or false")
            except ValidationError as error:
                rules = dict.fromkeys(_rule(e) for e in error.errors())  # a union reports each of its members
                mistakes.append(f"{prefix}{key} = {value!r}: {' or '.join(rules)}")
        return values, mistakes

    def _stop(self, mistakes: list[str]) -> None:
        if mistakes:
            raise ParamsError("\n".join(f"{self.path}: {mistake}" for mistake in mistakes))


def check_all(params: Params) -> None:
    """Check every section that the run will use, so that a mistake for the last stage stops the first one."""
    from audioclust.baseline import baseline
    from audioclust.embed import embed
    from audioclust.evaluate import evaluate
    from audioclust.logmel import LogMel
    from audioclust.nn.augment import Augment
    from audioclust.prepare import prepare
    from audioclust.reduce import reduce
    from audioclust.train import Train

    dataset = registry.module("datasets", params["data"]["dataset"])
    sections: list[tuple[str, tuple[Callable, ...], tuple[str, ...]]] = [
        ("data", (source, prepare), PREPARE_SUPPLIED),
        (params["data"]["dataset"], dataset_targets(dataset), ("root",)),
        ("logmel", (LogMel,), ()),
        ("embed", (embed,), EMBED_SUPPLIED),
        ("augment", (Augment,), ()),
        ("train", (Train,), ()),
        ("reduce", (reduce,), REDUCE_SUPPLIED),
        ("baseline", (baseline,), BASELINE_SUPPLIED),
        ("evaluate", (evaluate,), EVALUATE_SUPPLIED),
    ]
    names = {key: params.items(key) for key in ITEMS if key != METHODS} | {METHODS: params.methods()}
    sections += [(name, (registry.get(ITEMS[key], name),), ()) for key in ITEMS for name in names[key]]
    mistakes = []
    if not names["encoders"] and not names["pretexts"]:
        mistakes.append(f"{params.path}: encoders and pretexts are both empty: name an encoder in one of them")
    for name, targets, supplied in sections:
        try:
            params.section(name, *targets, supplied=supplied)
        except ParamsError as error:
            mistakes.append(str(error))
    params.items("seeds")
    if mistakes:
        raise ParamsError("\n".join(mistakes))


def check_clusters(params: Params, info: dict[str, Any]) -> None:
    """Check the ``k`` of everything that runs against the clips at hand, before hours of training and not after them.

    Args:
        info: what ``prepare`` says of them, the numbers ``clips`` and ``classes``.

    Raises:
        ParamsError: ``auto`` where there are no classes, or more clusters than clips.
    """
    mistakes = []
    for key, names in (("clusterers", params.items("clusterers")), (METHODS, params.methods())):
        for name in names:
            try:
                k = params.section(name, registry.get(ITEMS[key], name), k=info["classes"]).get("k", 0)
                if k > info["clips"]:
                    mistakes.append(
                        f"{params.path}: {name}.k = {k}: more clusters than the {info['clips']} clips; lower it"
                    )
            except ParamsError as error:
                mistakes.append(str(error))
    if mistakes:
        raise ParamsError("\n".join(mistakes))


PREPARE_SUPPLIED = ("recordings", "out", "scratch")
EMBED_SUPPLIED = ("encoder", "source", "rate", "durations", "stats", "out", "section", "name")
REDUCE_SUPPLIED = ("x", "reducer", "section", "seeds")
BASELINE_SUPPLIED = ("spaces", "clusterer", "section", "seeds", "scratch")
EVALUATE_SUPPLIED = ("clips", "cells", "embeddings", "seeds")


def source(dataset: str, root: str = "data/raw") -> None:
    """Declare the part of section ``data`` that says where the recordings are."""


def dataset_targets(dataset: Any) -> tuple[Callable, ...]:
    """Return the functions of a data set's file that its section configures."""
    return tuple(getattr(dataset, f) for f in ("recordings", "download") if hasattr(dataset, f))


def accepted(function: Callable, values: dict[str, Any]) -> dict[str, Any]:
    """Return those of ``values`` that ``function`` takes: a section may serve two functions."""
    return {key: value for key, value in values.items() if key in inspect.signature(function).parameters}


def run(main: Callable[[], None]) -> None:
    """Run a stage's ``main`` so that a user's mistake ends in its message, not in a traceback."""
    try:
        main()
    except (ParamsError, ValueError, FileNotFoundError, RuntimeError, MemoryError) as error:
        sys.exit(f"error: {error}")


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ParamsError(f"{path}: no such file; run from the folder that holds dvc.yaml and params.yaml")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ParamsError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(content, dict):
        raise ParamsError(f"{path}: must hold sections of keys and values, it holds {type(content).__name__}")
    return content


def _signature(targets: tuple[Callable, ...], supplied: set[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the annotated types of all parameters of ``targets`` and those without a default."""
    types, required = {}, []
    for target in targets:
        hints = get_type_hints(target.__init__ if isinstance(target, type) else target, include_extras=True)
        for name, parameter in inspect.signature(target).parameters.items():
            handed = isinstance(target, type) and parameter.kind is parameter.KEYWORD_ONLY and name in SUPPLIED
            if name in supplied or handed:
                continue
            # In every section `k: auto` is the number of classes; the stage resolves it.
            types[name] = hints[name] | Literal["auto"] if name == "k" else hints[name]
            if parameter.default is inspect.Parameter.empty:
                required.append(name)
    return types, required


def _resolve(section: str, key: str, value: Any, resolved: dict[str, Any]) -> Any:
    if value != "auto" or key not in resolved:
        return value
    if not resolved[key]:
        raise ParamsError(
            f"{section}.{key} = auto: means the number of classes, and this data set has no labels; set a number, "
            f"e.g. `dvc exp run -S {section}.{key}=8`"
        )
    return resolved[key]


def _rule(error: dict[str, Any]) -> str:
    """Turn one of pydantic's findings into a rule a person reads."""
    where = "".join(f"[{part}] " for part in error["loc"] if isinstance(part, int))
    return where + error["msg"].removeprefix("Input should be ").replace("a valid", "must be a valid", 1)


def _choices(key: Any, known: Any) -> str:
    near = difflib.get_close_matches(str(key), list(known), n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f": choose one of {', '.join(sorted(known))}{hint}"
