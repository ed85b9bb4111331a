"""``python stages/x.py`` and ``dvc`` in forks of a process that has loaded the libraries: that is half of a small run.

``serve`` is that process; ``bin_folder`` makes a ``python`` for the PATH that asks it to run a stage and is the usual
Python otherwise, and a ``dvc``.
"""

import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from functools import cache
from pathlib import Path

LIBRARIES = (
    "av", "faiss", "fast_bss_eval", "fastcluster", "joblib", "matplotlib.backends.backend_agg", "matplotlib.pyplot",
    "numba.np.ufunc.parallel", "numba.typed", "pandas", "pooch", "pydantic.type_adapter", "safetensors.torch",
    "scipy.optimize", "scipy.signal", "scipy.stats", "sklearn.cluster", "sklearn.feature_extraction",
    "sklearn.manifold", "sklearn.metrics", "sklearn.pipeline", "soundfile", "soxr", "torch", "torch._dynamo",
    "torchaudio", "tqdm.auto", "ruamel.yaml", "yaml", "dulwich.worktree", "dvc.cachemgr", "dvc.cli.parser",
    "dvc.data_cloud", "dvc.repo.artifacts", "dvc.repo.experiments.executor.local",
    "dvc.repo.experiments.queue.celery", "dvc.repo.index", "dvc.repo.plots", "dvc.utils.strictyaml",
    "dvc_data.hashfile.db.local", "fsspec.implementations.memory",
)  # fmt: skip
MOST = 1 << 20  # bytes of a request: arguments and environment


@cache
def bin_folder() -> Path:
    """Start a server for as long as this process lives; return a folder for the PATH, with ``python`` and ``dvc``."""
    folder = Path(tempfile.mkdtemp(prefix="preloaded-"))
    here = Path(__file__).resolve()
    asks = f"exec {sys.executable} -I -S {here} {folder}/socket"
    scripts = {
        "python": f'case "$1" in\nstages/*) {asks} "$@" ;;\nesac\nexec {sys.executable} "$@"',
        "dvc": f'{asks} dvc "$@"',
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    subprocess.Popen([sys.executable, here, folder / "socket"], stdin=subprocess.PIPE)  # ends with this process
    for _ in range(600):
        if (folder / "socket").exists():
            return folder
        time.sleep(0.1)
    raise TimeoutError("the server of loaded libraries does not start")


def ask(path: str, arguments: list[str]) -> int:
    """Have the server run a script with this process's folder, environment and streams; return its status."""
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        request = json.dumps([os.getcwd(), arguments, dict(os.environ)]).encode()
        socket.send_fds(server, [request + b"\n"], [0, 1, 2])
        answer = server.recv(8)
    return int(answer or 1)  # no answer: it was killed


def serve(path: str) -> None:
    """Run what is asked for at the socket ``path``, until the standard input ends."""
    for name in LIBRARIES:
        __import__(name)
    gc.freeze()  # what is loaded stays: no fork has to look through it for garbage
    server = socket.socket(socket.AF_UNIX)
    server.bind(path + ".new")
    server.listen(64)
    os.rename(path + ".new", path)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    if os.fork() == 0:
        while True:
            client, _ = server.accept()
            if os.fork() == 0:
                _run(client)
            client.close()
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGTERM)


def _run(client: socket.socket) -> None:
    request, descriptors = b"", []
    while not request.endswith(b"\n"):
        more, found, _, _ = socket.recv_fds(client, MOST, 3)
        request, descriptors = request + more, descriptors + found
    folder, arguments, environment = json.loads(request)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv, sys.path[0] = arguments, os.path.dirname(os.path.abspath(arguments[0]))
    sys.orig_argv = [sys.executable, *arguments]
    status = 0
    try:
        for each in environment.get("PYTHONPATH", "").split(os.pathsep):
            if os.path.isfile(os.path.join(each, "sitecustomize.py")):  # which Python runs when it starts
                runpy.run_path(os.path.join(each, "sitecustomize.py"))
        if arguments[0] == "dvc":
            status = sys.modules["dvc.cli"].main(arguments[1:])
        else:
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    client.send(str(status).encode())
    os._exit(status)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(ask(sys.argv[1], sys.argv[2:]))
    os.setpgid(0, 0)
    serve(sys.argv[1])
