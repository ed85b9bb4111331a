"""params.yaml is checked before any work: file, key, rule, value received and the nearest right name."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from pydantic import Field

import check
from audioclust import registry
from audioclust.parameters import Positive, types
from params import CORPORA, ITEMS, MIXTURES, STAGE_SECTIONS, Params, ParamsError, _kind, _read, check_all

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Something:
    """Stand for any class that a section configures."""

    k: Annotated[int, Field(ge=2)]
    rate: Positive = 0.1
    how: Literal["a", "b"] = "a"
    _: KW_ONLY
    device: str = "cpu"


def written(tmp_path: Path, **changes) -> Path:
    """Write the project's own params.yaml with some sections replaced."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text()) | changes
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def kmeans(tmp_path: Path, **section) -> dict:
    params = Params(written(tmp_path, kmeans=section))
    return params.section("kmeans", Something, k=9)


def test_the_projects_own_file_passes():
    check_all(Params(ROOT / "params.yaml"))


def test_auto_is_resolved_and_yaml_floats_are_numbers(tmp_path):
    path = written(tmp_path, kmeans={"k": "auto", "rate": "1e-3"})  # what YAML reads without the quotes too
    values = Params(path).section("kmeans", Something, k=9)
    assert values == {"k": 9, "rate": 0.001}


def test_auto_stays_where_nothing_is_known_of_it(tmp_path):
    assert Params(written(tmp_path, kmeans={"k": "auto"})).section("kmeans", Something) == {"k": "auto"}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"k": 3, "rat": 0.1}, r"kmeans\.rat: unknown key: choose one of how, k, rate; did you mean 'rate'\?"),
        ({"k": "banana"}, r"kmeans\.k = 'banana': .*integer"),
        ({"k": 1}, r"kmeans\.k = 1: .*greater than or equal to 2"),
        ({"k": 3, "rate": -1}, r"kmeans\.rate = -1: .*greater than 0"),
        ({"k": 3, "how": "c"}, r"kmeans\.how = 'c': .*'a' or 'b'"),
        ({"k": True}, r"kmeans\.k = True"),
    ],
)
def test_a_wrong_section_is_named(tmp_path, section, message):
    with pytest.raises(ParamsError, match=message) as caught:
        kmeans(tmp_path, **section)
    assert "params.yaml" in str(caught.value)


def test_a_parameter_without_a_default_must_be_given(tmp_path):
    with pytest.raises(ParamsError, match=r"kmeans\.dataset: missing; it has no default"):
        Params(written(tmp_path, kmeans=None)).section("kmeans", _kind("runs.recordings.Source"))


@pytest.mark.parametrize("empty", [{}, None])
def test_an_empty_section_stands_for_the_defaults(tmp_path, empty):
    params = Params(written(tmp_path, kmeans=empty, tsne=empty))
    check_all(params)
    assert params.section("kmeans", registry.get("clusterers", "kmeans"), k=9) == {"k": 9}
    assert params.section("tsne", registry.get("reducers", "tsne")) == {}


# One k for all


@pytest.mark.parametrize("section", [{"k": "auto"}, {}, None])
def test_a_section_without_a_k_of_its_own_has_that_of_the_file(tmp_path, section):
    params = Params(written(tmp_path, k=8, kmeans=section, spice={"k": 9}))
    assert params.section("kmeans", Something) == {"k": 8} == params.section("kmeans", Something, k=4)
    assert params.section("spice", Something) == {"k": 9}


def test_auto_in_the_file_or_none_is_the_number_of_classes(tmp_path):
    path = written(tmp_path, k="auto", kmeans=None)
    assert Params(path).section("kmeans", Something, k=4) == {"k": 4}
    path.write_text(path.read_text().replace("\nk: auto\n", "\n"))
    assert "k" not in Params(path).content
    assert Params(path).section("kmeans", Something, k=4) == {"k": 4}


@pytest.mark.parametrize("k", [1, 0, "eight", 2.5, None, True, [8]])
def test_a_wrong_k_of_the_file_is_named(tmp_path, k):
    with pytest.raises(ParamsError, match=r"params\.yaml: k = "):
        check_all(Params(written(tmp_path, k=k)))


def test_one_k_is_set_without_a_plus(tmp_path):
    assert Params(override(tmp_path, "k=8")).clusters() == 8


