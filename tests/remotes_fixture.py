"""Real servers that DVC pushes to, here: SFTP by asyncssh, S3 by moto. Each yields the settings of a remote."""

import asyncio
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PASSWORD = "only for this test"


@contextmanager
def local(folder: Path) -> Iterator[dict[str, str]]:
    yield {"url": str(folder / "store")}


@contextmanager
def ssh(folder: Path) -> Iterator[dict[str, str]]:
    pytest.importorskip("dvc_ssh", reason="dvc-ssh is not installed: pip install dvc-ssh")
    import asyncssh

    class Server(asyncssh.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return password == PASSWORD

    loop, listening, ports = asyncio.new_event_loop(), threading.Event(), []

    async def serve() -> None:
        keys = [asyncssh.generate_private_key("ssh-ed25519")]
        server = await asyncssh.listen("127.0.0.1", 0, server_factory=Server, server_host_keys=keys, sftp_factory=True)
        ports.append(server.get_port())
        listening.set()

    def serving() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=serving, daemon=True)
    thread.start()
    assert listening.wait(30)
    url, port = f"ssh://user@127.0.0.1{folder}/store", str(ports[0])
    try:
        yield {"url": url, "port": port, "password": PASSWORD, "allow_agent": "false"}
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@contextmanager
def s3(folder: Path) -> Iterator[dict[str, str]]:
    pytest.importorskip("dvc_s3", reason="dvc-s3 is not installed: pip install dvc-s3")
    pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]'")
    code = (
        "import sys; from moto.server import ThreadedMotoServer as Server; "
        "server = Server('127.0.0.1', 0, verbose=False); server.start(); "
        "print(server.get_host_and_port()[1], flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([sys.executable, "-c", code], text=True, **pipes)
    try:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        urllib.request.urlopen(urllib.request.Request(f"{url}/clips", method="PUT")).close()
        yield {"url": "s3://clips/store", "endpointurl": url, "access_key_id": "user", "secret_access_key": PASSWORD}
    finally:
        server.kill()
        server.wait()


def put(settings: dict[str, str], name: str, content: bytes) -> None:
    """Write an object to the store of ``s3``."""
    url = f"{settings['endpointurl']}/{settings['url'].removeprefix('s3://')}/{name}"
    kind = {"Content-Type": "application/octet-stream"}  # else the server reads a form
    urllib.request.urlopen(urllib.request.Request(url, content, kind, method="PUT"), timeout=60).close()


REMOTES: dict[str, Callable] = {"local": local, "ssh": ssh, "s3": s3}
