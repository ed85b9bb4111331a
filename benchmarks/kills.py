"""The pipeline killed at random moments: does a run to the end give the bytes of an undisturbed one?

    python benchmarks/kills.py [--kills 200] [--seed 0] [--out FOLDER]

A tiny project (tests/project_fixture.py) is killed, or its disk is full, several times in a run, which is then brought
to its end and compared. Its stages run by themselves, in forks of a process that has loaded the libraries; in two
copies of a project at once, which share its scratch folder as queued experiments do; under ``dvc repro``; and in a
queue of DVC's with two workers. A full disk is a small tmpfs, which only the superuser can mount.
"""

import argparse
import itertools
import multiprocessing
import os
import resource
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import psutil
import yaml
from tables import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))

from preloaded import LIBRARIES  # noqa: E402
from project_fixture import Project, record, reproduced, tiny  # noqa: E402

# What `dvc repro` runs with the tiny configuration, in its order, and what each stage writes, as patterns.
STAGES = {
    ("check",): ("data/check", "data/embeddings/None", "data/separators/None"),
    ("recordings",): ("data/corpora", "data/recordings"),
    ("prepare",): ("data/clips",),
    ("label",): ("data/truth",),
    ("logmel",): ("data/logmel",),
    ("embed", "byol_a_random"): ("data/embeddings/byol_a_random",),
    ("pretext", "simclr"): ("data/embeddings/simclr", "plots/training/simclr.csv"),
    ("grid", "byol_a_random"): ("data/reduced/byol_a_random", "data/labels/grid/byol_a_random.npz"),
    ("grid", "simclr"): ("data/reduced/simclr", "data/labels/grid/simclr.npz"),
    ("deep", "spice", "simclr"): ("data/models/spice", "data/labels/deep/spice.npz", "plots/training/spice.csv"),
    ("deep", "temi", "simclr"): ("data/models/temi", "data/labels/deep/temi.npz", "plots/training/temi.csv"),
    ("evaluate",): ("data/clusters", "metrics/table.csv", "metrics/summary.json", "metrics/clusters.md", "plots/*.*"),
    ("mixtures",): ("data/mixtures",),
    ("separator", "speech", "mixtures"): ("data/separators/speech", "plots/training/separator_speech.csv"),
    ("separate",): ("data/separated", "metrics/separation.csv", "metrics/separation.json", "plots/separation"),
}
TOPS = ("data", "metrics", "plots")
Stage = tuple[str, ...]
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(list(LIBRARIES))
LONG = 120.0  # seconds after which a run counts as one that does not end
PER_RUN = 10  # kills of a run, at most
SAID = "said.txt"  # what the stage that ran last wrote on its terminal
QUEUED = {"one": "evaluate.sample=40", "two": "evaluate.sample=50"}


@dataclass
class Tally:
    """What came of the kills of one circumstance."""

    kills: int = 0
    differ: int = 0  # runs whose bytes differ in the end
    stuck: int = 0  # runs that did not end, or ended in an error after they had been brought to their end

    def row(self) -> tuple[str, ...]:
        return str(self.kills), str(self.differ), str(self.stuck)


# A project without DVC


def lay_out(folder: Path) -> None:
    """Make the files that the stages need in ``folder``, and recordings beside it if there are none."""
    recordings = folder.parent / "fsdd/recordings"
    if not recordings.is_dir():
        record(recordings)
    for name in ("src", "stages"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "docs").mkdir()
    for name in ("requirements.txt", "docs/reference_table.csv"):
        shutil.copy(ROOT / name, folder / name)
    content = tiny(recordings.parent)
    content["train"] |= {"workers": 2, "checkpoint_seconds": 0}
    (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def clear(folder: Path, stages: Iterable[Stage] = STAGES) -> None:
    """Delete what stages have written, as DVC does before it runs them, and what they have kept."""
    names = [".scratch", *(name for stage in stages for name in STAGES[stage])]
    for path in [path for name in names for path in folder.glob(name)]:
        path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)


