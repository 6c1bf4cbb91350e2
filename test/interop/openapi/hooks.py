"""For Schemathesis: what texts are in formats that JSON Schema does not know, and what only a service itself can make."""

import schemathesis
from hypothesis import strategies as st

FORMATS = {
    "jq": [".", ".amount > 100", '.name == "x" or (.tags | length) > 2'],
    "millpond-instant": ["2026-11-21T08:00:00+01:00", "2026-11-21", "1795248000000"],
    "millpond-time": ["2026-11-21T08:00:00+01:00", "2026-11-21", "1795248000000", "-1h", "now"],
    "millpond-duration": ["15m", "1h30m", "0s"],
    "millpond-window": ["since-last", "last:1d", "last:90 min"],
    "utf-8-in-base64": ["", "YQ==", "w6RiYw=="],
    "cron": ["0 3 * * *", "*/15 * * * *", "@daily"],
    "time-zone": ["UTC", "Europe/Berlin", "America/New_York"],
}

for name, texts in FORMATS.items():
    schemathesis.openapi.format(name, st.sampled_from(texts))

LINES = [b'{"key":"a","value":{"n":1}}\n{"value":null}\n', b"", b'\n{"valueText":"x"}']
schemathesis.openapi.media_type("application/x-ndjson", st.sampled_from(LINES))


@schemathesis.hook
def map_body(context, body):
    """A cursor is what an answer gave, and a function is a file that is there."""
    return without(body, "cursor", "function")


@schemathesis.hook
def map_query(context, query):
    return without(query, "cursor")


def without(given, *names):
    if not isinstance(given, dict):
        return given
    return {name: value for name, value in given.items() if name not in names}
