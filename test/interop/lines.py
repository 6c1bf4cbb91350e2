"""lines.py FOLDER: reads every file of FOLDER by its ending (json, csv; gz, zst, snappy; avro) and writes what it holds as FILE.rows, one JSON text a line."""

import csv
import gzip
import io
import json
import os
import sys

import fastavro
import snappy
import zstandard


def plain(path):
    if path.endswith(".gz"):
        with gzip.open(path, "rb") as file:
            return file.read()
    with open(path, "rb") as file:
        if path.endswith(".zst"):
            return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
        if path.endswith(".snappy"):
            out = io.BytesIO()
            snappy.stream_decompress(file, out)
            return out.getvalue()
        return file.read()


def rows(path):
    if path.endswith(".avro"):
        with open(path, "rb") as file:
            return list(fastavro.reader(file))
    text = plain(path).decode("utf-8")
    if ".csv" in path:
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    if text.startswith("[\n"):
        return json.loads(text)
    return [json.loads(line) for line in text[:-1].split("\n")]


folder = sys.argv[1]
for name in os.listdir(folder):
    path = os.path.join(folder, name)
    with open(path + ".rows", "w") as out:
        for row in rows(path):
            out.write(json.dumps(row) + "\n")
