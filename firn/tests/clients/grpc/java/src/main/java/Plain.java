import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.FilterExpressionType;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.Message;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.SendReceipt;

/** Sending, and receiving with a simple consumer. */
final class Plain {
    private Plain() {
    }

    static void normal() throws ClientException, IOException {
        Map<String, String> sent = new HashMap<>();
        Map<String, String> got = new HashMap<>();
        try (Producer producer = Clients.producer("t-normal"); SimpleConsumer consumer = Clients.consumer("normal")) {
            for (String body : List.of("one", "two", "three")) {
                SendReceipt receipt = producer.send(Clients.message("t-normal", body).build());
                sent.put(receipt.getMessageId().toString(), body);
            }
            long end = System.nanoTime() + Duration.ofSeconds(15).toNanos();
            while (got.size() < 3 && System.nanoTime() < end) {
                for (MessageView message : consumer.receive(16, Duration.ofSeconds(3))) {
                    Clients.checkEqual(message.getTopic(), "t-normal", "topic");
                    Clients.checkEqual(message.getDeliveryAttempt(), 1, "attempt");
                    consumer.ack(message);
                    got.put(message.getMessageId().toString(), Clients.text(message));
                }
            }
            Clients.checkEqual(got, sent, "bodies by id");
            Clients.checkNothing(consumer, Duration.ofSeconds(4), "acknowledged, and it came again");
        }
    }

    static void properties() throws ClientException, IOException {
        Message sent = Clients.message("t-properties", "x").setTag("red").setKeys("order-1", "order-2")
            .addProperty("colour", "grün").addProperty("size", "42").build();
        try (Producer producer = Clients.producer("t-properties");
             SimpleConsumer consumer = Clients.consumer("properties")) {
            producer.send(sent);
            List<MessageView> got = Clients.collect(consumer, 1);
            Clients.checkEqual(got.size(), 1, "messages");
            MessageView message = got.get(0);
            Clients.checkEqual(message.getTag().orElse(""), "red", "tag");
            Clients.checkEqual(new TreeSet<>(message.getKeys()), new TreeSet<>(Set.of("order-1", "order-2")), "keys");
            Clients.checkEqual(message.getProperties(), Map.of("colour", "grün", "size", "42"), "properties");
            long age = System.currentTimeMillis() - message.getBornTimestamp();
            Clients.check(Math.abs(age) < 60_000, "born " + age + " ms ago");
        }
    }

    static void bodies() throws ClientException, IOException {
        byte[] everyByte = new byte[256];
        for (int value = 0; value < 256; value++) {
            everyByte[value] = (byte) value;
        }
        byte[] random = new byte[200 * 1024];
        new Random(7).nextBytes(random);
        byte[] same = new byte[64 * 1024];
        Arrays.fill(same, (byte) 'x');
        Map<String, byte[]> bodies = Map.of(
            "one byte", new byte[] {0},
            "every byte", everyByte,
            "text", "äöü 消息 😀".getBytes(StandardCharsets.UTF_8),
            "random", random,
            "compressible", same);
        try (Producer producer = Clients.producer("t-bodies"); SimpleConsumer consumer = Clients.consumer("bodies")) {
            for (Map.Entry<String, byte[]> body : bodies.entrySet()) {
                producer.send(Clients.message("t-bodies", body.getValue()).addProperty("name", body.getKey()).build());
            }
            Set<String> names = new HashSet<>();
            for (MessageView message : Clients.collect(consumer, bodies.size())) {
                String name = message.getProperties().getOrDefault("name", "");
                byte[] body = bodies.getOrDefault(name, new byte[0]);
                Clients.check(Arrays.equals(Clients.bytes(message), body), name + " is another body");
                names.add(name);
            }
            Clients.checkEqual(names, bodies.keySet(), "bodies");
        }
    }

