"""Tasks of Label Studio with the clusters as predictions, and the labelling interface that they want.

https://labelstud.io/guide/predictions.html and https://labelstud.io/tags/audio.html. The sounds are found below the
folder that Label Studio serves (LOCAL_FILES_DOCUMENT_ROOT): set it to the folder of the recordings, and
LOCAL_FILES_SERVING_ENABLED to true.
"""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from audioclust.report.exports._texts import Recording, Region, one_line

CONTROL, OBJECT = "labels", "audio"  # the names of the tags in the interface, which regions refer to
SERVED = "/data/local-files/?d="


def files(recordings: Sequence[Recording], cell: str) -> dict[str, str]:
    """Return ``label_studio.json`` -> a task per recording, and ``label_studio.xml`` -> the labelling interface.

    Args:
        recordings: with their regions.
        cell: encoder/reducer/clusterer/seed of the clusters, the version of the predictions.
    """
    tasks = ",\n".join(json.dumps(_task(each, cell), ensure_ascii=False) for each in recordings)
    regions = sorted((region.cluster, region.label) for each in recordings for region in each.regions)
    labels = dict.fromkeys(one_line(label) for _, label in regions)
    return {"label_studio.json": f"[\n{tasks}\n]\n", "label_studio.xml": _interface(labels)}


def _task(recording: Recording, cell: str) -> dict[str, Any]:
    result = [_result(number, each) for number, each in enumerate(recording.regions)]
    return {
        "data": {OBJECT: SERVED + quote(recording.path), "recording": recording.path},
        "predictions": [{"model_version": cell, "result": result}],
    }


def _result(number: int, region: Region) -> dict[str, Any]:
    value = {
        "start": region.start, "end": region.end, "channel": region.channel, "labels": [one_line(region.label)],
    }  # fmt: skip
    return {"id": str(number), "from_name": CONTROL, "to_name": OBJECT, "type": "labels", "value": value}


def _interface(labels: Sequence[str]) -> str:
    lines = ["<View>", f'  <Labels name="{CONTROL}" toName="{OBJECT}">']
    lines += [f"    <Label value={quoteattr(label)}/>" for label in labels]
    return "\n".join([*lines, "  </Labels>", f'  <Audio name="{OBJECT}" value="${OBJECT}"/>', "</View>", ""])
