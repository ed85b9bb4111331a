"""The only reader of ``params.yaml``: each section is checked against the class that it configures.

A parameter is declared once, as a field of that class (``audioclust/parameters.py``). ``Params.section`` turns a
section into keyword arguments, or stops with every mistake at once: file, key, rule, value, nearest name.
"""

import signal
from collections.abc import Callable, Mapping
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from ruamel.yaml import YAML, YAMLError

import own_source  # noqa: F401
from audioclust import registry
from audioclust.kinds import KINDS, Kind
from audioclust.parameters import checked, choices, required, types

LISTS = {
    "encoders": list[str],
    "pretexts": list[str],
    "reducers": Annotated[list[str], Field(min_length=1)],
    "clusterers": Annotated[list[str], Field(min_length=1)],
    "seeds": Annotated[list[Annotated[int, Field(ge=0, strict=True)]], Field(min_length=1)],
}
KIND = "kind"  # of what is to be heard: it gives the values that read auto and that audioclust/kinds.py names
CLUSTERS = "k"  # of every section whose own k is auto or absent
# A class fits one cluster too, but a run of it would say nothing.
SEVERAL = Field(ge=2)
PAIRS = "pairs"  # the mapping from a method on two views to the two encoders whose embeddings they are
METHODS = "methods"  # the mapping from a method to the encoder that it starts from, or null
SEPARATORS = "separators"  # the mapping from a model to the mixtures that it trains on, with parameters of its own
MIXTURES = ("mixtures", "music")  # sections of such mixtures
FOLDER = "folder"  # the data set of any folder of recordings
CORPORA = "separation.corpora"  # the room of what they are made of
# What a list (or the mapping) names -> the room of audioclust where its items are.
ITEMS = {
    "encoders": "encoders",
    "pretexts": "pretext",
    "reducers": "reducers",
    "clusterers": "clusterers",
    METHODS: "methods",
}
# Items that the literature has and that are not built -> why.
DECLINED = {
    "lda": "linear discriminant analysis needs labels, which nothing but the scores may see; take pca or tsne",
    "gan": "no generative adversarial network is built (docs/METHODS.md says why); take simclr, byol or vae",
}
# A section of a stage -> the classes of audioclust that it configures; by name, as importing them takes seconds.
STAGE_SECTIONS = {
    "data": ("runs.recordings.Source", "runs.label.Label", "runs.prepare.Prepare"),
    "logmel": ("clips.logmel.FrontEnd", "runs.logmel.Statistics"),
    "embed": ("runs.embed.Embed",),
    "augment": ("views.augment.Augment",),
    "waves": ("views.waves.Waves",),
    "train": ("runs.training.Train",),
    "reduce": ("runs.reduce.Reduce",),
    "baseline": ("runs.baseline.Baseline",),
    "cluster": ("parallel.Cluster",),
    "evaluate": ("runs.evaluate.Evaluate",),
    "predict": ("runs.predict.export.Predict",),
    "report": ("runs.report.Lists", "report.page.Report"),
    "separator": ("separation.separator.Separator",),
    "separate": ("runs.separate.Separate",),
    **dict.fromkeys(MIXTURES, ("runs.mixtures.Mixtures", "runs.separator.Mixing")),
}


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

    def dataset(self) -> tuple[str, str]:
        """Return the data set and the folder of its recordings: ``folder.path``, where it is set, before ``data``'s."""
        folder = self._raw(FOLDER).get("path")
        if folder is not None:
            return FOLDER, folder
        source = _kind(STAGE_SECTIONS["data"][0])
        data = {"root": source.root} | self.part("data", source)
        return data["dataset"], data["root"]

    def methods(self) -> dict[str, str | None]:
        """Return the deep methods that run, and the encoder that each starts from; None: from none."""
        values, mistakes = checked({METHODS: dict[str, str | None]}, {METHODS: self[METHODS] or {}}, "", text=True)
        self.stop(mistakes)
        return values[METHODS]

    def pairs(self) -> dict[str, tuple[str, str]]:
        """Return the methods that run on the embeddings of two encoders, and these."""
        kind = dict[str, dict[Literal["one", "other"], str]]
        values, mistakes = checked({PAIRS: kind}, {PAIRS: self[PAIRS] or {}}, "", text=True)
        self.stop(mistakes)
        if not values[PAIRS]:  # importing the methods takes seconds
            return {}
        encoders = [*self.items("encoders"), *self.items("pretexts")]
        kinds = {name: registry.get(METHODS, name) for name in registry.names(METHODS)}
        on_views = [name for name, kind in kinds.items() if kind.input == "views" or getattr(kind, "several", False)]
        for method, views in values[PAIRS].items():
            what = f"{PAIRS}.{method}"
            if method not in on_views:
                mistakes.append(f"{what}: no method on two views{choices(method, on_views)}")
            if len(views) < 2 or len({*views.values()}) < 2:
                mistakes.append(f"{what} = {views}: name two different encoders, as {{one: ..., other: ...}}")
            absent = [each for each in views.values() if each not in encoders]
            mistakes += [f"{what}: {each!r} is no encoder that runs{choices(each, encoders)}" for each in absent]
        self.stop(mistakes)
        return {method: (views["one"], views["other"]) for method, views in values[PAIRS].items()}

    def separators(self) -> dict[str, dict[str, Any]]:
        """Return the models that separate, each with its ``mixtures`` and its own parameters of ``separator``."""
        kind = dict[str, dict[str, Any]]
        values, mistakes = checked({SEPARATORS: kind}, {SEPARATORS: self[SEPARATORS] or {}}, "", text=True)
        self.stop(mistakes)
        found = values[SEPARATORS]
        for name, section in found.items():
            chosen = section.get("mixtures")
            if chosen not in MIXTURES:
                mistakes.append(f"{SEPARATORS}.{name}.mixtures = {chosen!r}: no section{choices(chosen, MIXTURES)}")
        self.stop(mistakes)
        return found

    def mixtures(self) -> list[str]:
        """Return the sections of mixtures that a model trains on."""
        return sorted({section["mixtures"] for section in self.separators().values()})

    def separator(self, name: str) -> dict[str, Any]:
        """Return the parameters of one model: those of ``separator``, but for what it has of its own."""
        kind = _kind(*STAGE_SECTIONS["separator"])
        own = {key: value for key, value in self.separators()[name].items() if key != "mixtures"}
        values, mistakes = _checked(f"{SEPARATORS}.{name}", own, declared(kind))
        self.stop(mistakes)
        return self.section("separator", kind) | values

    def clusters(self) -> int | Literal["auto"]:
        """Return the ``k`` of all sections that have none of their own; auto: the number of classes."""
        known = {CLUSTERS: Annotated[int, SEVERAL] | Literal["auto"]}
        values, mistakes = checked(known, {CLUSTERS: self.content.get(CLUSTERS, "auto")}, "", text=True)
        self.stop(mistakes)
        return values[CLUSTERS]

    def kind(self) -> str:
        """Return what is to be heard."""
        values, mistakes = checked({KIND: Kind}, {KIND: self.content.get(KIND, "any")}, "", text=True)
        self.stop(mistakes)
        return values[KIND]

    def by_kind(self, name: str) -> Mapping[str, Any]:
        """Return what the kind sets in a section, where that says ``auto``."""
        return KINDS[self.kind()].get(name, {})

    def check_starts(self) -> None:
        """Check that each method can start from its encoder: importing the methods takes seconds."""
        self.stop([mistake for start in self.methods().items() for mistake in self._start(*start)])

    def check_grid(self) -> None:
        """Check that methods among the clusterers take an embedding, and run there alone."""
        methods = [name for name in self.items("clusterers") if registry.clusterer_room(name) == METHODS]
        kinds = {name: registry.get(METHODS, name).input for name in methods}
        mistakes = [
            f"clusterers: {name!r} is a method on {kind}s, and the grid has embeddings: name it in {METHODS}"
            for name, kind in kinds.items()
            if kind != "embedding"
        ]
        mistakes += [
            f"{name!r} stands in clusterers and in {METHODS}: remove one" for name in methods if name in self.methods()
        ]
        self.stop(mistakes)

    def _start(self, method: str, encoder: str | None) -> list[str]:
        """Return what is wrong with the encoder that a method starts from."""
        frozen, trained = self.items("encoders"), self.items("pretexts")
        what, on_logmels = f"{METHODS}.{method} = {encoder!r}", registry.get(METHODS, method).input == "logmel"
        if encoder is None and not on_logmels:
            return [f"{what}: {method} needs an embedding: name the encoder that gives it"]
        if encoder is None and self._raw(method).get("start") == "pretext":
            return [f"{what}: {method}.start = 'pretext' needs an encoder: name one, or set {method}.start=scratch"]
        if encoder is None:
            return []
        if encoder not in [*frozen, *trained]:
            return [f"{what}: no encoder that runs{choices(encoder, [*frozen, *trained])}"]
        if on_logmels and encoder in frozen:
            return self._start_frozen(method, encoder, choices(encoder, trained))
        return []

    def _start_frozen(self, method: str, encoder: str, trained: str) -> list[str]:
        """Return why a method on log-mels cannot start from an encoder that is not trained here."""
        what, kind = f"{METHODS}.{method} = {encoder!r}", registry.get(METHODS, method)
        if not getattr(kind, "on_embedded", ()):
            return [
                f"{what}: {method} trains the network of an encoder further: name one of pretexts, or null to start "
                f"from none{trained}"
            ]
        if registry.get("encoders", encoder).input == "text":
            return [f"{what}: {method} draws from views of sounds, and {encoder} reads texts"]
        try:
            kind(**self.section(method, kind, k=2)).check_embedded()
        except ParamsError:  # said of the section itself
            return []
        except ValueError as error:
            return [f"{what}: {error}"]
        return []

    def part(self, name: str, kind: type) -> dict[str, Any]:
        """Return what a section sets of ``kind``, one of several classes that it configures, as keyword arguments."""
        known, raw = declared(kind), self._raw(name)
        values, mistakes = checked(known, {key: raw[key] for key in raw if key in known}, f"{name}.", text=True)
        self.stop(mistakes)
        return values

    def section(self, name: str, *kinds: type, **resolved: Any) -> dict[str, Any]:
        """Check section ``name`` against the classes that it configures and return it as keyword arguments.

        Args:
            name: the section; a section that is empty in the file stands for all the defaults.
            kinds: dataclasses whose parameters the section sets. A ``k`` that is auto or absent is that of the file;
                what else is auto is the kind's, where it says anything.
            resolved: what ``auto`` means here, e.g. ``k=9``.

        Raises:
            ParamsError: unknown key, wrong type, value out of range, or a required key that is missing.
        """
        raw, known, by_kind = self._raw(name), declared(*kinds), self.by_kind(name)
        known |= {key: known[key] | Literal["auto"] for key in by_kind if key in known}
        needed = list(chain.from_iterable(required(kind) for kind in kinds))
        if CLUSTERS in needed:
            raw = {CLUSTERS: "auto"} | raw
        missing = [f"{name}.{key}: missing; it has no default" for key in needed if key not in raw]
        values, mistakes = _checked(name, raw, known)
        self.stop(missing + mistakes)
        if values.get(CLUSTERS) == "auto":
            values[CLUSTERS] = self.clusters()
        resolved = {**by_kind, **resolved}
        return {key: resolved.get(key, value) if value == "auto" else value for key, value in values.items()}

    def mistakes(self, name: str, *kinds: type) -> list[str]:
        """Return what is wrong with a section: its keys and values, then the rules between them.

        A class says those by a method ``check`` or in ``__post_init__``. Where ``k`` is the number of classes, which is
        not known here, they see the least that it can be.
        """
        try:
            values = self.section(name, *kinds, k=2)
            for kind in kinds:
                instance = kind(**{key: values[key] for key in types(kind) if key in values})
                if hasattr(instance, "check"):
                    instance.check()
        except ParamsError as error:
            return [str(error)]
        except ValueError as error:
            return [f"{self.path}: {name}: {error}"]
        return []

    def _raw(self, name: str) -> dict[str, Any]:
        """Return a section as the file has it; empty where it is empty or absent."""
        raw = self.content.get(name)
        if not isinstance(raw, dict | None):
            raise ParamsError(f"{self.path}: {name} = {raw!r}: must be a section of keys and values")
        return raw or {}

    def _check_names(self) -> None:
        """Every top-level key is a list or a section of a stage or a registered file; lists name such files."""
        registered = {key: registry.names(folder) for key, folder in ITEMS.items()}
        named = registered | {"clusterers": [*registered["clusterers"], *registered[METHODS]]}
        datasets = registry.names("datasets")
        corpora, stages = registry.names(CORPORA), (KIND, CLUSTERS, METHODS, PAIRS, SEPARATORS, *STAGE_SECTIONS)
        known = [*LISTS, *stages, *datasets, *corpora, *chain.from_iterable(registered.values())]
        mistakes = [f"{key}: unknown section{choices(key, known)}" for key in self.content if key not in known]
        for key, names in named.items():
            items = self.content.get(key)
            for item in items if isinstance(items, list | dict) else []:
                if item in DECLINED:
                    mistakes.append(f"{key}: {item!r}: {DECLINED[item]}")
                elif item not in names:
                    mistakes.append(f"{key}: {item!r} is no {key[:-1]}{choices(item, names)}")
                elif item not in self.content:
                    mistakes.append(f"{item}: its section is missing ({key} names it); `{item}: {{}}` will do")
        mistakes += self._choice("data", "dataset", datasets, "data set")
        for name in MIXTURES:
            mistakes += self._choice(name, "corpus", corpora, "corpus")
        self.stop(mistakes)

    def _choice(self, name: str, key: str, registered: list[str], what: str) -> list[str]:
        """Return what is wrong with a key of a section that names another section, of a registered item."""
        chosen = self._raw(name).get(key)
        if chosen not in registered:
            return [f"{name}.{key}: {chosen!r} is no {what}{choices(chosen, registered)}"]
        if chosen not in self.content:
            return [f"{chosen}: its section is missing ({name}.{key} names it); `{chosen}: {{}}` will do"]
        return []

    def stop(self, mistakes: list[str]) -> None:
        """Raise ``ParamsError`` where there are mistakes."""
        if mistakes:
            raise ParamsError("\n".join(f"{self.path}: {mistake}" for mistake in mistakes))


