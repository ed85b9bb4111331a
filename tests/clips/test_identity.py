"""The identity of a clip, and the channel that it tells."""

import pandas as pd

from audioclust.clips.identity import channels, clip_id


def test_the_channel_is_found_again():
    rows = [("a.wav", 0.0, 0), ("a.wav", 0.0, 1), ("b é.wav", 4.000001, 1), ("b é.wav", 1 / 3, 7)]
    clips = pd.DataFrame([{"clip_id": clip_id(*row), "path": row[0], "start": f"{row[1]:.6f}"} for row in rows])
    assert channels(clips) == [0, 1, 1, 7] and clips["clip_id"].is_unique
    assert channels(clips.assign(clip_id="another table's")) == [0, 0, 0, 0]
