"""Take audioclust from the ``src`` beside this folder, whatever is installed: import this first.

Code and results belong together: a second clone in the same environment, and the copies in which DVC runs queued
experiments, run their own code. Worker processes inherit it.
"""

import os
import signal
import sys
from pathlib import Path

SOURCE = str(Path(__file__).resolve().parents[1] / "src")
sys.path.insert(0, SOURCE)
# Ctrl-C within the seconds of imports ends a stage at once and in silence, until its `run` answers it with a line.
if Path(getattr(sys.modules["__main__"], "__file__", None) or "").resolve().parent == Path(__file__).resolve().parent:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [SOURCE, os.environ.get("PYTHONPATH")]))
