"""others.py PROGRAM FOLDER MESSAGES COUNT CODEC: writes MESSAGES (JSON lines, bytes in hex) below FOLDER as objects of another PROGRAM, with at
most COUNT messages each. An implementation of its own: it shares nothing with what is tested but the descriptions of the formats."""

import gzip
import itertools
import json
import pathlib
import struct
import sys
import zlib

import cramjam
import fastavro
import zstandard


def from_hex(content):
    return None if content is None else bytes.fromhex(content)


def long_bytes(content):
    return struct.pack("<i", -1) if content is None else struct.pack("<i", len(content)) + content


def backup_record(message):
    body = struct.pack("<qq", message["timestamp"], message["offset"])
    body += long_bytes(from_hex(message["key"])) + long_bytes(from_hex(message["value"]))
    body += struct.pack("<H", len(message["headers"]))
    for name, value in message["headers"]:
        encoded = name.encode()
        body += struct.pack("<H", len(encoded)) + encoded + long_bytes(from_hex(value))
    return struct.pack("<I", len(body)) + body


def write_backup(folder, messages, codec):
    number, ending = {"none": (0, ""), "zstd": (1, ".zst"), "lz4": (2, ".lz4")}[codec]
    records = b"".join(backup_record(message) for message in messages)
    if codec == "zstd":
        compressor = zstandard.ZstdCompressor(3).compressobj()
        records = compressor.compress(records) + compressor.flush()
    elif codec == "lz4":
        records = bytes(cramjam.lz4.compress_block(records, store_size=True))
    first, last = messages[0], messages[-1]
    head = b"KBAK" + bytes([1, number, 0, 0]) + struct.pack("<Qqq", len(messages), first["offset"], last["offset"])
    segment = head + records
    segment += struct.pack("<I", zlib.crc32(segment)) + b"BKAE"
    path = folder / "topics" / first["topic"] / f"partition={first['partition']}" / f"segment-{first['offset']:020d}.bin{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(segment)


PERSISTOR = fastavro.parse_schema(
    {
        "type": "record",
        "name": "persistorrecord",
        "namespace": "com.syntio.dataphos",
        "fields": [
            {"name": "ID", "type": "string"},
            {"name": "Data", "type": "bytes"},
            {"name": "Metadata", "type": {"type": "map", "values": "string"}},
        ],
    }
)


def write_avro(path, schema, records, codec):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as out:
        fastavro.writer(out, schema, records, codec=codec, sync_interval=2000)


def write_dataphos(folder, messages, codec):
    name = f"{messages[0]['partition']}_{messages[0]['offset']}"
    records = [
        {
            "ID": f"{message['partition']}_{message['offset']}",
            "Data": from_hex(message["value"]) or b"",
            "Metadata": {header: from_hex(value or "").decode() for header, value in message["headers"]},
        }
        for message in messages
    ]
    write_avro(folder / "2026" / "01" / "02" / f"msg-{name}.avro", PERSISTOR, records, codec)


ORDER = fastavro.parse_schema({"type": "record", "name": "Order", "fields": [{"name": "value", "type": "bytes"}]})


def write_json(folder, messages, path, file):
    name = f"{file['topic']}+{file['partition']}+{messages[0]['offset']:010d}.json.gz"
    values = [json.loads(bytes.fromhex(message["value"] or "").decode() or "null") for message in messages]
    target = folder / "topics" / file["topic"] / path / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(target, "wt", compresslevel=6) as out:
        for value in values:
            out.write(json.dumps(value) + "\n")


def write_confluent(folder, messages, codec, path, file):
    if codec == "json":
        return write_json(folder, messages, path, file)

    name = f"{file['topic']}+{file['partition']}+{messages[0]['offset']:010d}"
    records = [{"value": from_hex(message["value"]) or b""} for message in messages]
    write_avro(folder / "topics" / file["topic"] / path / f"{name}.avro", ORDER, records, codec)
    keys = [{"value": from_hex(message["key"]) or b""} for message in messages]
    write_avro(folder / "topics" / file["topic"] / path / f"{name}.keys.avro", ORDER, keys, codec)


def chunks(messages, count):
    for start in range(0, len(messages), count):
        yield messages[start : start + count]


program, folder, messages_file, count, codec = sys.argv[1:6]
folder = pathlib.Path(folder)
with open(messages_file) as lines:
    messages = [json.loads(line) for line in lines]
if program == "dataphos":
    for some in chunks(messages, int(count)):
        write_dataphos(folder, some, codec)
else:
    by_partition = lambda message: message["partition"]
    for _, group in itertools.groupby(sorted(messages, key=by_partition), by_partition):
        own = list(group)
        if program == "kafka-backup":
            for some in chunks(own, int(count)):
                write_backup(folder, some, codec)
        elif program == "confluent":
            for some in chunks(own, int(count)):
                write_confluent(folder, some, codec, f"partition={some[0]['partition']}", some[0])
        else:
            # A partitioner that deals the messages of each round out by a field, as Kafka Connect does.
            for some in chunks(own, int(count)):
                for kind in "abc":
                    dealt = [message for message in some if "abc"[message["offset"] % 7 % 3] == kind]
                    if dealt:
                        write_confluent(folder, dealt, codec, f"kind={kind}", some[0])
