"""Fetching from a server on this machine that cuts connections, knows no ranges, or sends something else."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from datasets_fixture import packed

from audioclust.datasets import _download as download
from audioclust.datasets._unpack import Contents

CONTENT = np.random.default_rng(0).bytes(300_000)


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


SUM = sha256(CONTENT)


class Handler(BaseHTTPRequestHandler):
    """Sends ``server.content``, as ``server.behaviour`` says, and notes the headers of every request."""

    def do_GET(self):
        server = self.server
        server.requests.append(dict(self.headers))
        if server.status:
            return self.send_error(server.status.pop(0) if len(server.status) > 1 else server.status[0])
        start = self.start()
        if start >= len(server.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(server.content) - start))
        if server.etag:
            self.send_header("ETag", server.etag)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.end_headers()
        self.send(server.content[start:])

    def start(self) -> int:
        """Return the first byte to send: 0 without a range, or where If-Range names another version (RFC 9110)."""
        wanted, version = self.headers.get("Range"), self.headers.get("If-Range")
        if not self.server.ranges or not wanted or (version and version != self.server.etag):
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def send(self, body: bytes) -> None:
        cut = self.server.cuts.pop(0) if self.server.cuts else None
        self.wfile.write(body[:cut])
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """Run a server; ``cuts`` lists after how many bytes each of the next answers ends."""
    monkeypatch.setattr(download, "PAUSE", 0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.content, running.etag, running.ranges = CONTENT, '"v1"', True
        running.requests, running.cuts, running.status = [], [], []
        running.url = f"http://127.0.0.1:{running.server_address[1]}/corpus.bin"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def ranges(server) -> list[str | None]:
    return [request.get("Range") for request in server.requests]


def names(folder) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_file_is_fetched_once(server, tmp_path):
    path = download.fetch(server.url, SUM, tmp_path / "new" / "corpus.bin", size=len(CONTENT))
    assert path.read_bytes() == CONTENT and names(tmp_path) == ["new/corpus.bin"]
    download.fetch(server.url, SUM, path)
    assert ranges(server) == [None], "a good file is not fetched again"


@pytest.mark.parametrize("checksum", [SUM, f"md5:{hashlib.md5(CONTENT).hexdigest()}", None])
def test_a_cut_connection_is_resumed(server, tmp_path, checksum):
    server.cuts = [6 * download.CHUNK + 99, 3 * download.CHUNK + 1]
    path = download.fetch(server.url, checksum, tmp_path / "corpus.bin")
    assert path.read_bytes() == CONTENT and names(tmp_path) == ["corpus.bin"]
    assert ranges(server) == [None, *(f"bytes={chunks * download.CHUNK}-" for chunks in (6, 9))]
    assert server.requests[1]["If-Range"] == '"v1"'


def test_many_cuts_do_not_matter_while_something_comes(server, tmp_path):
    server.cuts = [20_000] * (download.TRIES + 5)
    assert download.fetch(server.url, SUM, tmp_path / "corpus.bin").read_bytes() == CONTENT


def test_a_killed_fetch_is_resumed(server, tmp_path):
    """What a killed process leaves: a part without a mark of its version."""
    (tmp_path / "corpus.bin.part").write_bytes(CONTENT[:1234])
    assert download.fetch(server.url, SUM, tmp_path / "corpus.bin").read_bytes() == CONTENT
    assert ranges(server) == ["bytes=1234-"]


def test_a_part_that_is_complete_is_taken(server, tmp_path):
    (tmp_path / "corpus.bin.part").write_bytes(CONTENT)
    assert download.fetch(server.url, SUM, tmp_path / "corpus.bin").read_bytes() == CONTENT
    assert ranges(server) == [f"bytes={len(CONTENT)}-"]


def test_a_part_that_is_too_long_is_dropped(server, tmp_path):
    (tmp_path / "corpus.bin.part").write_bytes(CONTENT + b"more")
    assert download.fetch(server.url, SUM, tmp_path / "corpus.bin").read_bytes() == CONTENT
    assert ranges(server)[1] is None


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.ranges, server.cuts = False, [download.CHUNK]
    assert download.fetch(server.url, SUM, tmp_path / "corpus.bin").read_bytes() == CONTENT
    assert ranges(server) == [None, f"bytes={download.CHUNK}-"]


@pytest.mark.parametrize("etag", ['"v2"', ""])
def test_two_versions_are_never_joined(server, tmp_path, monkeypatch, etag):
    """Without a checksum nothing else would tell: the file changes while the fetch is interrupted."""
    monkeypatch.setattr(download, "TRIES", 1)
    server.cuts = [100_000]
    with pytest.raises(RuntimeError):
        download.fetch(server.url, None, tmp_path / "corpus.bin")
    server.content, server.etag = CONTENT[::-1], etag
    assert download.fetch(server.url, None, tmp_path / "corpus.bin").read_bytes() == CONTENT[::-1]


def test_a_server_that_ignores_the_version_is_found_out(server, tmp_path, monkeypatch):
    (tmp_path / "corpus.bin.part").write_bytes(CONTENT[:1000])
    (tmp_path / "corpus.bin.part.version").write_text('"v0"')
    monkeypatch.setattr(Handler, "start", lambda self: 1000 if "Range" in self.headers else 0)
    assert download.fetch(server.url, None, tmp_path / "corpus.bin").read_bytes() == CONTENT
    assert ranges(server) == ["bytes=1000-", None]


def test_a_wrong_checksum_names_all_and_keeps_the_others(server, tmp_path):
    good = download.fetch(server.url, SUM, tmp_path / "good.bin")
    expected = "sha256:" + "0" * 64
    (tmp_path / "bad.bin").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"bad\.bin") as caught:
        download.fetch(server.url, expected, tmp_path / "bad.bin")
    for part in (server.url, "0" * 64, SUM.removeprefix("sha256:")):
        assert part in str(caught.value)
    assert names(tmp_path) == ["good.bin"] and good.read_bytes() == CONTENT


def test_a_damaged_file_is_fetched_again(server, tmp_path):
    (tmp_path / "corpus.bin").write_bytes(b"damaged")
    assert download.fetch(server.url, SUM, tmp_path / "corpus.bin").read_bytes() == CONTENT


def test_a_missing_file_is_not_asked_for_twice(server, tmp_path):
    server.status = [404]
    with pytest.raises(RuntimeError, match="404") as caught:
        download.fetch(server.url, SUM, tmp_path / "corpus.bin")
    assert server.url in str(caught.value) and str(tmp_path / "corpus.bin") in str(caught.value)
    assert len(server.requests) == 1 and not names(tmp_path)


def test_a_busy_server_is_asked_again(server, tmp_path):
    (tmp_path / "corpus.bin.part").write_bytes(CONTENT[:500])
    server.status = [503]
    with pytest.raises(RuntimeError, match=r"503.*500 bytes are kept"):
        download.fetch(server.url, SUM, tmp_path / "corpus.bin")
    assert len(server.requests) == download.TRIES
    server.status = []
    assert download.fetch(server.url, SUM, tmp_path / "corpus.bin").read_bytes() == CONTENT


def test_an_unreachable_host_says_where_to_put_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0)
    url = "http://127.0.0.1:1/corpus.bin"
    with pytest.raises(RuntimeError, match="put it at") as caught:
        download.fetch(url, SUM, tmp_path / "corpus.bin")
    assert url in str(caught.value) and str(tmp_path / "corpus.bin") in str(caught.value)


def test_room_on_the_disk_is_checked_first(server, tmp_path):
    with pytest.raises(RuntimeError, match=r"1000000\.0 GB are needed"):
        download.fetch(server.url, SUM, tmp_path / "corpus.bin", size=10**15)
    assert not server.requests


@pytest.fixture(params=["zip", "tar.gz"])
def kind(request):
    return request.param


def test_fetch_and_unpack_is_done_once_until_the_corpus_is_gone(server, tmp_path, kind):
    server.content = packed(kind, {"set/a.wav": b"a"})
    call = (server.url, sha256(server.content), tmp_path / f"set.{kind}", tmp_path, None)
    download.fetch_and_unpack(*call)
    download.fetch_and_unpack(*call)
    assert names(tmp_path) == [f"set.{kind}.done", "set/a.wav"] and len(server.requests) == 1
    (tmp_path / "set/a.wav").unlink()
    (tmp_path / "set").rmdir()
    download.fetch_and_unpack(*call)
    assert (tmp_path / "set/a.wav").is_file() and len(server.requests) == 2


def test_an_archive_without_a_folder_of_its_own_gets_one(server, tmp_path, kind):
    server.content = packed(kind, {"yes/a.wav": b"a", "testing_list.txt": b""})
    call = (server.url, sha256(server.content), tmp_path / f"set.{kind}", tmp_path / "set_v2", None)
    download.fetch_and_unpack(*call)
    assert names(tmp_path / "set_v2") == ["testing_list.txt", "yes/a.wav"]


# What `LC_ALL=C sha256sum a.wav b.wav | sha256sum` says of files that hold "a" and "b".
TWO = Contents("set-1.0/recordings", "c4d48bbfaedc4e4d443a781784b2c85314e94d0dff66cf6bb355531d7b838602")
FILES = {"set-1.0/recordings/b.wav": b"b", "set-1.0/recordings/a.wav": b"a", "set-1.0/setup.py": b"code"}


def test_contents_are_what_is_checked_where_the_archive_itself_may_differ(server, tmp_path, kind):
    for folder, files in (("one", FILES), ("other", dict(reversed(FILES.items())))):
        server.content = packed(kind, files)
        download.fetch_and_unpack(server.url, TWO, tmp_path / folder / "set", tmp_path / folder, len(CONTENT))
        found = names(tmp_path / folder)
        assert found == ["set-1.0/recordings/a.wav", "set-1.0/recordings/b.wav", "set.done"], "nothing else is unpacked"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "change", [{"a.wav": b"A"}, {"c.wav": b"a"}, {"more/a.wav": b""}, {"a.wav": None}, {"a.wav": None, "b.wav": None}]
)
def test_other_contents_are_refused_before_anything_is_moved(server, tmp_path, kind, change):
    changed = FILES | {f"set-1.0/recordings/{name}": content for name, content in change.items()}
    server.content = packed(kind, {name: content for name, content in changed.items() if content is not None})
    with pytest.raises(ValueError, match=f"set-1.0/recordings have the checksum .*expected {TWO.sha256}") as caught:
        download.fetch_and_unpack(server.url, TWO, tmp_path / "set", tmp_path / "here", None)
    assert f"{tmp_path / 'set'}: " in str(caught.value) and "delete it and run again" in str(caught.value)
    assert names(tmp_path) == ["set"] and not (tmp_path / "here/set-1.0").exists()
    (tmp_path / "set").unlink()
    server.content = packed(kind, FILES)
    download.fetch_and_unpack(server.url, TWO, tmp_path / "set", tmp_path / "here", None)
    assert (tmp_path / "here/set-1.0/recordings/a.wav").read_bytes() == b"a"


def test_a_cut_fetch_of_contents_is_resumed(server, tmp_path):
    server.content = packed("zip", FILES | {"set-1.0/large": CONTENT})
    server.cuts = [6 * download.CHUNK]
    download.fetch_and_unpack(server.url, TWO, tmp_path / "set", tmp_path, None)
    assert ranges(server) == [None, f"bytes={6 * download.CHUNK}-"] and names(tmp_path)[-1] == "set.done"