def outputs(folder: Path) -> dict[str, bytes]:
    """Return all that stands where outputs do, by name."""
    files = [path for name in TOPS for path in sorted((folder / name).rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def start(folder: Path, stage: Stage, project: Path | None = None, largest: int | None = None) -> BaseProcess:
    """Start a stage in a group of its own.

    Args:
        folder: its working folder.
        stage: its name and arguments.
        project: whose scratch folder it uses; None: its own.
        largest: bytes from which a file counts as one too many for the disk.
    """
    process = SERVER.Process(target=_run, args=(folder, stage, project or folder, largest))
    process.start()
    while process.is_alive() and os.getpgid(process.pid) != process.pid:
        time.sleep(0.001)
    return process


def _run(folder: Path, stage: Stage, project: Path, largest: int | None) -> None:
    os.setpgid(0, 0)
    said = os.open(folder / SAID, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.chdir(folder)
    os.environ["DVC_ROOT"] = str(project)
    script = folder / "stages" / f"{stage[0]}.py"
    sys.argv = [str(script), *stage[1:]]
    sys.path.insert(0, str(script.parent))
    if largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    runpy.run_path(str(script), run_name="__main__")


def ended(process: BaseProcess) -> bool:
    """Wait for a process; tell whether it ended by itself and without an error. One that does not end is killed."""
    process.join(LONG)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
    return process.exitcode == 0


def undisturbed(folder: Path, stages: Iterable[Stage] = STAGES) -> dict[Stage, float]:
    """Run stages; return the seconds of each.

    Raises:
        RuntimeError: a stage fails, and with what.
    """
    ended(start(folder, ("check",)))  # so that the libraries are loaded
    clear(folder)
    seconds = {}
    for stage in stages:
        begin = time.monotonic()
        if not ended(start(folder, stage)):
            raise RuntimeError(f"{' '.join(stage)}: {(folder / SAID).read_text()}")
        seconds[stage] = time.monotonic() - begin
    return seconds


def plan(kills: int, weights: dict[Stage, float], rng: np.random.Generator) -> dict[Stage, int]:
    """Return how often stages of a run are to be killed, at random by their seconds; without those that are not."""
    values = np.array(list(weights.values()))
    times = rng.multinomial(min(kills, PER_RUN), values / values.sum()).tolist()
    return {stage: count for stage, count in zip(weights, times, strict=True) if count}


def at_work(process: BaseProcess, stage: Stage, seconds: dict[Stage, float], rng: np.random.Generator) -> bool:
    """Wait for a random moment of a stage's ``seconds``; tell whether it runs still. If not, they become fewer.

    They were measured on a machine that may have been busy.
    """
    begin = time.monotonic()
    process.join(rng.uniform(0, seconds[stage]))
    if not process.is_alive():
        seconds[stage] = min(seconds[stage], time.monotonic() - begin)
    return process.is_alive()


def stages_killed(
    folder: Path, whole: dict[str, bytes], seconds: dict[Stage, float], kills: int, how: signal.Signals,
    rng: np.random.Generator,
) -> Tally:  # fmt: skip
    """Kill stages ``kills`` times, SIGKILL in the stage alone, SIGINT in its workers too, as a terminal does.

    All stages have run in ``folder``; only those that are killed run again.
    """
    tally, seconds = Tally(), dict(seconds)
    while tally.kills < kills:
        planned = plan(kills - tally.kills, seconds, rng)
        clear(folder, planned)
        for stage, times in planned.items():
            for _ in range(times):
                process = start(folder, stage)
                if at_work(process, stage, seconds, rng):
                    tally.kills += 1
                    with suppress(ProcessLookupError):  # it has just ended
                        (os.killpg if how == signal.SIGINT else os.kill)(process.pid, how)
                process.join(LONG)
                tally.stuck += process.is_alive()
            tally.stuck += not ended(start(folder, stage))
        tally.differ += outputs(folder) != whole
    return tally


def side_by_side(
    folders: tuple[Path, Path], project: Path, whole: dict[str, bytes], seconds: dict[Stage, float],
    kills: int, rng: np.random.Generator,
) -> Tally:  # fmt: skip
    """Run stages in two copies of a project at once and kill one of them; the other must not notice.

    All stages have run in the copies; only those that are killed run again.
    """
    tally, seconds = Tally(), {stage: 2 * alone for stage, alone in seconds.items()}
    while tally.kills < kills:
        planned = plan(kills - tally.kills, seconds, rng)
        shutil.rmtree(project / ".scratch", ignore_errors=True)
        for folder in folders:
            clear(folder, planned)
        for stage, times in planned.items():
            for _ in range(times):
                one, two = (start(folder, stage, project) for folder in rng.permutation(folders))
                tally.kills += at_work(one, stage, seconds, rng)
                one.kill()
                one.join()
                tally.stuck += not ended(two)
            for process in [start(folder, stage, project) for folder in folders]:
                tally.stuck += not ended(process)
        tally.differ += sum(outputs(folder) != whole for folder in folders)
    return tally


# A full disk


@contextmanager
def disk() -> Iterator[Path]:
    """Mount a tmpfs for as long as the block lasts.

    Raises:
        PermissionError: one may not.
    """
    folder = Path(tempfile.mkdtemp())
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", folder], capture_output=True, text=True)
    try:
        if done.returncode:
            raise PermissionError(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)
    finally:
        folder.rmdir()


def leave(disk: Path, free: int | None) -> None:
    """Make a tmpfs so small that ``free`` bytes are left on it; None: more than enough."""
    found = os.statvfs(disk)
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    size = 1 << 30 if free is None else used + max(free, found.f_frsize)
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


def disk_full(
    folder: Path, whole: dict[str, bytes], written: dict[Stage, int], kills: int, rng: np.random.Generator
) -> Tally:
    """Run stages on a disk that they fill ``kills`` times, and then with room; ``folder`` lies on a tmpfs."""
    tally = Tally()
    while tally.kills < kills:
        planned = plan(kills - tally.kills, {stage: 1.0 for stage in written}, rng)
        clear(folder, planned)
        for stage, times in planned.items():
            for _ in range(times):
                leave(folder.parent, int(rng.uniform(0, written[stage])))
                process = start(folder, stage)
                tally.kills += not ended(process)
                leave(folder.parent, None)
                said = (folder / SAID).read_text()
                tally.stuck += process.exitcode not in (0, 1) or "Traceback" in said
            tally.stuck += not ended(start(folder, stage))
        tally.differ += outputs(folder) != whole
    return tally


def bytes_written(folder: Path) -> dict[Stage, int]:
    """Run all stages; return the bytes that each adds to the folder."""
    clear(folder)
    found = {}
    for stage in STAGES:
        before = sum(map(len, outputs(folder).values()))
        ended(start(folder, stage))
        found[stage] = sum(map(len, outputs(folder).values())) - before
    return found


# Through DVC


def processes(folder: Path) -> list[psutil.Process]:
    """Return the processes that work in a folder or below it."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process)
        except psutil.Error:  # it has ended meanwhile, or is another user's
            continue
    return found


def kill(folder: Path, how: signal.Signals) -> bool:
    """Send a signal to all that works in a folder; tell whether it has ended in time, else kill it."""
    send(folder, how)
    begin = time.monotonic()
    while processes(folder) and time.monotonic() - begin < LONG:
        time.sleep(0.1)
        if how == signal.SIGKILL:  # what was being started meanwhile
            send(folder, how)
    late = bool(processes(folder))
    send(folder, signal.SIGKILL)
    return not late


def send(folder: Path, how: signal.Signals) -> None:
    for process in processes(folder):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(how)


def forget(project: Project) -> None:
    """Delete what stages and DVC have kept, but for the recordings and what Git holds."""
    clear(project.path)
    project("git", "checkout", "-q", ".")
    (project.path / "dvc.lock").unlink()
    shutil.rmtree(project.path / ".dvc/cache", ignore_errors=True)


def repro_killed(project: Project, seconds: float, kills: int, how: signal.Signals, rng: np.random.Generator) -> Tally:
    """Kill ``dvc repro`` with all that it runs; results are compared by their hashes in ``dvc.lock``."""
    tally, whole = Tally(), (project.path / "dvc.lock").read_bytes()
    while tally.kills < kills:
        forget(project)
        for _ in range(min(kills - tally.kills, PER_RUN // 2)):
            dvc = _dvc(project, "repro", "-q")
            time.sleep(rng.uniform(0, seconds / 2))
            tally.kills += dvc.poll() is None
            tally.stuck += not kill(project.path, how)
            dvc.wait()
        lock = project.path / ".dvc/tmp/rwlock"
        if lock.is_file() and not lock.read_bytes():  # as `make repro`: DVC was killed while writing it
            lock.unlink()
        last = subprocess.run(["dvc", "repro", "-q"], cwd=project.path, env=project.env, capture_output=True, text=True)
        if last.returncode:
            tally.stuck += 1
            print(last.stderr)
        else:
            tally.differ += (project.path / "dvc.lock").read_bytes() != whole
    return tally


def queue_killed(project: Project, seconds: float, kills: int, rng: np.random.Generator) -> Tally:
    """Kill a queue with two workers and all that they run, queue the experiments again, and let them end."""
    tally, wanted = Tally(), None
    while tally.kills < kills:
        for position in range(-1 if wanted is None else 0, 1):
            project("git", "checkout", "-q", ".")
            shutil.rmtree(project.path / ".dvc/cache/runs", ignore_errors=True)
            shutil.rmtree(project.path / ".scratch", ignore_errors=True)
            for _ in range(min(kills, PER_RUN // 2) if position == 0 else 0):
                _queue(project)
                time.sleep(rng.uniform(0, seconds))
                tally.kills += 1
                tally.stuck += not kill(project.path, signal.SIGKILL)
            _queue(project)
            found = _locks(project)
            tally.stuck += len(found) < len(QUEUED)
            if wanted is None:
                wanted = found
            else:
                tally.differ += found != wanted
    return tally


def _queue(project: Project) -> None:
    """Queue the experiments anew and start both."""
    subprocess.run(["dvc", "queue", "remove", "--all"], cwd=project.path, env=project.env, capture_output=True)
    subprocess.run(["dvc", "exp", "remove", *QUEUED], cwd=project.path, env=project.env, capture_output=True)
    for name, change in QUEUED.items():
        project("dvc", "exp", "run", "-q", "--queue", "-n", name, "-S", "data.min_seconds=0.06", "-S", change)
    project("dvc", "queue", "start", "-j", str(len(QUEUED)))


def _locks(project: Project) -> dict[str, str]:
    """Wait for the experiments; return the ``dvc.lock`` of each that succeeded."""
    begin = time.monotonic()
    while time.monotonic() - begin < 5 * LONG:
        status = project("dvc", "queue", "status")
        if not any(word in status for word in ("Queued", "Running")):
            break
        if "Queued" in status and "0 active, 0 idle" in status:  # its worker died of a message half written
            project("dvc", "queue", "start", "-j", str(len(QUEUED)))
        time.sleep(2)
    refs = project("git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    names = {ref.rpartition("/")[2]: ref for ref in refs}
    return {name: project("git", "show", f"{names[name]}:dvc.lock") for name in QUEUED if name in names}


def _dvc(project: Project, *command: str) -> subprocess.Popen:
    return subprocess.Popen(
        ["dvc", *command], cwd=project.path, env=project.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for a CSV file")
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    columns = ("circumstance", "kills", "runs whose bytes differ", "runs that did not end")
    table = Table(given.out, "kills", *columns)

    def part(share: float) -> int:
        return max(1, round(share * given.kills))

    with tempfile.TemporaryDirectory() as name:
        top = Path(name).resolve()
        folder, copies = top / "project", (top / "one", top / "two")
        for each in (folder, *copies):
            lay_out(each)
        seconds = undisturbed(folder)
        whole = outputs(folder)
        for how, share in ((signal.SIGKILL, 0.3), (signal.SIGINT, 0.2)):
            tally = stages_killed(folder, whole, seconds, part(share), how, rng)
            table.add(f"stages, {how.name}", *tally.row())
        for copy, name in itertools.product(copies, TOPS):
            shutil.copytree(folder / name, copy / name)
        tally = side_by_side(copies, folder, whole, seconds, part(0.2), rng)
        table.add("stages in two copies, SIGKILL in one", *tally.row())
        try:
            with disk() as small:
                lay_out(small / "project")
                written = bytes_written(small / "project")
                tally = disk_full(small / "project", outputs(small / "project"), written, part(0.2), rng)
                table.add("stages, full disk", *tally.row())
        except PermissionError as error:
            print(error)
        begin = time.monotonic()
        reproduced(top / "dvc/project")
        spent, project = time.monotonic() - begin, Project(top / "dvc/project")
        for how in (signal.SIGKILL, signal.SIGINT):
            table.add(f"dvc repro, {how.name}", *repro_killed(project, spent, part(0.035), how, rng).row())
        table.add("dvc queue -j 2, SIGKILL", *queue_killed(project, spent, part(0.03), rng).row())


if __name__ == "__main__":
    main()
