import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.avro.file.DataFileReader;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;

/** Reencode FILE...: reads each FILE, whatever its schema, and writes FILE.hex with each datum encoded anew, in hex, one a line. */
public class Reencode {
  public static void main(String[] args) throws IOException {
    for (String file : args) {
      List<String> lines = new ArrayList<>();
      try (DataFileReader<Object> reader = new DataFileReader<>(new File(file), new GenericDatumReader<>())) {
        GenericDatumWriter<Object> writer = new GenericDatumWriter<>(reader.getSchema());
        for (Object datum : reader) {
          ByteArrayOutputStream out = new ByteArrayOutputStream();
          BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
          writer.write(datum, encoder);
          encoder.flush();
          lines.add(HexFormat.of().formatHex(out.toByteArray()));
        }
      }
      Files.write(Path.of(file + ".hex"), lines);
    }
  }
}
