"""Writes the rows of each file given, as fastavro or pyarrow reads them, as lines of JSON beside it: bytes in hexadecimal, decimals and times as text."""

import datetime
import decimal
import json
import sys


def plain(value):
    if isinstance(value, bytes):
        return value.hex().upper()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def rows(path):
    if path.endswith(".parquet"):
        import pyarrow.parquet

        return pyarrow.parquet.read_table(path).to_pylist()
    import fastavro

    with open(path, "rb") as file:
        return list(fastavro.reader(file))


for path in sys.argv[1:]:
    with open(path + ".jsonl", "w", encoding="utf-8") as out:
        for row in rows(path):
            out.write(json.dumps(plain(row)) + "\n")
