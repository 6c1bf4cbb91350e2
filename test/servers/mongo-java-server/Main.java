import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import io.netty.channel.Channel;
import java.util.Locale;
import java.util.Set;

/** mongo-java-server over a file of H2, in which is what was written when that is answered: {@code Main PORT FILE}. */
public final class Main {
    /** The oldest that drivers of today talk to: that of MongoDB 4.4. */
    private static final int WIRE_VERSION = 9;

    private static final Set<String> WRITES =
            Set.of("insert", "update", "delete", "findandmodify", "create", "createindexes", "drop", "dropdatabase");

    public static void main(String[] args) {
        H2Backend backend = new H2Backend(args[1]) {
            @Override
            public Document handleCommand(Channel channel, String database, String command, Document query) {
                Document answer = super.handleCommand(channel, database, command, query);
                if (answer.containsKey("maxWireVersion")) answer.put("maxWireVersion", WIRE_VERSION);
                return answer;
            }

            @Override
            public Document handleMessage(MongoMessage message) {
                Document answer = answerTo(message);
                String command = message.getDocument().keySet().iterator().next();
                if (WRITES.contains(command.toLowerCase(Locale.ROOT))) commit();
                return answer;
            }

            /** One at a time, and a copy: it changes documents in place that it has yet to send. */
            private synchronized Document answerTo(MongoMessage message) {
                return super.handleMessage(message).cloneDeeply();
            }
        };
        MongoServer server = new MongoServer(backend);
        server.bind("127.0.0.1", Integer.parseInt(args[0]));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
    }
}
