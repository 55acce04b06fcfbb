import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.unsafe.types.VariantVal;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Spark with Delta for the service tests: reads {"ask": "SQL"} by the line, answers {"rows": [...]} or
 * {"error": "..."} by the line, in the order of the questions. Two that come together run together. Values are spelled as src/lib/delta/testing/interop/peer.fixture.ts says.
 */
public final class SparkPeer {
  private static final ObjectMapper json = new ObjectMapper();
  private static final DateTimeFormatter micros = DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSS");

  private static final Future<String> end = CompletableFuture.completedFuture("");

  public static void main(String[] arguments) throws Exception {
    PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
    System.setOut(System.err);
    SparkSession spark = open(arguments[0]);
    answers.println("{\"rows\":[]}");
    BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    ExecutorService threads = Executors.newFixedThreadPool(2);
    BlockingQueue<Future<String>> running = new LinkedBlockingQueue<>();
    Thread writer = new Thread(() -> {
      try {
        for (Future<String> next = running.take(); next != end; next = running.take()) answers.println(next.get());
      } catch (Exception failure) {
        failure.printStackTrace();
        System.exit(1);
      }
    });
    writer.start();
    for (String line = requests.readLine(); line != null; line = requests.readLine()) {
      String sql = json.readTree(line).get("ask").asText();
      running.add(threads.submit(() -> answer(spark, sql)));
    }
    running.add(end);
    writer.join();
    threads.shutdown();
    spark.stop();
  }

  private static String answer(SparkSession spark, String sql) throws Exception {
    Map<String, Object> answer = new LinkedHashMap<>();
    try {
      List<Object> rows = new ArrayList<>();
      for (Row row : spark.sql(sql).collectAsList()) rows.add(spelled(row));
      answer.put("rows", rows);
    } catch (Throwable failure) {
      answer.put("error", describe(failure));
    }
    return json.writeValueAsString(answer);
  }

  private static SparkSession open(String scratchDir) {
    return SparkSession.builder()
        .master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.local.dir", scratchDir)
        .config("spark.sql.warehouse.dir", scratchDir + "/warehouse")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.default.parallelism", "1")
        .config("spark.databricks.delta.snapshotPartitions", "1")
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .config("spark.sql.adaptive.enabled", "false")
        // Vacuum lists folders in that many tasks.
        .config("spark.sql.sources.parallelPartitionDiscovery.parallelism", "1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.datetime.java8API.enabled", "true")
        .config("spark.sql.variant.allowReadingShredded", "true")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.databricks.delta.retentionDurationCheck.enabled", "false")
        .config("spark.delta.logStore.file.impl", "LinkLogStore")
        .getOrCreate();
  }

  private static String describe(Throwable failure) {
    StringBuilder text = new StringBuilder();
    for (Throwable each = failure; each != null && text.length() < 4000; each = each.getCause()) {
      text.append(each.getClass().getSimpleName()).append(": ").append(each.getMessage()).append('\n');
    }
    return text.toString();
  }

  private static Object spelled(Object value) throws Exception {
    if (value instanceof Row row) {
      Map<String, Object> fields = new LinkedHashMap<>();
      for (int at = 0; at < row.size(); at++) fields.put(row.schema().fieldNames()[at], spelled(row.get(at)));
      return fields;
    }
    if (value instanceof scala.collection.Map<?, ?> map) {
      List<Map<String, Object>> entries = new ArrayList<>();
      for (Map.Entry<?, ?> entry : CollectionConverters.asJava(map).entrySet()) {
        Map<String, Object> pair = new LinkedHashMap<>();
        pair.put("key", spelled(entry.getKey()));
        pair.put("value", spelled(entry.getValue()));
        entries.add(pair);
      }
      entries.sort(Comparator.comparing(entry -> String.valueOf(entry.get("key"))));
      return entries;
    }
    if (value instanceof scala.collection.Seq<?> list) {
      List<Object> items = new ArrayList<>();
      for (Object item : CollectionConverters.asJava(list)) items.add(spelled(item));
      return items;
    }
    if (value instanceof VariantVal variant) {
      return Map.of("value", spelled(variant.getValue()), "metadata", spelled(variant.getMetadata()));
    }
    if (value instanceof Long) return value.toString();
    if (value instanceof BigDecimal decimal) return decimal.toPlainString();
    if (value instanceof byte[] bytes) return HexFormat.of().formatHex(bytes);
    if (value instanceof Instant instant) return micros.format(instant.atOffset(ZoneOffset.UTC)) + "Z";
    if (value instanceof LocalDateTime local) return micros.format(local);
    if (value instanceof Float number) return finite(number.doubleValue());
    if (value instanceof Double number) return finite(number);
    if (value == null || value instanceof Boolean || value instanceof Number) return value;
    return value.toString();
  }

  private static Object finite(double value) {
    return Double.isFinite(value) ? (Object) value : Double.toString(value);
  }
}
