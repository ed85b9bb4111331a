"""Unpacking: whole, without what could lead out of the folder, and into place in one step."""

import io
import os
import stat
import tarfile
import zipfile

import numpy as np
import pytest
from datasets_fixture import packed

from audioclust.datasets import _unpack as unpacking

CONTENT = np.random.default_rng(0).bytes(40_000)


@pytest.fixture(params=["zip", "tar.gz"])
def kind(request):
    return request.param


def names(folder) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def test_unpacking_adds_to_what_is_there(kind, tmp_path):
    (tmp_path / "raw/set").mkdir(parents=True)
    (tmp_path / "raw/set/old.txt").write_text("old")
    archive = tmp_path / f"raw/set.{kind}"
    archive.write_bytes(packed(kind, {"set/a/1.wav": b"one", "set/meta.txt": b"meta", "read.me": b"!"}))
    assert unpacking.unpack(archive, tmp_path / "raw") == ["read.me", "set"]
    assert names(tmp_path / "raw") == sorted(["read.me", archive.name, "set/a/1.wav", "set/meta.txt", "set/old.txt"])
    assert (tmp_path / "raw/set/a/1.wav").read_bytes() == b"one"


@pytest.mark.parametrize("member", ["../evil.txt", "set/../../evil.txt"])
def test_nothing_lands_outside(kind, tmp_path, member):
    archive = tmp_path / f"raw/set.{kind}"
    archive.parent.mkdir()
    archive.write_bytes(packed(kind, {"good.txt": b"good", member: b"evil"}))
    with pytest.raises(ValueError, match="outside"):
        unpacking.unpack(archive, tmp_path / "raw/here")
    assert names(tmp_path) == [f"raw/set.{kind}"]


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.9])
def test_a_damaged_archive_is_named_and_leaves_nothing(kind, tmp_path, keep):
    content = packed(kind, {"set/a.bin": CONTENT[:20_000], "set/b.bin": CONTENT[20_000:40_000]})
    archive = tmp_path / f"set.{kind}"
    archive.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(ValueError, match=rf"set\.{kind}.*delete it and run again"):
        unpacking.unpack(archive, tmp_path / "here")
    assert names(tmp_path) == [f"set.{kind}"]


def test_a_kill_while_unpacking_leaves_no_half_corpus(kind, tmp_path, monkeypatch):
    """The corpus appears by one rename: before it there is nothing, whatever the kill leaves is cleared next time."""
    archive = tmp_path / f"set.{kind}"
    archive.write_bytes(packed(kind, {f"set/{i}.wav": bytes([i]) for i in range(5)}))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "_move", killed)
        patch.setattr(unpacking.shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            unpacking.unpack(archive, tmp_path)
    assert not (tmp_path / "set").exists() and (tmp_path / f"set.{kind}.unpacking/set/0.wav").is_file()
    unpacking.unpack(archive, tmp_path)
    assert names(tmp_path) == sorted([*(f"set/{i}.wav" for i in range(5)), f"set.{kind}"])


def test_room_for_the_content_is_checked_before_unpacking(kind, tmp_path, monkeypatch):
    archive = tmp_path / f"set.{kind}"
    archive.write_bytes(packed(kind, {"zeros": bytes(100_000)}))
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 50}))
    with pytest.raises(RuntimeError, match=rf"unpacking set\.{kind}"):
        unpacking.unpack(archive, tmp_path)
    assert names(tmp_path) == [archive.name]


NAMES = {
    "absolute": "/tmp/evil.txt",
    "up": "../evil.txt",
    "up again": "set/../../evil.txt",
    "up and back": "set/../evil.txt",
    "backslashes": "..\\evil.txt",
    "a share": "\\\\server\\evil.txt",
    "a drive": "C:evil.txt",
    "a drive's root": "C:/evil.txt",
}


