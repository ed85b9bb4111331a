"""Checkpoint files: fetched once, verified, and loaded strictly. The server is this machine."""

import hashlib
import pickle
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import torch

from audioclust.encoders import _weights as weights

CONTENT = b"hello\n"
BLOB = "ce013625030ba8dba906f756967f9e9ca394464a"  # what `git hash-object` says of these bytes
NOWHERE = weights.Checkpoint("net.pth", "http://127.0.0.1:9/net.pth", "CC0", 12_000_000, git_blob=BLOB)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOCLUST_CACHE", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "weights"


@pytest.fixture
def server():
    """Serve CONTENT under /net.pth; the list of the paths that were asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200 if self.path == "/net.pth" else 404)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *_):
            """Keep the test's output quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}/", asked
        http.shutdown()


def put(folder, content=CONTENT):
    folder.mkdir(parents=True)
    (folder / "net.pth").write_bytes(content)
    return folder / "net.pth"


def test_absent_and_unreachable_says_what_where_and_how(folder):
    with pytest.raises(RuntimeError) as error:
        weights.find(NOWHERE, "byol_a")
    for part in ("net.pth", NOWHERE.url, "CC0", "12 MB", str(folder / "net.pth"), "byol_a.weights"):
        assert part in str(error.value)
    assert not (folder / "net.pth").exists()


def test_fetched_once(folder, server):
    base, asked = server
    checkpoint = replace(NOWHERE, url=base + "net.pth", sha256=hashlib.sha256(CONTENT).hexdigest())
    for _ in range(2):
        assert weights.find(checkpoint, "byol_a").read_bytes() == CONTENT
    assert asked == ["/net.pth"]
    assert [p.name for p in folder.iterdir()] == ["net.pth"]


def test_an_error_page_is_not_taken_for_the_file(folder, server):
    with pytest.raises(RuntimeError, match="404"):
        weights.find(replace(NOWHERE, url=server[0] + "moved.pth"), "byol_a")
    assert not (folder / "net.pth").exists()


def test_a_file_put_into_the_cache_by_hand_is_used(folder):
    file = put(folder)
    assert weights.find(NOWHERE, "byol_a") == file


@pytest.mark.parametrize("kind", ["sha256", "git_blob"])
def test_a_damaged_file_is_set_aside(folder, kind):
    file = put(folder, b"damaged")
    checkpoint = replace(NOWHERE, **{"git_blob": None, kind: BLOB})
    with pytest.raises(RuntimeError, match=f"checksum .* expected {BLOB}.*net.pth.damaged"):
        weights.find(checkpoint, "byol_a")
    assert not file.exists()


def test_where_no_checksum_is_published_that_of_the_first_use_is_kept(folder, server):
    checkpoint = replace(NOWHERE, url=server[0] + "net.pth", git_blob=None)
    file = weights.find(checkpoint, "byol_a")
    file.write_bytes(b"damaged")
    with pytest.raises(RuntimeError, match=f"expected {hashlib.sha256(CONTENT).hexdigest()}.*net.pth.damaged"):
        weights.find(checkpoint, "byol_a")
    assert weights.find(checkpoint, "byol_a").read_bytes() == CONTENT
    assert weights.find(checkpoint, "byol_a").read_bytes() == CONTENT


def test_a_file_that_the_user_names_is_taken_as_it_is(tmp_path):
    (tmp_path / "mine.pth").write_bytes(b"anything")
    assert weights.find(NOWHERE, "byol_a", str(tmp_path / "mine.pth")) == tmp_path / "mine.pth"


def test_a_missing_file_that_the_user_names_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"byol_a.weights = .*mine.pth: no such file"):
        weights.find(NOWHERE, "byol_a", str(tmp_path / "mine.pth"))


def test_loading_is_strict_and_names_the_key():
    state = torch.nn.Linear(3, 2).state_dict()
    with pytest.raises(RuntimeError, match="'bias' is missing"):
        weights.load(torch.nn.Linear(3, 2), {"weight": state["weight"]}, "file")
    with pytest.raises(RuntimeError, match=r"'weight' has shape \(2, 3\), \(2, 4\) is needed"):
        weights.load(torch.nn.Linear(4, 2), state, "file")
    with pytest.raises(RuntimeError, match="unexpected key 'more'"):
        weights.load(torch.nn.Linear(3, 2), {**state, "more": state["bias"]}, "file")


def test_loading_into_a_module_without_memory_draws_nothing_and_gives_float32():
    state = {key: value.half() for key, value in torch.nn.Linear(3, 2).state_dict().items()}
    before = torch.random.get_rng_state()
    with torch.device("meta"):
        module = torch.nn.Linear(3, 2)
    weights.load(module, state, "file")
    assert torch.equal(before, torch.random.get_rng_state())
    assert module.weight.dtype == torch.float32 and torch.equal(module.weight, state["weight"].float())


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}])
def test_reads_bare_and_wrapped_state(tmp_path, wrap):
    state = torch.nn.Linear(3, 2).state_dict()
    torch.save(wrap(state), tmp_path / "net.pth")
    found = weights.read(tmp_path / "net.pth")
    assert list(found) == ["weight", "bias"] and torch.equal(found["weight"], state["weight"])


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", CONTENT])
def test_what_is_no_checkpoint_is_named(tmp_path, content):
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(RuntimeError, match=r"net\.pth: not readable as a checkpoint"):
        weights.read(tmp_path / "net.pth")


def test_a_tensor_is_no_state_dict(tmp_path):
    torch.save(torch.zeros(3), tmp_path / "net.pth")
    with pytest.raises(RuntimeError, match="holds Tensor, a state dict is needed"):
        weights.read(tmp_path / "net.pth")


class Touch:
    """Unpickled, it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    (tmp_path / "net.pth").write_bytes(pickle.dumps(Touch(tmp_path / "touched"), protocol=2))
    with pytest.raises(RuntimeError):
        weights.read(tmp_path / "net.pth")
    assert not (tmp_path / "touched").exists()
