import java.io.IOException;
import org.apache.rocketmq.client.apis.ClientConfiguration;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.java.exception.ForbiddenException;
import org.apache.rocketmq.client.java.exception.NotFoundException;
import org.apache.rocketmq.client.java.exception.UnauthorizedException;

/** What the service does not do, and how the library says so: an exception with the code. */
final class Refused {
    private static final int UNAUTHORIZED = 40100;
    private static final int FORBIDDEN = 40300;
    private static final int TOPIC_NOT_FOUND = 40402;

    private Refused() {
    }

    /** A producer that names its topics is refused when it starts. */
    static void wrongSecret() {
        ClientConfiguration wrong = Clients.configuration("demo", "wrong");
        refused(UnauthorizedException.class, UNAUTHORIZED, () -> start(wrong, "t-wrong-secret"));
    }

    static void unknownTopic() throws ClientException, IOException {
        try (Producer producer = Clients.producer()) {
            refused(NotFoundException.class, TOPIC_NOT_FOUND,
                () -> producer.send(Clients.message("t-unknown-topic", "x").build()));
        }
    }

    static void topicWithoutRight() throws ClientException, IOException {
        ClientConfiguration limited = Clients.configuration("limited", "limited-secret");
        start(limited, "t-normal");
        refused(ForbiddenException.class, FORBIDDEN, () -> start(limited, "t-topic-without-right"));
    }

    /** The library knows from the route what a topic takes, and does not even send. */
    static void wrongType() throws ClientException, IOException {
        try (Producer producer = Clients.producer("t-wrong-type")) {
            refused(IllegalArgumentException.class, 0, () -> producer.send(
                Clients.message("t-wrong-type", "x").setMessageGroup("red").build()));
        }
    }

    private static void start(ClientConfiguration configuration, String topic) throws ClientException, IOException {
        Clients.PROVIDER.newProducerBuilder().setClientConfiguration(configuration).setTopics(topic).build().close();
    }

    /** The reason is what was thrown, or a cause of it. */
    private static void refused(Class<?> kind, int code, Main.Feature work) {
        try {
            work.run();
        } catch (Exception failure) {
            for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
                if (kind.isInstance(cause)) {
                    boolean hasCode = code == 0 || cause.getMessage().contains("response-code=" + code);
                    Clients.check(hasCode, cause.getMessage() + ", not " + code);
                    return;
                }
            }
            throw new AssertionError("another refusal: " + failure, failure);
        }
        throw new AssertionError("it was not refused");
    }
}