@pytest.mark.parametrize("room", ["clusterers", "methods"])
def test_a_single_cluster_is_refused_whatever_the_class_takes(tmp_path, room):
    kinds = {name: registry.get(room, name) for name in registry.names(room)}
    asked = {name: kind for name, kind in kinds.items() if "k" in types(kind)}
    assert len(asked) > 1
    for name, kind in asked.items():
        params = Params(written(tmp_path, **{name: {"k": 1}}))
        with pytest.raises(ParamsError, match=rf"{name}\.k = 1: greater than or equal to 2 or 'auto'"):
            params.section(name, kind)
    for k in (2, "auto"):
        assert Params(written(tmp_path, kmeans={"k": k})).section("kmeans", kinds.get("kmeans", Something)) == {"k": k}


def test_every_mistake_is_listed_at_once(tmp_path):
    with pytest.raises(ParamsError) as caught:
        kmeans(tmp_path, k=1, rate="x", extra=1)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kmean": {}}, r"kmean: unknown section.*did you mean 'kmeans'"),
        ({"encoders": ["byola"]}, r"encoders: 'byola' is no encoder.*did you mean 'byol_a'"),
        ({"clusterers": ["kmaens"]}, r"'kmaens' is no clusterer.*did you mean 'kmeans'"),
        ({"data": {"dataset": "fsd"}}, r"'fsd' is no data set.*did you mean 'fsdd'"),
    ],
)
def test_a_name_that_does_not_exist_stops_before_any_work(tmp_path, changes, message):
    with pytest.raises(ParamsError, match=message):
        Params(written(tmp_path, **changes))


def test_a_method_on_embeddings_may_stand_among_the_clusterers(tmp_path):
    Params(written(tmp_path, clusterers=["kmeans", "turtle"], methods={})).check_grid()
    with pytest.raises(ParamsError, match="clusterers: 'spice' is a method on logmels, and the grid has embeddings"):
        Params(written(tmp_path, clusterers=["spice"], methods={})).check_grid()
    with pytest.raises(ParamsError, match="'temi' stands in clusterers and in methods: remove one"):
        Params(written(tmp_path, clusterers=["temi"], methods={"temi": "byol"})).check_grid()


def test_what_is_to_be_heard_is_one_of_a_few_words(tmp_path):
    assert Params(written(tmp_path, kind="words")).kind() == "words"
    with pytest.raises(ParamsError, match="kind = 'speech'"):
        Params(written(tmp_path, kind="speech")).kind()


def test_an_item_without_section_is_named(tmp_path):
    path = written(tmp_path)
    content = yaml.safe_load(path.read_text())
    del content["byol_a_random"]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ParamsError, match="byol_a_random: its section is missing"):
        Params(path)


def test_a_data_set_without_section_is_named(tmp_path):
    path = written(tmp_path, data={"dataset": "folder"})
    content = yaml.safe_load(path.read_text())
    del content["folder"]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ParamsError, match=r"folder: its section is missing \(data\.dataset names it\)"):
        Params(path)


@pytest.mark.parametrize("data", [[1], "scenes", 3])
def test_what_is_no_section_is_named(tmp_path, data):
    with pytest.raises(ParamsError, match=r"data = .*: must be a section of keys and values"):
        Params(written(tmp_path, data=data))


@pytest.mark.parametrize("seeds", [[], [-1], [1, 1], "no", [True]])
def test_wrong_seeds(tmp_path, seeds):
    with pytest.raises(ParamsError, match="seeds"):
        Params(written(tmp_path, seeds=seeds)).items("seeds")


def test_check_all_finds_a_mistake_of_the_last_stage(tmp_path):
    wrong = {"sample": 2, "sampel": 3}
    with pytest.raises(ParamsError, match=r"evaluate\.sampel: unknown key") as caught:
        check_all(Params(written(tmp_path, evaluate=wrong, kmeans={"n_init": 0})))
    assert "kmeans.n_init = 0" in str(caught.value) and "evaluate.sample = 2" in str(caught.value)


def test_check_all_finds_what_is_wrong_between_parameters(tmp_path):
    logmel = {"sample_rate": 8000, "f_max": 7800}
    with pytest.raises(ParamsError, match=r"params\.yaml: logmel: f_max=7800\.0 .*half the sample rate") as caught:
        check_all(Params(written(tmp_path, logmel=logmel, kmeans={"n_init": 0})))
    assert "kmeans.n_init = 0" in str(caught.value)


