"""Reads Sparkplug messages with pysparkplug: `TOPIC HEX` a line in, JSON a line out."""

import datetime
import json
import sys

import pysparkplug

CLASSES = {
    "NBIRTH": pysparkplug.NBirth,
    "DBIRTH": pysparkplug.DBirth,
    "NDATA": pysparkplug.NData,
    "DDATA": pysparkplug.DData,
    "NDEATH": pysparkplug.NDeath,
    "DDEATH": pysparkplug.DDeath,
}


def plain(value):
    if isinstance(value, datetime.datetime):
        return round(value.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000)
    return value


def metric(found):
    return {
        "name": found.name,
        "alias": found.alias,
        "type": int(found.datatype),
        "value": plain(found.value),
        "timestamp": found.timestamp,
        "is_historical": found.is_historical,
        "is_null": found.is_null,
    }


births = {}
for line in sys.stdin:
    topic, _, hexadecimal = line.strip().rpartition(" ")
    verb = topic.split("/")[2]
    raw = bytes.fromhex(hexadecimal)
    payload = CLASSES[verb].decode(raw, birth=births.get(verb[0]))
    if verb.endswith("BIRTH"):
        births[verb[0]] = payload
    metrics = getattr(payload, "metrics", ())
    if verb == "NDEATH":
        metrics = (payload.bd_seq_metric,)
    print(
        json.dumps(
            {
                "seq": getattr(payload, "seq", None),
                "metrics": [metric(found) for found in metrics],
            }
        )
    )
