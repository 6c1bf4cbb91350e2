"""read_parquet.py FILE...: reads each Parquet FILE into FILE.jsonl: first what its footer says, then one row a line, bytes in hex."""

import datetime
import decimal
import json
import sys
import uuid

import pyarrow
import pyarrow.parquet


def plain(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


# Times as numbers: a datetime holds neither the years nor the precision that a long does.
TIMES = ["timestamp", "__timestamp"]


def numbers(table):
    for name in TIMES:
        at = table.schema.get_field_index(name)
        if at >= 0:
            table = table.set_column(at, name, table.column(at).cast(pyarrow.int64()))
    return table


def bounds(column):
    statistics = column.statistics
    has_bounds = statistics.has_min_max and column.path_in_schema not in TIMES
    return {
        "path": column.path_in_schema,
        "codec": column.compression,
        "nulls": statistics.null_count,
        "min": plain(statistics.min) if has_bounds else None,
        "max": plain(statistics.max) if has_bounds else None,
    }


for path in sys.argv[1:]:
    file = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
    groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
    about = {
        "rows": file.metadata.num_rows,
        "content": (file.metadata.metadata or {}).get(b"io.millpond.content", b"").decode(),
        "types": {field.name: str(field.type) for field in file.schema_arrow},
        "groups": [
            {"rows": group.num_rows, "columns": [bounds(group.column(i)) for i in range(group.num_columns)]}
            for group in groups
        ],
    }
    with open(path + ".jsonl", "w") as out:
        out.write(json.dumps(about) + "\n")
        for row in numbers(file.read()).to_pylist():
            out.write(json.dumps(plain(row)) + "\n")
