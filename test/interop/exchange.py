"""exchange.py SCHEMA MESSAGES FOLDER FILE...: reads each FILE into FILE.jsonl, and writes MESSAGES (JSON lines, bytes in hex) under SCHEMA
as FOLDER/CODEC.avro with every codec."""

import json
import sys

import fastavro

# Numbers stay numbers: a datetime holds neither the years nor the precision that a long does.
fastavro.read.LOGICAL_READERS.pop("long-timestamp-millis")


def to_hex(content):
    return None if content is None else content.hex()


def from_hex(content):
    return None if content is None else bytes.fromhex(content)


def convert(message, field):
    headers = [{"name": header["name"], "value": field(header["value"])} for header in message["headers"]]
    return {**message, "key": field(message["key"]), "value": field(message["value"]), "headers": headers}


schema_file, messages_file, folder, *files = sys.argv[1:]
for file in files:
    with open(file, "rb") as avro, open(file + ".jsonl", "w") as out:
        for message in fastavro.reader(avro):
            out.write(json.dumps(convert(message, to_hex)) + "\n")

with open(schema_file) as text:
    schema = fastavro.parse_schema(json.load(text))
with open(messages_file) as lines:
    messages = [convert(json.loads(line), from_hex) for line in lines]
for codec in ["zstandard", "deflate", "snappy", "null"]:
    with open(f"{folder}/{codec}.avro", "wb") as avro:
        fastavro.writer(avro, schema, messages, codec=codec, sync_interval=2000)