@dataclass
class Checked:
    """Stand for a class with a rule between two parameters."""

    k: int
    pool: int = 5

    def check(self) -> None:
        if self.pool < self.k:
            raise ValueError(f"pool={self.pool} should be >= k={self.k}")


def test_a_class_checks_its_own_parameters(tmp_path):
    found = Params(written(tmp_path, spice={"k": 9})).mistakes("spice", Checked)
    assert [line.partition("params.yaml: ")[2] for line in found] == ["spice: pool=5 should be >= k=9"]
    assert Params(written(tmp_path, spice={"k": "auto"})).mistakes("spice", Checked) == [], "it may be 2"
    (line,) = Params(written(tmp_path, spice={"k": "auto"}, k=9)).mistakes("spice", Checked)
    assert "pool=5 should be >= k=9" in line


def test_sections_of_what_does_not_run_are_checked(tmp_path):
    changes = {"hdbscan": {"min_cluster_size": 0}, "esc50": {"esc11": True}, "wav2vec2": {"layer": "x"}}
    with pytest.raises(ParamsError) as caught:
        check_all(Params(written(tmp_path, **changes)))
    assert all(f"{name}.{key}" in str(caught.value) for name, section in changes.items() for key in section)


@pytest.mark.parametrize("text", ["- a\n", "a: [\n", "", "a: =\n", "a: 1\na: 2\n"])
def test_a_file_that_is_no_mapping(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match=r"params\.yaml: (must hold|not readable)"):
        Params(path)


