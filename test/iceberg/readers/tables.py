"""tables.py pyiceberg|duckdb METADATA OUT FILTER...: reads a table: a line with the counts for each FILTER (text), then every row as a line of
JSON, into OUT. For pyiceberg METADATA is a metadata file or a table's folder; for duckdb a folder without its scheme, or a metadata file.
tables.py rest URL NAME OUT FILTER...: the same by pyiceberg's client of the REST catalogue, by the table's name."""

import datetime
import decimal
import json
import os
import sys

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def plain(value):
    if isinstance(value, bool) or value is None or isinstance(value, (str, float)):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime.datetime):
        return str((value - EPOCH) // datetime.timedelta(microseconds=1))
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def read_pyiceberg(table, filters):
    for row_filter in filters:
        scan = table.scan(row_filter=row_filter)
        yield {"files": len(list(scan.plan_files())), "rows": scan.to_arrow().num_rows}
    longs = {field.name for field in table.schema().fields if str(field.field_type) == "long"}
    for row in table.scan().to_arrow().to_pylist():
        yield {name: str(value) if name in longs and value is not None else plain(value) for name, value in row.items()}


def read_duckdb(place, filters):
    import duckdb
    import duckdb_extension_avro
    import duckdb_extension_iceberg

    connection = duckdb.connect(config={"allow_unsigned_extensions": True})
    for package, name in [(duckdb_extension_avro, "avro"), (duckdb_extension_iceberg, "iceberg")]:
        folder = os.path.join(os.path.dirname(package.__file__), "extensions", f"v{duckdb.__version__}")
        connection.execute(f"LOAD '{folder}/{name}.duckdb_extension'")
    connection.execute(f"CREATE VIEW t AS SELECT * FROM iceberg_scan('{place}')")
    for row_filter in filters:
        yield {"rows": connection.execute(f"SELECT count(*) FROM t WHERE {row_filter}").fetchone()[0]}
    types = {row[0]: row[1] for row in connection.execute("DESCRIBE t").fetchall()}
    columns = [
        f'epoch_us("{name}")::varchar' if "TIME" in kind else f'"{name}"::varchar' if kind == "BIGINT" else f'"{name}"' for name, kind in types.items()
    ]
    for row in connection.execute(f"SELECT {', '.join(columns)} FROM t").fetchall():
        yield {name: plain(value) for name, value in zip(types, row)}


mode, place, *rest = sys.argv[1:]
if mode == "rest":
    from pyiceberg.catalog.rest import RestCatalog

    name, out, *filters = rest
    lines = read_pyiceberg(RestCatalog("rest", uri=place).load_table(name), filters)
elif mode == "pyiceberg":
    from pyiceberg.table import StaticTable

    out, *filters = rest
    lines = read_pyiceberg(StaticTable.from_metadata(place), filters)
else:
    out, *filters = rest
    lines = read_duckdb(place, filters)
with open(out, "w") as file:
    for line in lines:
        file.write(json.dumps(line) + "\n")
