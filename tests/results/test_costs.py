"""Costs: what a killed stage was writing never stands in for what it cost."""

import pytest

from audioclust.results import costs


def test_a_killed_write_leaves_the_older_costs(tmp_path, monkeypatch):
    costs.write(tmp_path, "deep-spice", [{"seconds": 1.0}])
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        costs.write(tmp_path, "deep-spice", [{"seconds": 2.0}])
    assert costs.read(tmp_path, "deep") == [{"stage": "deep-spice", "seconds": 1.0}]
