import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.PushConsumer;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Message groups, with both kinds of consumers: each in order, also when one message fails. */
final class Ordered {
    private static final List<String> GROUPS = List.of("red", "green", "blue");
    private static final List<String> IN_ORDER = List.of("0", "1", "2", "3", "4");

    private Ordered() {
    }

    static void fifo() throws ClientException, IOException, InterruptedException {
        try (Producer producer = Clients.producer("t-fifo")) {
            send(producer);
            putOneOff();
            send(producer);
            failOne();
        }
    }

    private static void send(Producer producer) throws ClientException {
        for (String body : IN_ORDER) {
            for (String group : GROUPS) {
                producer.send(Clients.message("t-fifo", body).setMessageGroup(group).build());
            }
        }
    }

    /** A simple consumer puts green's second message off, for longer than what is behind it. */
    private static void putOneOff() throws ClientException, IOException {
        Map<String, List<String>> done = new TreeMap<>();
        boolean isPutOff = false;
        int count = 0;
        try (SimpleConsumer consumer = Clients.consumer("fifo")) {
            long end = System.nanoTime() + Duration.ofSeconds(12).toNanos();
            while (count < 15 && System.nanoTime() < end) {
                Set<String> waiting = new HashSet<>();
                for (MessageView message : consumer.receive(16, Duration.ofSeconds(2))) {
                    String group = message.getMessageGroup().orElse("");
                    if (!isPutOff && group.equals("green") && Clients.text(message).equals("1")) {
                        isPutOff = true;
                        waiting.add(group);
                        consumer.changeInvisibleDuration(message, Duration.ofSeconds(4));
                    }
                    if (waiting.contains(group)) {
                        continue;
                    }
                    consumer.ack(message);
                    done.computeIfAbsent(group, key -> new ArrayList<>()).add(Clients.text(message));
                    count++;
                }
            }
        }
        check(done, "simple consumer");
    }

    /** A push consumer fails blue's third message once; the library tries it again by itself. */
    private static void failOne() throws ClientException, InterruptedException {
        Map<String, List<String>> done = new ConcurrentHashMap<>();
        Map<String, Integer> tries = new ConcurrentHashMap<>();
        PushConsumer consumer = Clients.pushConsumer("fifo", message -> {
            String group = message.getMessageGroup().orElse("");
            String body = Clients.text(message);
            int attempt = tries.merge(group + body, 1, Integer::sum);
            if (group.equals("blue") && body.equals("2") && attempt == 1) {
                return ConsumeResult.FAILURE;
            }
            done.computeIfAbsent(group, key -> new CopyOnWriteArrayList<>()).add(body);
            return ConsumeResult.SUCCESS;
        });
        Clients.waitFor(() -> done.values().stream().mapToInt(List::size).sum() >= 15, Duration.ofSeconds(12));
        Clients.closeLater(consumer);
        check(done, "push consumer");
        Clients.checkEqual(tries.get("blue2"), 2, "tries of the one that failed");
        Clients.checkEqual(tries.values().stream().mapToInt(Integer::intValue).sum(), 16, "tries of all");
    }

    private static void check(Map<String, List<String>> done, String who) {
        for (String group : GROUPS) {
            Clients.checkEqual(done.getOrDefault(group, List.of()), IN_ORDER, who + ", " + group);
        }
    }
}
