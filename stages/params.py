"""The only reader of ``params.yaml``: each section is checked against the class that it configures.

A parameter is declared once, as a field of that class (``audioclust/parameters.py``). ``Params.section`` turns a
section into keyword arguments, or stops with every mistake at once: file, key, rule, value, nearest name.
"""

import re
import sys
from collections.abc import Callable
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import Field

import own_source  # noqa: F401
from audioclust import registry
from audioclust.parameters import checked, choices, required, types

LISTS = {
    "encoders": list[str],
    "pretexts": list[str],
    "reducers": Annotated[list[str], Field(min_length=1)],
    "clusterers": Annotated[list[str], Field(min_length=1)],
    "seeds": Annotated[list[Annotated[int, Field(ge=0, strict=True)]], Field(min_length=1)],
}
BOOLEAN = "tag:yaml.org,2002:bool"
METHODS = "methods"  # the mapping from a method to the encoder that it starts from, or null
# What a list (or the mapping) names -> the room of audioclust where its items are.
ITEMS = {
    "encoders": "encoders",
    "pretexts": "pretext",
    "reducers": "reducers",
    "clusterers": "clusterers",
    METHODS: "methods",
}
# A section of a stage -> the classes of audioclust that it configures; by name, as importing them takes seconds.
STAGE_SECTIONS = {
    "data": ("runs.recordings.Source", "runs.label.Label", "runs.prepare.Prepare"),
    "logmel": ("clips.logmel.FrontEnd",),
    "embed": ("runs.embed.Embed",),
    "augment": ("views.augment.Augment",),
    "train": ("runs.training.Train",),
    "reduce": ("runs.reduce.Reduce",),
    "baseline": ("runs.baseline.Baseline",),
    "evaluate": ("runs.evaluate.Evaluate",),
}


