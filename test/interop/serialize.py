"""serialize.py URL FILE: registers schemas of all types at the registry and writes values that Confluent's serializers made to FILE, one JSON
object a line: what it is, its value and headers in hex, and what its fields are."""

import datetime
import decimal
import json
import sys

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient, header_schema_id_serializer
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

url, path = sys.argv[1:]
client = SchemaRegistryClient({"url": url})
out = open(path, "w")


def write(what, serialize, datum, fields, topic):
    headers = []
    context = SerializationContext(topic, MessageField.VALUE, headers)
    value = serialize(datum, context)
    names = [{"name": name, "value": bytes(content).hex()} for name, content in context.headers or []]
    out.write(json.dumps({"what": what, "value": value.hex(), "headers": names, "fields": fields}) + "\n")


ORDER = """{"type":"record","name":"Order","namespace":"com.acme","fields":[{"name":"id","type":"long"},
  {"name":"day","type":{"type":"int","logicalType":"date"}},
  {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
  {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
  {"name":"by","type":["null",{"type":"record","name":"Person","fields":[{"name":"name","type":"string"}]}]},
  {"name":"tags","type":{"type":"map","values":"string"}}]}"""
order = {
    "id": 2**60 + 1,
    "day": datetime.date(2018, 1, 4),
    "at": datetime.datetime(2018, 1, 4, 0, 0, 0, 123999, tzinfo=datetime.timezone.utc),
    "price": decimal.Decimal("-12.34"),
    "by": {"name": "žabica"},
    "tags": {"a": "1", "b": "2"},
}
order_fields = {"day": "2018-01-04", "at": 1515024000123, "price": "-12.34", "by.name": "žabica", "tags.b": "2"}
write("Avro", AvroSerializer(client, ORDER), order, order_fields, "orders")
# The registry tells the GUID where a schema is asked for, not where it is registered.
latest = {"auto.register.schemas": False, "use.latest.version": True}
in_header = {**latest, "schema.id.serializer": header_schema_id_serializer}
write("Avro, by a header", AvroSerializer(client, ORDER, conf=in_header), order, order_fields, "orders")

PERSON = '{"type":"record","name":"Person","namespace":"com.acme","fields":[{"name":"name","type":"string"}]}'
client.register_schema("person", Schema(PERSON, "AVRO"))
PAIR = '{"type":"record","name":"Pair","fields":[{"name":"a","type":"com.acme.Person"},{"name":"b","type":"com.acme.Person"}]}'
pair = Schema(PAIR, "AVRO", references=[SchemaReference("com.acme.Person", "person", 1)])
write("Avro with a reference", AvroSerializer(client, pair), {"a": {"name": "A"}, "b": {"name": "B"}}, {"b.name": "B"}, "pairs")

THING = '{"$schema":"http://json-schema.org/draft-07/schema#","title":"Thing","type":"object","properties":{"a":{"type":"object"}}}'
thing = {"a": {"b": "ž\n"}, "n": 1.5}
write("JSON Schema", JSONSerializer(THING, client), thing, {"a.b": "ž\n", "n": 1.5}, "things")
write("JSON Schema, by a header", JSONSerializer(THING, client, conf=in_header), thing, {"a.b": "ž\n"}, "things")

file = descriptor_pb2.FileDescriptorProto(name="orders.proto", package="acme", syntax="proto3")
F = descriptor_pb2.FieldDescriptorProto


def add(message, *fields):
    for number, (name, kind, of) in enumerate(fields, 1):
        message.field.add(name=name, number=number, type=kind, label=F.LABEL_OPTIONAL, type_name=of)


first = file.message_type.add(name="First")
add(first, ("text", F.TYPE_STRING, None))
entry = file.message_type.add(name="Order")
add(entry, ("id", F.TYPE_INT64, None), ("metric_date", F.TYPE_STRING, None), ("line", F.TYPE_MESSAGE, ".acme.Order.Line"))
line = entry.nested_type.add(name="Line")
add(line, ("sku", F.TYPE_STRING, None), ("count", F.TYPE_SINT32, None))
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
classes = {name: message_factory.GetMessageClass(pool.FindMessageTypeByName("acme." + name)) for name in ["First", "Order", "Order.Line"]}


def write_proto(what, name, datum, fields, more={}):
    write(what, ProtobufSerializer(classes[name], client, {"use.deprecated.format": False, **more}), datum, fields, "protos")


proto_order = classes["Order"](id=-5, metric_date="2018-01-04")
proto_order.line.sku = "A-1"
proto_order.line.count = -3
proto_fields = {"id": -5, "metric_date": "2018-01-04", "line.sku": "A-1", "line.count": -3}
write_proto("Protobuf, the first message", "First", classes["First"](text="ž"), {"text": "ž"})
write_proto("Protobuf, the second message", "Order", proto_order, proto_fields)
write_proto("Protobuf, a message in a message", "Order.Line", proto_order.line, {"sku": "A-1", "count": -3})
write_proto("Protobuf, by a header", "Order", proto_order, proto_fields, in_header)
out.close()
