import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.iceberg.CatalogProperties;
import org.apache.iceberg.FileScanTask;
import org.apache.iceberg.StaticTableOperations;
import org.apache.iceberg.BaseTable;
import org.apache.iceberg.Table;
import org.apache.iceberg.data.IdentityPartitionConverters;
import org.apache.iceberg.data.Record;
import org.apache.iceberg.data.parquet.GenericParquetReaders;
import org.apache.iceberg.expressions.Evaluator;
import org.apache.iceberg.expressions.Expression;
import org.apache.iceberg.expressions.ExpressionParser;
import org.apache.iceberg.expressions.Expressions;
import org.apache.iceberg.data.InternalRecordWrapper;
import org.apache.iceberg.hadoop.HadoopFileIO;
import org.apache.iceberg.io.CloseableIterable;
import org.apache.iceberg.jdbc.JdbcCatalog;
import org.apache.iceberg.mapping.NameMapping;
import org.apache.iceberg.mapping.NameMappingParser;
import org.apache.iceberg.parquet.Parquet;
import org.apache.iceberg.rest.RESTCatalogAdapter;
import org.apache.iceberg.rest.RESTCatalogServlet;
import org.apache.iceberg.types.Types;
import org.apache.iceberg.util.PartitionUtil;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;

/**
 * Iceberg METADATA OUT FILTER...: reads a table by its metadata file: a line with the counts for each FILTER (JSON of the REST protocol), then every row
 * as a line of JSON, into OUT. Iceberg serve WAREHOUSE DATABASE: a REST catalogue at a free port of 127.0.0.1, which it prints.
 */
public class Iceberg {
  static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    if (args[0].equals("serve")) serve(args[1], args[2]);
    else read(args);
  }

  static void serve(String warehouse, String database) throws Exception {
    JdbcCatalog catalog = new JdbcCatalog();
    catalog.setConf(new Configuration());
    catalog.initialize("millpond", Map.of(
        CatalogProperties.URI, "jdbc:sqlite:" + database,
        CatalogProperties.WAREHOUSE_LOCATION, warehouse,
        CatalogProperties.FILE_IO_IMPL, HadoopFileIO.class.getName()));
    Server server = new Server(new InetSocketAddress("127.0.0.1", 0));
    ServletContextHandler context = new ServletContextHandler(ServletContextHandler.NO_SESSIONS);
    context.addServlet(new ServletHolder(new RESTCatalogServlet(new RESTCatalogAdapter(catalog))), "/*");
    server.setHandler(context);
    server.start();
    System.out.println(server.getURI().getPort());
    // Whoever started it holds the other end: when that is closed, nobody needs the server.
    while (System.in.read() >= 0) {}
    server.stop();
  }

  static void read(String[] args) throws Exception {
    Table table = new BaseTable(new StaticTableOperations(args[0], new HadoopFileIO(new Configuration())), "table");
    try (PrintStream out = new PrintStream(args[1], "UTF-8")) {
      for (int i = 2; i < args.length; i++) {
        Expression filter = ExpressionParser.fromJson(args[i], table.schema());
        long[] counts = new long[2];
        counts[0] = scan(table, filter, record -> counts[1]++);
        out.println(JSON.writeValueAsString(Map.of("files", counts[0], "rows", counts[1])));
      }
      scan(table, Expressions.alwaysTrue(), record -> out.println(JSON.writeValueAsString(plain(table.schema().asStruct(), record))));
    }
  }

  interface Take { void take(Record record) throws Exception; }

  /** As Spark reads: with the name mapping, and with partition values for columns that files do not have. Gives the number of files. */
  static long scan(Table table, Expression filter, Take take) throws Exception {
    NameMapping mapping = NameMappingParser.fromJson(table.properties().get("schema.name-mapping.default"));
    InternalRecordWrapper wrapper = new InternalRecordWrapper(table.schema().asStruct());
    long files = 0;
    try (CloseableIterable<FileScanTask> tasks = table.newScan().filter(filter).planFiles()) {
      for (FileScanTask task : tasks) {
        files++;
        Map<Integer, ?> constants = PartitionUtil.constantsMap(task, IdentityPartitionConverters::convertConstant);
        Evaluator residual = new Evaluator(table.schema().asStruct(), task.residual());
        try (CloseableIterable<Record> records = Parquet.read(table.io().newInputFile(task.file().location()))
            .project(table.schema()).withNameMapping(mapping).filter(task.residual())
            .createReaderFunc(type -> GenericParquetReaders.buildReader(table.schema(), type, constants)).build()) {
          for (Record record : records) if (residual.eval(wrapper.wrap(record))) take.take(record);
        }
      }
    }
    return files;
  }

  static Map<String, Object> plain(Types.StructType type, Record record) {
    Map<String, Object> row = new LinkedHashMap<>();
    for (Types.NestedField field : type.fields()) row.put(field.name(), plain(record.getField(field.name())));
    return row;
  }

  static Object plain(Object value) {
    if (value instanceof ByteBuffer buffer) {
      byte[] bytes = new byte[buffer.remaining()];
      buffer.duplicate().get(bytes);
      return HexFormat.of().formatHex(bytes);
    }
    if (value instanceof OffsetDateTime time) return String.valueOf(ChronoUnit.MICROS.between(Instant.EPOCH, time.toInstant()));
    if (value instanceof LocalDate date) return date.toString();
    if (value instanceof Long number) return number.toString();
    if (value instanceof java.math.BigDecimal decimal) return decimal.toPlainString();
    if (value instanceof Float number) return number.doubleValue();
    if (value instanceof Record record) return plain(record.struct(), record);
    if (value instanceof List<?> list) {
      List<Object> plain = new ArrayList<>();
      for (Object item : list) plain.add(plain(item));
      return plain;
    }
    return value;
  }
}
