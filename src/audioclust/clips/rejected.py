"""Why a recording cannot be used."""


class Rejected(Exception):
    """A recording or clip that cannot be used: ``reason`` is one of ``REASONS``, ``detail`` says more."""

    REASONS = ("unreadable", "empty", "too short", "not finite", "silent", "quiet")

    def __init__(self, reason: str, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class Incomplete(Rejected):
    """A part of the recording is missing or damaged."""

    def __init__(self, detail: str):
        super().__init__("unreadable", detail)
