"""Shared by the tests of scripts that read experiments: Git in the working folder, and what a script prints."""

import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def git(*arguments: str) -> str:
    """Return what Git says in the working folder."""
    name = "-c", "user.name=t", "-c", "user.email=t@t"
    return subprocess.run(("git", *name, *arguments), check=True, capture_output=True, text=True).stdout.strip()


def printing(monkeypatch: Any, capsys: Any) -> Callable[..., str]:
    """Return what runs a script with arguments and returns what it prints."""

    def call(script: ModuleType, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["script.py", *arguments])
        script.main()
        return capsys.readouterr().out

    return call
