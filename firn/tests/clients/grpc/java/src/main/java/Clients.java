import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.apache.rocketmq.client.apis.ClientConfiguration;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.ClientServiceProvider;
import org.apache.rocketmq.client.apis.StaticSessionCredentialsProvider;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.FilterExpressionType;
import org.apache.rocketmq.client.apis.consumer.MessageListener;
import org.apache.rocketmq.client.apis.consumer.PushConsumer;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.MessageBuilder;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.TransactionChecker;

/** How clients are made, and what is done with them everywhere. */
final class Clients {
    static final ClientServiceProvider PROVIDER = ClientServiceProvider.loadService();
    static final FilterExpression ALL = new FilterExpression("*", FilterExpressionType.TAG);
    /** How long a receive waits for a first message. */
    private static final Duration AWAIT = Duration.ofSeconds(1);
    private static final int PUSH_THREADS = 8;
    /** The library uses TLS unless told otherwise, and trusts any certificate. */
    private static final boolean TLS = !"0".equals(System.getenv("FIRN_TLS"));

    private Clients() {
    }

    static ClientConfiguration configuration(String accessKey, String secretKey) {
        return ClientConfiguration.newBuilder()
            .setEndpoints(System.getenv("FIRN_GRPC"))
            .setNamespace("demo")
            .setCredentialProvider(new StaticSessionCredentialsProvider(accessKey, secretKey))
            .enableSsl(TLS)
            .build();
    }

    private static ClientConfiguration configuration() {
        return configuration("demo", "demo-secret");
    }

    static Producer producer(String... topics) throws ClientException {
        return PROVIDER.newProducerBuilder().setClientConfiguration(configuration()).setTopics(topics).build();
    }

    static Producer producer(TransactionChecker checker, String topic) throws ClientException {
        return PROVIDER.newProducerBuilder().setClientConfiguration(configuration()).setTopics(topic)
            .setTransactionChecker(checker).build();
    }

    static SimpleConsumer consumer(String feature, FilterExpression filter) throws ClientException {
        return PROVIDER.newSimpleConsumerBuilder().setClientConfiguration(configuration())
            .setConsumerGroup("g-" + feature).setAwaitDuration(AWAIT)
            .setSubscriptionExpressions(Collections.singletonMap("t-" + feature, filter)).build();
    }

    static SimpleConsumer consumer(String feature) throws ClientException {
        return consumer(feature, ALL);
    }

    static PushConsumer pushConsumer(String feature, MessageListener listener) throws ClientException {
        return PROVIDER.newPushConsumerBuilder().setClientConfiguration(configuration())
            .setConsumerGroup("g-" + feature).setConsumptionThreadCount(PUSH_THREADS)
            .setSubscriptionExpressions(Collections.singletonMap("t-" + feature, ALL))
            .setMessageListener(listener).build();
    }

    /** Closing waits for the long poll, up to 20 s, and nobody has to wait for that. */
    static void closeLater(PushConsumer consumer) {
        Thread closing = new Thread(() -> {
            try {
                consumer.close();
            } catch (IOException failure) {
                System.err.println("close: " + failure);
            }
        });
        closing.setDaemon(true);
        closing.start();
    }

    static MessageBuilder message(String topic, byte[] body) {
        return PROVIDER.newMessageBuilder().setTopic(topic).setBody(body);
    }

    static MessageBuilder message(String topic, String body) {
        return message(topic, body.getBytes(StandardCharsets.UTF_8));
    }

    static byte[] bytes(MessageView message) {
        ByteBuffer body = message.getBody();
        byte[] bytes = new byte[body.remaining()];
        body.get(bytes);
        return bytes;
    }

    static String text(MessageView message) {
        return new String(bytes(message), StandardCharsets.UTF_8);
    }

    /** Receives and acknowledges until there are as many, or the time is over. */
    static List<MessageView> collect(SimpleConsumer consumer, int wanted, Duration time) throws ClientException {
        List<MessageView> got = new ArrayList<>();
        long end = System.nanoTime() + time.toNanos();
        while (got.size() < wanted && System.nanoTime() < end) {
            for (MessageView message : consumer.receive(16, Duration.ofSeconds(30))) {
                consumer.ack(message);
                got.add(message);
            }
        }
        return got;
    }

    static List<MessageView> collect(SimpleConsumer consumer, int wanted) throws ClientException {
        return collect(consumer, wanted, Duration.ofSeconds(15));
    }

    /** Nothing comes while one looks. */
    static void checkNothing(SimpleConsumer consumer, Duration time, String why) throws ClientException {
        List<MessageView> got = collect(consumer, 1, time);
        check(got.isEmpty(), why + ": " + got);
    }

    static boolean waitFor(BooleanSupplier condition, Duration time) throws InterruptedException {
        long end = System.nanoTime() + time.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) {
                return false;
            }
            Thread.sleep(20);
        }
        return true;
    }

    static void check(boolean condition, String why) {
        if (!condition) {
            throw new AssertionError(why);
        }
    }

    static void checkEqual(Object got, Object wanted, String what) {
        check(got.equals(wanted), what + ": " + got + ", not " + wanted);
    }
}
