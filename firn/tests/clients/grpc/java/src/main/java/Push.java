import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.PushConsumer;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Push consumers, and what becomes of messages that they fail. */
final class Push {
    /** A failed message comes again after 10 s. */
    private static final Duration RETRY = Duration.ofSeconds(20);

    private Push() {
    }

    static void pushConsumer() throws ClientException, IOException, InterruptedException {
        Map<String, Integer> seen = new ConcurrentHashMap<>();
        Set<String> threads = ConcurrentHashMap.newKeySet();
        PushConsumer consumer = Clients.pushConsumer("push-consumer", message -> {
            threads.add(Thread.currentThread().getName());
            seen.merge(Clients.text(message), 1, Integer::sum);
            return ConsumeResult.SUCCESS;
        });
        try (Producer producer = Clients.producer("t-push-consumer")) {
            for (int n = 0; n < 50; n++) {
                producer.send(Clients.message("t-push-consumer", "" + n).build());
            }
        }
        Clients.check(Clients.waitFor(() -> seen.size() == 50, Duration.ofSeconds(15)), seen.size() + " messages");
        boolean isTwice = Clients.waitFor(
            () -> seen.values().stream().anyMatch(times -> times > 1), Duration.ofSeconds(1));
        Clients.closeLater(consumer);
        Clients.check(!isTwice, "times: " + seen);
        Clients.check(threads.size() > 1, "threads: " + threads);
    }

    static void redelivery() throws ClientException, IOException, InterruptedException {
        List<MessageView> seen = new CopyOnWriteArrayList<>();
        PushConsumer consumer = Clients.pushConsumer("redelivery", message -> {
            seen.add(message);
            return seen.size() == 1 ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS;
        });
        try (Producer producer = Clients.producer("t-redelivery")) {
            producer.send(Clients.message("t-redelivery", "again").build());
        }
        Clients.waitFor(() -> seen.size() > 1, RETRY);
        Clients.closeLater(consumer);
        Clients.checkEqual(seen.stream().map(MessageView::getDeliveryAttempt).toList(), List.of(1, 2), "attempts");
        Clients.checkEqual(seen.get(1).getMessageId(), seen.get(0).getMessageId(), "id");
    }

    static void deadLetter() throws ClientException, IOException, InterruptedException {
        List<Integer> attempts = new CopyOnWriteArrayList<>();
        PushConsumer consumer = Clients.pushConsumer("dead-letter", message -> {
            attempts.add(message.getDeliveryAttempt());
            return ConsumeResult.FAILURE;
        });
        String id;
        try (Producer producer = Clients.producer("t-dead-letter")) {
            id = producer.send(Clients.message("t-dead-letter", "hopeless").build()).getMessageId().toString();
        }
        Clients.check(Clients.waitFor(() -> attempts.size() == 2, RETRY), "attempts: " + attempts);
        Clients.check(Clients.waitFor(() -> deadLetters().contains(id), Duration.ofSeconds(5)),
            "dead letters: " + deadLetters());
        Clients.closeLater(consumer);
        Clients.checkEqual(attempts, List.of(1, 2), "attempts");
    }

    /** The group's dead letters are a topic like any other, here seen by HTTP. */
    private static String deadLetters() {
        String credentials = Base64.getEncoder().encodeToString("demo:demo-secret".getBytes());
        URI place = URI.create(System.getenv("FIRN_HTTP")
            + "/v1/instances/demo/topics/%25DLQ%25g-dead-letter/peek");
        HttpRequest request = HttpRequest.newBuilder(place).header("Authorization", "Basic " + credentials).build();
        try {
            return HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body();
        } catch (IOException | InterruptedException failure) {
            return failure.toString();
        }
    }
}