def declared(*kinds: type) -> dict[str, Any]:
    """Return name -> annotated type of all parameters; a ``k`` without a default is 2 or more, or auto."""
    known = {name: kind for each in kinds for name, kind in types(each).items()}
    if any(CLUSTERS in required(kind) for kind in kinds):
        known[CLUSTERS] = Annotated[known[CLUSTERS], SEVERAL] | Literal["auto"]
    return known


def _checked(name: str, raw: dict[str, Any], known: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the values of a section and what is wrong with its keys and values."""
    mistakes = [f"{name}.{key}: unknown key{choices(key, known)}" for key in raw if key not in known]
    values, wrong = checked(known, {key: raw[key] for key in raw if key in known}, f"{name}.", text=True)
    return values, mistakes + wrong


def _kind(name: str) -> type:
    """Return the class ``audioclust.<name>``."""
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(f"audioclust.{module}"), attribute)


def check_all(params: Params) -> None:
    """Check all that the file says, so that a mistake for the last stage stops the first one.

    A section is checked where its item does not run too: it runs as soon as a list names it.
    """
    sections = {name: tuple(map(_kind, kinds)) for name, kinds in STAGE_SECTIONS.items()}
    for room in ("datasets", CORPORA, *ITEMS.values()):
        sections |= {name: (registry.get(room, name),) for name in registry.names(room) if name in params.content}
    params.clusters()
    params.kind()
    for key in LISTS:
        params.items(key)
    params.check_starts()
    params.check_grid()
    params.pairs()
    mistakes = [mistake for name, kinds in sections.items() for mistake in params.mistakes(name, *kinds)]
    for name in params.separators():
        values = params.separator(name)
        try:
            _kind(*STAGE_SECTIONS["separator"])(**values).check()
        except ValueError as error:
            mistakes.append(f"{params.path}: {SEPARATORS}.{name}: {error}")
    if not params.items("encoders") and not params.items("pretexts"):
        mistakes.append(f"{params.path}: encoders and pretexts are both empty: name an encoder in one of them")
    if mistakes:
        raise ParamsError("\n".join(mistakes))


def run(main: Callable[[], None]) -> None:
    """Run a stage's ``main`` so that whatever ends it is said in one line; only a fault of the code has a traceback."""
    try:
        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:  # by own_source
            signal.signal(signal.SIGINT, signal.default_int_handler)
        _join_cluster()
        main()
    except (KeyboardInterrupt, Exception) as error:
        from ending import end  # which a stage that ends well does not need

        end(error)


def _join_cluster() -> None:
    """Have what runs side by side run where params.yaml says."""
    path = Path("params.yaml")
    content = _read(path).get("cluster") if path.is_file() else None
    if isinstance(content, dict) and content.get("engine") not in (None, "local"):
        from audioclust import parallel

        parallel.use(parallel.Cluster(**Params().section("cluster", parallel.Cluster)))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ParamsError(f"{path}: no such file; run from the folder that holds dvc.yaml and params.yaml")
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))  # as DVC reads it: YAML 1.2
    except (YAMLError, ValueError) as error:
        raise ParamsError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(content, dict):
        raise ParamsError(f"{path}: must hold sections of keys and values, it holds {type(content).__name__}")
    return content