@pytest.mark.parametrize("member", NAMES.values(), ids=list(NAMES))
def test_a_name_that_could_lead_out_is_refused_on_every_system(kind, tmp_path, member):
    content = packed(kind, {"good.txt": b"good", member: b"evil"})
    refused(kind, tmp_path, content, "could land outside the folder", member)


TAR = {
    "a link": (tarfile.SYMTYPE, "good.txt"),
    "a link out": (tarfile.SYMTYPE, "/etc"),
    "a hard link": (tarfile.LNKTYPE, "good.txt"),
    "a pipe": (tarfile.FIFOTYPE, ""),
    "a character device": (tarfile.CHRTYPE, ""),
    "a block device": (tarfile.BLKTYPE, ""),
}


@pytest.mark.parametrize(("type", "target"), TAR.values(), ids=list(TAR))
def test_a_tars_member_that_is_no_plain_file_is_refused(tmp_path, type, target):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as stream:
        stream.addfile(tarfile.TarInfo("good.txt"))
        member = tarfile.TarInfo("set/evil")
        member.type, member.linkname = type, target
        stream.addfile(member)
    refused("tar.gz", tmp_path, out.getvalue(), "neither a file nor a folder", "set/evil")


@pytest.mark.parametrize("type", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_a_zips_member_that_is_no_plain_file_is_refused(tmp_path, type):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as stream:
        stream.writestr("good.txt", b"good")
        member = zipfile.ZipInfo("set/evil")
        member.external_attr = (type | 0o777) << 16
        stream.writestr(member, b"/etc")
    refused("zip", tmp_path, out.getvalue(), "neither a file nor a folder", "set/evil")


def refused(kind, tmp_path, content, reason, member):
    """Check that an archive is refused for a member, by name, with a way out; nothing is left of it, nor written."""
    archive = tmp_path / f"raw/set.{kind}"
    archive.parent.mkdir()
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=reason) as caught:
        unpacking.unpack(archive, tmp_path / "raw/here")
    assert all(part in str(caught.value) for part in (str(archive), repr(member), "unpack what you trust of it"))
    assert names(tmp_path) == [f"raw/set.{kind}"]


def test_modes_and_owners_are_not_taken_over(tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as stream:
        for name, mode in (("set/all", 0o7777), ("set/run", 0o755), ("set/none", 0)):
            member = tarfile.TarInfo(name)
            member.mode, member.uid, member.gid, member.mtime = mode, 12345, 12345, 1
            stream.addfile(member)
    unpacking.unpack(tmp_path / "set.tar.gz", tmp_path / "here")
    expected = plain.stat()
    for path in (tmp_path / "here/set").iterdir():
        found = path.stat()
        assert (found.st_mode, found.st_uid, found.st_gid) == (expected.st_mode, os.getuid(), expected.st_gid)
        assert found.st_mtime > 1


def test_folders_and_names_with_a_leading_point_are_taken(kind, tmp_path):
    """As in the archive of Speech Commands."""
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as stream:
            stream.mkdir("empty")
            stream.writestr("./yes/a.wav", b"a")
    else:
        with tarfile.open(fileobj=out, mode="w:gz") as stream:
            for name in (".", "./empty"):
                member = tarfile.TarInfo(name)
                member.type = tarfile.DIRTYPE
                stream.addfile(member)
            stream.addfile(tarfile.TarInfo("./yes/a.wav"))
    (tmp_path / "set").write_bytes(out.getvalue())
    assert unpacking.unpack(tmp_path / "set", tmp_path / "here") == ["empty", "yes"]
    assert (tmp_path / "here/empty").is_dir() and names(tmp_path / "here") == ["yes/a.wav"]


def test_a_file_in_the_place_of_a_folder_is_damage(kind, tmp_path):
    (tmp_path / "set").write_bytes(packed(kind, {"a": b"file", "a/b": b"file"}))
    with pytest.raises(ValueError, match="set: damaged"):
        unpacking.unpack(tmp_path / "set", tmp_path / "here")
    assert names(tmp_path) == ["set"]