class _Loader(yaml.SafeLoader):
    """YAML 1.2's booleans, true and false, as DVC reads and writes the file: yes, no, on and off are words."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != BOOLEAN]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(BOOLEAN, re.compile("(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


class ParamsError(ValueError):
    """What is wrong in the file, one line per mistake."""


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
        values, mistakes = checked({key: LISTS[key]}, {key: self[key]}, "", text=True)
        if not mistakes and len(set(values[key])) < len(values[key]):
            mistakes = [f"{key} = {self[key]}: names an item twice; every item may stand there once"]
        self.stop(mistakes)
        return values[key]

    def methods(self) -> dict[str, str | None]:
        """Return the deep methods that run, and the encoder that each starts from; None: from none."""
        values, mistakes = checked({METHODS: dict[str, str | None]}, {METHODS: self[METHODS] or {}}, "", text=True)
        self.stop(mistakes)
        return values[METHODS]

    def check_starts(self) -> None:
        """Check that each method can start from its encoder: importing the methods takes seconds."""
        self.stop([mistake for start in self.methods().items() for mistake in self._start(*start)])

    def _start(self, method: str, encoder: str | None) -> list[str]:
        """Return what is wrong with the encoder that a method starts from."""
        frozen, trained = self.items("encoders"), self.items("pretexts")
        what, on_logmels = f"{METHODS}.{method} = {encoder!r}", registry.get(METHODS, method).input == "logmel"
        if encoder is None:
            return [] if on_logmels else [f"{what}: {method} clusters an embedding: name the encoder that gives it"]
        if encoder not in [*frozen, *trained]:
            return [f"{what}: no encoder that runs{choices(encoder, [*frozen, *trained])}"]
        if on_logmels and encoder in frozen:
            return [
                f"{what}: {method} trains the network of an encoder further: name one of pretexts, or null to start "
                f"from none{choices(encoder, trained)}"
            ]
        return []

    def part(self, name: str, kind: type) -> dict[str, Any]:
        """Return what a section sets of ``kind``, one of several classes that it configures, as keyword arguments."""
        known = declared(kind)
        raw = self.content.get(name) or {}
        values, mistakes = checked(known, {key: raw[key] for key in raw if key in known}, f"{name}.", text=True)
        self.stop(mistakes)
        return values

    def section(self, name: str, *kinds: type, **resolved: Any) -> dict[str, Any]:
        """Check section ``name`` against the classes that it configures and return it as keyword arguments.

        Args:
            name: the section; a section that is empty in the file stands for all the defaults.
            kinds: dataclasses whose parameters the section sets.
            resolved: what ``auto`` means here, e.g. ``k=9``.

        Raises:
            ParamsError: unknown key, wrong type, value out of range, or a required key that is missing.
        """
        raw = self.content.get(name)
        raw = {} if raw is None else raw
        if not isinstance(raw, dict):
            raise ParamsError(f"{self.path}: {name} = {raw!r}: must be a section of keys and values")
        known = declared(*kinds)
        mistakes = [f"{name}.{key}: unknown key{choices(key, known)}" for key in raw if key not in known]
        needed = chain.from_iterable(required(kind) for kind in kinds)
        mistakes += [f"{name}.{key}: missing; it has no default" for key in needed if key not in raw]
        values, wrong = checked(known, {key: raw[key] for key in raw if key in known}, f"{name}.", text=True)
        self.stop(mistakes + wrong)
        return {key: resolved.get(key, value) if value == "auto" else value for key, value in values.items()}

    def _check_names(self) -> None:
        """Every top-level key is a list or a section of a stage or a registered file; lists name such files."""
        registered = {key: registry.names(folder) for key, folder in ITEMS.items()}
        datasets = registry.names("datasets")
        known = [*LISTS, METHODS, *STAGE_SECTIONS, *datasets, *chain.from_iterable(registered.values())]
        mistakes = [f"{key}: unknown section{choices(key, known)}" for key in self.content if key not in known]
        for key, names in registered.items():
            items = self.content.get(key)
            for item in items if isinstance(items, list | dict) else []:
                if item not in names:
                    mistakes.append(f"{key}: {item!r} is no {key[:-1]}{choices(item, names)}")
                elif item not in self.content:
                    mistakes.append(f"{item}: its section is missing ({key} names it); `{item}: {{}}` will do")
        dataset = (self.content.get("data") or {}).get("dataset")
        if dataset not in datasets:
            mistakes.append(f"data.dataset: {dataset!r} is no data set{choices(dataset, datasets)}")
        self.stop(mistakes)

    def stop(self, mistakes: list[str]) -> None:
        """Raise ``ParamsError`` where there are mistakes."""
        if mistakes:
            raise ParamsError("\n".join(f"{self.path}: {mistake}" for mistake in mistakes))


def declared(*kinds: type) -> dict[str, Any]:
    """Return name -> annotated type of all parameters; every ``k`` is 2 or more, or auto: the number of classes."""
    known = {name: kind for each in kinds for name, kind in types(each).items()}
    # A class fits one cluster too, but a run of it would say nothing.
    several = Field(ge=2)
    return {name: Annotated[kind, several] | Literal["auto"] if name == "k" else kind for name, kind in known.items()}


def _kind(name: str) -> type:
    """Return the class ``audioclust.<name>``."""
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(f"audioclust.{module}"), attribute)


def check_all(params: Params) -> None:
    """Check every section that the run will use, so that a mistake for the last stage stops the first one."""
    dataset = params["data"]["dataset"]
    sections = {name: tuple(map(_kind, kinds)) for name, kinds in STAGE_SECTIONS.items()}
    sections[dataset] = (registry.get("datasets", dataset),)
    params.check_starts()
    names = {key: params.items(key) for key in ITEMS if key != METHODS} | {METHODS: params.methods()}
    sections |= {name: (registry.get(ITEMS[key], name),) for key in ITEMS for name in names[key]}
    mistakes = []
    if not names["encoders"] and not names["pretexts"]:
        mistakes.append(f"{params.path}: encoders and pretexts are both empty: name an encoder in one of them")
    for name, kinds in sections.items():
        try:
            params.section(name, *kinds)
        except ParamsError as error:
            mistakes.append(str(error))
    params.items("seeds")
    if mistakes:
        raise ParamsError("\n".join(mistakes))


def run(main: Callable[[], None]) -> None:
    """Run a stage's ``main`` so that a user's mistake ends in its message, not in a traceback."""
    try:
        main()
    except (ParamsError, ValueError, FileNotFoundError, ImportError, RuntimeError, MemoryError) as error:
        sys.exit(f"error: {error}")


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ParamsError(f"{path}: no such file; run from the folder that holds dvc.yaml and params.yaml")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except yaml.YAMLError as error:
        raise ParamsError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(content, dict):
        raise ParamsError(f"{path}: must hold sections of keys and values, it holds {type(content).__name__}")
    return content
