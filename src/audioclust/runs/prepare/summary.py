"""What was used of the recordings and what was not: counted, judged, and said in a sentence or two."""

import math
from collections import Counter
from typing import Any

LISTED = 3  # recordings named in the summary


def counts(found: list[dict[str, Any]], rows: list[dict[str, Any]], others: int) -> dict[str, Any]:
    """Return the numbers of ``info.json``."""
    used = [each for each in found if each["clips"]]
    passed_over = sum(each["passed_over"] for each in found)
    contents = Counter(each["copy_of"] for each in used if each["copy_of"])
    return {
        "clips": len(rows), "recordings": len(found), "rejected": len(found) - len(used) - passed_over,
        "other_files": others, "copies": sum(count - 1 for count in contents.values()),
        "quiet_clips": sum(each["quiet"] for each in found), "quiet_recordings": passed_over,
        "scaled_down": sum(each["gain"] < 1 for each in used), "scaled_up": sum(each["gain"] > 1 for each in used),
        "seconds": round(sum(each["sound"] for each in used), 3),
        "seconds_left_out": round(sum(map(_left_out, used)), 3),
    }  # fmt: skip


def judge(info: dict[str, Any], rejected: list[dict[str, Any]], max_rejected: float, min_level: float | None) -> None:
    """Stop where too many recordings gave no clip, or all were too quiet.

    Raises:
        ValueError: with the way out.
    """
    lost, total = info["rejected"], info["recordings"]
    most = max(1, math.floor(max_rejected * total)) if max_rejected else 0
    if not info["clips"] and info["quiet_recordings"]:
        raise ValueError(
            f"data.min_level = {min_level}: no clip of {total} recordings is as loud; data/clips/rejected.csv lists "
            f"the level of each; lower the limit, or set it to null"
        )
    if lost > most or not info["clips"]:
        raise ValueError(
            f"{lost} of {total} recordings cannot be used ({_reasons(rejected)}); at most {max_rejected:.0%} may be "
            f"(data.max_rejected). Each is listed in data/clips/rejected.csv; mend or remove them, or raise the limit"
        )


def said(
    info: dict[str, Any], found: list[dict[str, Any]], rejected: list[dict[str, Any]], min_level: float | None
) -> str:
    """Return what was used and what was not."""
    used = info["recordings"] - info["rejected"] - info["quiet_recordings"]
    total = info["recordings"] + info["other_files"]
    parts = [f"{used} of {total} files used: {info['clips']} clips, {_clock(info['seconds'])} of sound"]
    if info["other_files"]:
        parts.append(f"{info['other_files']} files are no recordings")
    reasons = _reasons([row for row in rejected if row["reason"] != "quiet"])
    if reasons:
        parts.append(f"not used: {reasons} (data/clips/rejected.csv)")
    if info["quiet_clips"]:
        parts.append(_quiet(info, min_level))
    if info["copies"]:
        parts.append(f"{info['copies']} are copies of another one, and kept")
    if info["scaled_down"] or info["scaled_up"]:
        parts.append(f"scaled to 16 bits: {info['scaled_down']} down, {info['scaled_up']} up")
    longest = sorted((each for each in found if each["clips"] and _left_out(each) >= 1), key=_left_out, reverse=True)
    named = ", ".join(f"{_clock(_left_out(each))} of {each['path']}" for each in longest[:LISTED])
    if longest:
        more = f" and of {len(longest) - LISTED} more" if len(longest) > LISTED else ""
        parts.append(f"{named}{more} not used (data.long)")
    return "; ".join(parts)


def _quiet(info: dict[str, Any], min_level: float | None) -> str:
    whole = f", and with them {info['quiet_recordings']} recordings" if info["quiet_recordings"] else ""
    return f"left out: {info['quiet_clips']} clips below {min_level:g} dBFS{whole} (data.min_level)"


def _reasons(rejected: list[dict[str, Any]]) -> str:
    found = Counter(row["reason"] for row in {row["path"]: row for row in rejected}.values())
    return ", ".join(f"{count} {reason}" for reason, count in found.most_common())


def _left_out(each: dict[str, Any]) -> float:
    """Return the seconds of a recording after its last clip."""
    left = each["seconds"] - each["end"]
    return left if left > 0.001 else 0.0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