def test_a_file_that_is_no_utf_8(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(b"data: {root: caf\xe9}\n")
    with pytest.raises(ParamsError, match=r"params\.yaml: not readable as YAML: .*utf-8"):
        Params(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(ParamsError, match="no such file"):
        Params(tmp_path / "params.yaml")


def test_a_section_may_configure_several_classes(tmp_path):
    params = Params(written(tmp_path, data={"dataset": "fsdd", "root": "here", "sample_rate": 8000}))
    assert params.part("data", _kind("runs.recordings.Source")) == {"dataset": "fsdd", "root": "here"}
    assert params.part("data", _kind("runs.label.Label")) == {}
    with pytest.raises(ParamsError, match=r"data\.root = 3: .*string"):
        Params(written(tmp_path, data={"dataset": "fsdd", "root": 3})).part("data", _kind("runs.recordings.Source"))


@pytest.mark.parametrize(("pairs", "message"), [
    ({"temi": {"one": "simclr", "other": "logmel_stats"}}, r"pairs\.temi: no method on two views.*cmsc_dcca"),
    ({"cmsc_dcca": {"one": "simclr"}}, r"pairs\.cmsc_dcca = \{'one': 'simclr'\}: name two different encoders"),
    ({"cmsc_dcca": {"one": "simclr", "other": "simclr"}}, r"name two different encoders"),
    ({"cmsc_dcca": {"one": "simclr", "other": "simcrl"}}, r"'simcrl' is no encoder that runs.*did you mean 'simclr'"),
    ({"cmsc_dcca": {"first": "simclr", "other": "byol"}}, r"pairs = \{'cmsc_dcca'"),
    ({"cmsc_dcca": ["simclr", "byol"]}, r"pairs = \{'cmsc_dcca'"),
])  # fmt: skip
def test_pairs_name_a_method_on_two_views_and_two_encoders(pairs, message, tmp_path):
    with pytest.raises(ParamsError, match=message):
        Params(written(tmp_path, pairs=pairs)).pairs()


def test_a_pair_is_found(tmp_path):
    pairs = {"cmsc_dcca": {"one": "simclr", "other": "logmel_stats"}}
    assert Params(written(tmp_path, pairs=pairs)).pairs() == {"cmsc_dcca": ("simclr", "logmel_stats")}
    two = {"one": "resemblyzer", "other": "aisfx"}
    assert Params(written(tmp_path, pairs={"turtle": two})).pairs() == {"turtle": ("resemblyzer", "aisfx")}
    assert Params(written(tmp_path, pairs=None)).pairs() == {}


def test_a_method_starts_from_an_encoder_that_runs(tmp_path):
    def check(**methods):
        params = Params(written(tmp_path, methods=methods))
        params.check_starts()
        return params.methods()

    with pytest.raises(ParamsError, match=r"methods\.temi = 'simcrl': no encoder that runs.*did you mean 'simclr'"):
        check(temi="simcrl")
    with pytest.raises(ParamsError, match=r"cc trains the network of an encoder further: name one of pretexts"):
        check(cc="logmel_stats")
    with pytest.raises(ParamsError, match=r"temi needs an embedding: name the encoder"):
        check(temi=None)
    with pytest.raises(ParamsError, match=r"cmsc_dcca needs an embedding: name the encoder"):
        check(cmsc_dcca=None)
    with pytest.raises(ParamsError, match=r"deepcluster\.start = 'pretext' needs an encoder: name one, or set"):
        check(deepcluster=None)
    with pytest.raises(ParamsError, match=r"methods: 'tmei' is no method.*did you mean 'temi'"):
        check(tmei="moco")
    assert check(temi="logmel_stats", spice=None) == {"temi": "logmel_stats", "spice": None}


def test_heads_on_a_frozen_encoder_ask_for_nothing_that_needs_its_network(tmp_path):
    content = yaml.safe_load((ROOT / "params.yaml").read_text())

    def check(method, encoder="logmel_stats", **changed):
        section = {method: content[method] | changed}
        Params(
            written(tmp_path, encoders=["logmel_stats", "text"], methods={method: encoder}, **section)
        ).check_starts()

    check("spice")
    check("scan")
    for method, changed, rule in (
        ("spice", {"stage": "joint"}, r"spice\.stage = 'joint' needs log-mels .* Set spice\.stage=self"),
        ("spice", {"refresh": 2}, r"spice\.refresh = 2 needs log-mels .* Set spice\.refresh=0"),
        ("scan", {"stage": "selflabel"}, r"scan\.stage = 'selflabel' needs .* Set scan\.stage=cluster"),
        ("scan", {"update": "all"}, r"scan\.update = 'all' needs .* Set scan\.update=heads"),
    ):
        with pytest.raises(ParamsError, match=rf"methods\.{method} = 'logmel_stats': {rule}"):
            check(method, **changed)
    with pytest.raises(ParamsError, match=r"spice draws from views of sounds, and text reads texts"):
        check("spice", "text")


@pytest.mark.parametrize(("key", "name"), [("reducers", "lda"), ("pretexts", "gan")])
def test_what_is_not_built_is_refused_with_the_reason(key, name, tmp_path):
    with pytest.raises(ParamsError, match=rf"{key}: '{name}': .*(needs labels|is built).*; take "):
        Params(written(tmp_path, **{key: [name]}))


def test_without_any_encoder_nothing_can_run(tmp_path):
    with pytest.raises(ParamsError, match="encoders and pretexts are both empty"):
        check_all(Params(written(tmp_path, encoders=[], pretexts=[], methods={})))


def test_what_a_stage_supplies_is_no_parameter(tmp_path):
    with pytest.raises(ParamsError, match=r"simclr\.augment: unknown key"):
        check_all(Params(written(tmp_path, simclr={"augment": "strong"})))


def test_every_parameter_stands_in_the_file():
    """So that `-S` reaches it without `+`, and a reader finds it."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    kinds = {name: [_kind(kind) for kind in names] for name, names in STAGE_SECTIONS.items()}
    for room in ("datasets", CORPORA, *ITEMS.values()):
        kinds |= {name: [registry.get(room, name)] for name in registry.names(room)}
    missing = [
        f"{name}.{key}"
        for name, each in kinds.items()
        for kind in each
        for key in types(kind)
        if key not in (content.get(name) or {})
    ]
    assert missing == []


# Separation


def test_a_separator_has_what_is_common_but_for_its_own(tmp_path):
    own = {"one": {"mixtures": "mixtures", "sources": 3}, "other": {"mixtures": "music", "k": "7", "lr": "1e-4"}}
    params = Params(written(tmp_path, separators=own, separator={"k": 20, "hidden": 8}))
    assert params.separator("one") == {"k": 20, "hidden": 8, "sources": 3}
    assert params.separator("other") == {"k": 7, "hidden": 8, "lr": 1e-4}
    assert params.mixtures() == ["mixtures", "music"]
    del own["other"]
    assert Params(written(tmp_path, separators=own)).mixtures() == ["mixtures"]


@pytest.mark.parametrize("none", [{}, None])
def test_there_may_be_no_separator(tmp_path, none):
    params = Params(written(tmp_path, separators=none))
    check_all(params)
    assert params.separators() == {} and params.mixtures() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mixtures": {"corpus": "voice"}}, r"mixtures\.corpus: 'voice' is no corpus.*did you mean 'voices'"),
        ({"music": {"corpus": "trios"}}, r"music\.corpus: 'trios' is no corpus"),
        ({"music": {}}, r"music\.corpus: None is no corpus: choose one of .*voices"),
        ({"mixtures": ["voices"]}, r"mixtures = \['voices'\]: must be a section of keys and values"),
        ({"mixture": {}}, r"mixture: unknown section.*did you mean 'mixtures'"),
        ({"separator": [1]}, r"separator = \[1\]: must be a section"),
        ({"separators": {"x": {"mixtures": "musik"}}}, r"separators\.x\.mixtures = 'musik': no section.* 'music'"),
        ({"separators": {"x": {}}}, r"separators\.x\.mixtures = None: no section: choose one of mixtures, music"),
        ({"separators": {"x": {"mixtures": "voices"}}}, r"separators\.x\.mixtures = 'voices': no section"),
        ({"separators": {"x": None}}, r"separators = .*dict"),
        ({"separators": ["x"]}, r"separators = .*dict"),
        ({"separators": {"x": {"mixtures": "music", "hiden": 3}}},
         r"separators\.x\.hiden: unknown key.*did you mean 'hidden'"),
        ({"separators": {"x": {"mixtures": "music", "k": 1}}}, r"separators\.x\.k = 1: greater than or equal to 2"),
        ({"separators": {"x": {"mixtures": "music", "device": "cpu"}}}, r"separators\.x\.device: unknown key"),
        ({"separator": {"k": 1}}, r"separator\.k = 1: greater than or equal to 2"),
        ({"separator": {"k": "auto"}}, r"separator\.k = 'auto': .*integer"),
        ({"separator": {"frames": []}}, r"separator\.frames = \[\]: "),
        ({"separator": {"objective": "affinty"}}, r"separator\.objective = 'affinty': .*did you mean 'affinity'"),
        ({"separator": {"hop": 20}}, r"separator: hop=20\.0 ms must be at most half of window=32\.0 ms"),
        ({"separator": {"mixtures": "music"}}, r"separator\.mixtures: unknown key"),
        ({"mixtures": {"corpus": "voices", "pairs": "men"}}, r"mixtures\.pairs = 'men': 'all', 'balanced' or 'female'"),
        ({"mixtures": {"corpus": "voices", "pair": "all"}}, r"mixtures\.pair: unknown key.*did you mean 'pairs'"),
        ({"music": {"corpus": "voices", "aligned": 2}}, r"music\.aligned = 2: .*less than or equal to 1"),
        ({"separate": {"segments": "all"}}, r"separate\.segments = 'all': .*'whole'"),
        ({"voices": {"men": "x"}}, r"voices\.men = 'x': .*integer"),
        ({"stems": {"open_shar": 0.1}}, r"stems\.open_shar: unknown key.*did you mean 'open_share'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_separation_is_named_before_any_work(tmp_path, changes, message):
    with pytest.raises(ParamsError, match=message):
        check_all(Params(written(tmp_path, **changes)))


def test_sections_of_corpora_that_are_named_must_be_there(tmp_path):
    path = written(tmp_path)
    content = yaml.safe_load(path.read_text())
    for name in ("voices", "separator", *MIXTURES):
        path.write_text(yaml.safe_dump({key: value for key, value in content.items() if key != name}))
        if name == "separator":  # as every section, it may have its defaults
            assert Params(path).separator("speech").keys() == {"sources"}
            continue
        message = "voices: its section is missing" if name == "voices" else rf"{name}\.corpus: None is no corpus"
        with pytest.raises(ParamsError, match=message):
            Params(path)


def test_without_the_list_of_separators(tmp_path):
    path = written(tmp_path)
    content = yaml.safe_load(path.read_text())
    del content["separators"]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ParamsError, match=r"the key 'separators' is missing"):
        check_all(Params(path))


def override(tmp_path: Path, *changes: str, few: bool = False) -> Path:
    """Return a copy of the project's file after ``dvc exp run -S`` with each of ``changes``.

    Of a few sections alone where they do: DVC keeps the comments of the file, and takes long over it.
    """
    from dvc.utils.hydra import apply_overrides, get_hydra_sweeps

    path = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text()
    if few:
        content = yaml.safe_load(text)
        text = yaml.safe_dump({name: content[name] for name in FEW})
    path.write_text(text)
    (changes,) = get_hydra_sweeps({path: list(changes)})
    apply_overrides(path, changes[path])
    return path


def test_words_that_yaml_1_1_takes_for_booleans_are_words(tmp_path):
    """DVC writes the file by YAML 1.2, where yes needs no quotes."""
    kind, words = registry.get("datasets", "speech_commands"), ["yes", "no", "on", "off", "Yes", "trueish"]
    path = override(tmp_path, f"speech_commands.words=[{','.join(words)}]", "scan.balance=true")
    assert "- yes\n" in path.read_text()
    assert Params(path).section("speech_commands", kind) == {"version": 2, "words": words}
    assert Params(path).section("scan", registry.get("methods", "scan"))["balance"] is True


def test_a_switch_may_be_written_yes(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text().replace("esc10: false", "esc10: yes"))
    assert Params(path).section("esc50", registry.get("datasets", "esc50")) == {"esc10": True}


SCALARS = [
    "010", "0o10", "0x10", "0b11", "1_000", "1:30", "1:30:15", "1.", "+1", "1e3", "1e-3", "12e03", ".5", ".inf", ".nan",
    "yes", "No", "on", "OFF", "y", "true", "TRUE", "~", "null", "Null", "", "2020-01-01", "2020-01-01 10:00:00",
    "'010'", "!!str 10", "0.1.2", "1e", "-1", "08",
]  # fmt: skip


def test_scalars_are_read_as_dvc_reads_them(tmp_path):
    from dvc.utils.serialize import load_yaml

    path = tmp_path / "params.yaml"
    path.write_text("".join(f"key{i}: {text}\n" for i, text in enumerate(SCALARS)))
    found, theirs = _read(path), load_yaml(str(path))
    assert [*map(repr, found.values())] == [*map(repr, theirs.values())]
    ours = dict(zip(SCALARS, found.values(), strict=True))
    assert (ours["010"], ours["1:30"], ours["yes"], ours["1e-3"]) == (10, "1:30", "yes", 0.001)


FEW = ("data", "scenes", "mixtures", "voices", "music", "instruments")  # sections that others name
FOLDERS = [
    "a b", "a (b)", "a,b", "a=b", "a#b", "a [b]", "a{b}", "~a", "/~a/b", "it's", "Übung é 高", "$5", "a!b&c;d", " a ",
    "1", "null", 'say \\"x\\"',
]  # fmt: skip


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_in_double_quotes_inside_of_the_override_is_taken_as_it_is(tmp_path, folder):
    """As USAGE.md has it; a double quote of the folder's own takes a backslash."""
    path = override(tmp_path, f'data.root="{folder}"', few=True)
    root = Params(path).part("data", _kind("runs.recordings.Source"))["root"]
    assert root == folder.replace("\\", "")


def test_the_folder_is_set_without_a_plus(tmp_path):
    path = override(tmp_path, "folder.labels=csv", "folder.csv=truth.csv")
    assert Params(path).section("folder", registry.get("datasets", "folder")) == {
        "path": None, "labels": "csv", "csv": "truth.csv",
    }  # fmt: skip


def test_dvc_changes_one_line_of_the_file(tmp_path):
    """The file stands as DVC writes it."""
    path = override(tmp_path, "kmeans.n_init=20")
    before, after = (ROOT / "params.yaml").read_text().splitlines(), path.read_text().splitlines()
    assert len(before) == len(after)
    changed = [(a.strip(), b.strip()) for a, b in zip(before, after, strict=True) if a != b]
    assert changed == [("n_init: 10", "n_init: 20")]


def test_a_corpus_of_a_data_set_depends_on_the_code_of_both(tmp_path):
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    changed = {"mixtures": content["mixtures"] | {"corpus": "speakers"}, "speakers": {"dataset": "fsdd"}}
    items = check._code(Params(written(tmp_path, **changed)))["mixtures"]
    assert set(items) == {(CORPORA, "instruments"), (CORPORA, "speakers"), ("datasets", "fsdd")}
