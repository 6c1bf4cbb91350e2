"""reencode.py FILE...: reads each FILE, whatever its schema, and writes FILE.hex with each datum encoded anew, in hex, one a line."""

import io
import sys

import fastavro

# Values stay what they are encoded as: no type of Python holds all of them.
fastavro.read.LOGICAL_READERS.clear()

for file in sys.argv[1:]:
    with open(file, "rb") as avro, open(file + ".hex", "w") as out:
        reader = fastavro.reader(avro)
        schema = fastavro.parse_schema(reader.writer_schema)
        for datum in reader:
            encoded = io.BytesIO()
            fastavro.schemaless_writer(encoded, schema, datum)
            out.write(encoded.getvalue().hex() + "\n")
