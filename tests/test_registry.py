"""The file is the registration."""

import pytest

from audioclust import registry

KINDS = ("datasets", "encoders", "reducers", "clusterers")


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_the_public_files(kind):
    names = registry.names(kind)
    assert names == sorted(names) and not any(name.startswith("_") for name in names)
    assert names


@pytest.mark.parametrize("kind,name", [(k, n) for k in KINDS[1:] for n in registry.names(k)])
def test_every_file_defines_the_class_of_its_name(kind, name):
    assert registry.get(kind, name).__name__.replace("_", "").lower() == name.replace("_", "").lower()


def test_an_unknown_name_lists_the_choices():
    with pytest.raises(ValueError, match=r"unknown clusterer 'kmean': choose one of .*kmeans.*did you mean 'kmeans'"):
        registry.get("clusterers", "kmean")