    static void tags() throws ClientException, IOException {
        FilterExpression filter = new FilterExpression("A || B", FilterExpressionType.TAG);
        try (Producer producer = Clients.producer("t-tags"); SimpleConsumer consumer = Clients.consumer("tags", filter)) {
            for (String tag : List.of("C", "A", "AB", "B")) {
                producer.send(Clients.message("t-tags", tag).setTag(tag).build());
            }
            producer.send(Clients.message("t-tags", "none").build());
            checkBodies(consumer, Set.of("A", "B"));
        }
    }

    static void sql92() throws ClientException, IOException {
        FilterExpression filter = new FilterExpression("price > 5 AND region = 'eu'", FilterExpressionType.SQL92);
        try (Producer producer = Clients.producer("t-sql92");
             SimpleConsumer consumer = Clients.consumer("sql92", filter)) {
            for (String[] offer : new String[][] {{"5", "eu"}, {"7", "us"}, {"7", "eu"}, {"10", "eu"}, {"3", "us"}}) {
                producer.send(Clients.message("t-sql92", offer[0] + offer[1])
                    .addProperty("price", offer[0]).addProperty("region", offer[1]).build());
            }
            producer.send(Clients.message("t-sql92", "none").build());
            checkBodies(consumer, Set.of("7eu", "10eu"));
        }
    }

    /** These come, and no others. */
    private static void checkBodies(SimpleConsumer consumer, Set<String> wanted) throws ClientException {
        Set<String> got = new HashSet<>();
        for (MessageView message : Clients.collect(consumer, wanted.size())) {
            got.add(Clients.text(message));
        }
        Clients.checkEqual(got, wanted, "bodies");
        Clients.checkNothing(consumer, Duration.ofSeconds(2), "the filter let another pass");
    }

    static void batchReceive() throws ClientException, IOException {
        try (Producer producer = Clients.producer("t-batch-receive");
             SimpleConsumer consumer = Clients.consumer("batch-receive")) {
            for (int n = 0; n < 20; n++) {
                producer.send(Clients.message("t-batch-receive", "" + n).build());
            }
            List<Integer> sizes = new ArrayList<>();
            Set<String> got = new HashSet<>();
            long end = System.nanoTime() + Duration.ofSeconds(15).toNanos();
            while (got.size() < 20 && System.nanoTime() < end) {
                List<MessageView> batch = consumer.receive(16, Duration.ofSeconds(30));
                for (MessageView message : batch) {
                    Clients.check(got.add(Clients.text(message)), Clients.text(message) + " came twice");
                    consumer.ack(message);
                }
                sizes.add(batch.size());
            }
            Clients.checkEqual(got.size(), 20, "messages");
            int largest = sizes.stream().max(Integer::compare).orElse(0);
            Clients.check(largest > 1 && largest <= 16, "receives of " + sizes);
        }
    }

    static void changeInvisible() throws ClientException, IOException {
        try (Producer producer = Clients.producer("t-change-invisible");
             SimpleConsumer consumer = Clients.consumer("change-invisible")) {
            producer.send(Clients.message("t-change-invisible", "later").build());
            MessageView first = receiveOne(consumer, Duration.ofSeconds(2));
            long changed = System.nanoTime();
            consumer.changeInvisibleDuration(first, Duration.ofSeconds(6));
            MessageView second = receiveOne(consumer, Duration.ofSeconds(30));
            double after = (System.nanoTime() - changed) / 1e9;
            Clients.check(after > 5.5, "it came again after " + after + " s, not 6");
            Clients.checkEqual(second.getMessageId(), first.getMessageId(), "id");
            Clients.checkEqual(second.getDeliveryAttempt(), 2, "attempt");
            consumer.ack(second);
        }
    }

    private static MessageView receiveOne(SimpleConsumer consumer, Duration invisible) throws ClientException {
        long end = System.nanoTime() + Duration.ofSeconds(15).toNanos();
        while (System.nanoTime() < end) {
            List<MessageView> got = consumer.receive(1, invisible);
            if (!got.isEmpty()) {
                return got.get(0);
            }
        }
        throw new AssertionError("no message");
    }
}
