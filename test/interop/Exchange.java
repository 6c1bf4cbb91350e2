import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Function;
import org.apache.avro.Schema;
import org.apache.avro.file.CodecFactory;
import org.apache.avro.file.DataFileReader;
import org.apache.avro.file.DataFileWriter;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;

/**
 * Exchange SCHEMA MESSAGES FOLDER FILE...: reads each FILE into FILE.jsonl, and writes MESSAGES (JSON lines, bytes in hex) under SCHEMA
 * as FOLDER/CODEC.avro with every codec, and as FOLDER/CODEC-blocking.avro with arrays in blocks that tell their size.
 */
public class Exchange {
  static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) throws IOException {
    Schema schema = new Schema.Parser().parse(new File(args[0]));
    for (int i = 3; i < args.length; i++) read(args[i]);
    List<String> messages = Files.readAllLines(Path.of(args[1]));
    for (String codec : new String[] {"zstandard", "deflate", "snappy", "null"}) {
      write(schema, messages, codec, args[2] + "/" + codec + ".avro", out -> EncoderFactory.get().binaryEncoder(out, null));
      write(schema, messages, codec, args[2] + "/" + codec + "-blocking.avro", out -> blocking(out));
    }
  }

  static BinaryEncoder blocking(OutputStream out) {
    return new EncoderFactory().configureBlockSize(64).blockingBinaryEncoder(out, null);
  }

  static void read(String file) throws IOException {
    List<String> lines = new ArrayList<>();
    try (DataFileReader<GenericRecord> reader = new DataFileReader<>(new File(file), new GenericDatumReader<>())) {
      for (GenericRecord message : reader) {
        ObjectNode line = JSON.createObjectNode();
        line.put("position", (Long) message.get("position"));
        line.put("timestamp", (Long) message.get("timestamp"));
        line.put("key", hex(message.get("key")));
        line.put("value", hex(message.get("value")));
        line.put("id", message.get("id") == null ? null : message.get("id").toString());
        ArrayNode headers = line.putArray("headers");
        for (Object header : (List<?>) message.get("headers")) {
          GenericRecord record = (GenericRecord) header;
          headers.addObject().put("name", record.get("name").toString()).put("value", hex(record.get("value")));
        }
        lines.add(JSON.writeValueAsString(line));
      }
    }
    Files.write(Path.of(file + ".jsonl"), lines);
  }

  static void write(Schema schema, List<String> messages, String codec, String file, Function<OutputStream, BinaryEncoder> encoder)
      throws IOException {
    Schema headerSchema = schema.getField("headers").schema().getElementType();
    try (DataFileWriter<GenericRecord> writer = new DataFileWriter<>(new GenericDatumWriter<GenericRecord>(schema))) {
      writer.setEncoder(encoder).setCodec(CodecFactory.fromString(codec)).setSyncInterval(2000);
      writer.create(schema, new File(file));
      for (String text : messages) {
        JsonNode line = JSON.readTree(text);
        GenericRecord message = new GenericData.Record(schema);
        message.put("position", line.get("position").asLong());
        message.put("timestamp", line.get("timestamp").asLong());
        message.put("key", bytes(line.get("key")));
        message.put("value", bytes(line.get("value")));
        message.put("id", line.get("id").isNull() ? null : line.get("id").asText());
        List<GenericRecord> headers = new ArrayList<>();
        for (JsonNode header : line.get("headers")) {
          GenericRecord record = new GenericData.Record(headerSchema);
          record.put("name", header.get("name").asText());
          record.put("value", bytes(header.get("value")));
          headers.add(record);
        }
        message.put("headers", headers);
        writer.append(message);
      }
    }
  }

  static String hex(Object bytes) {
    if (bytes == null) return null;
    ByteBuffer buffer = ((ByteBuffer) bytes).duplicate();
    byte[] copy = new byte[buffer.remaining()];
    buffer.get(copy);
    return HexFormat.of().formatHex(copy);
  }

  static ByteBuffer bytes(JsonNode hex) {
    return hex.isNull() ? null : ByteBuffer.wrap(HexFormat.of().parseHex(hex.asText()));
  }
}
