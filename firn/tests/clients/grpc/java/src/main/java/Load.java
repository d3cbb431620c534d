import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.PushConsumer;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Many messages at once, and a server that goes and comes back. */
final class Load {
    private static final int MESSAGES = 500;
    private static final int IN_FLIGHT = 64;
    private static final int RECEIVERS = 4;
    /** Messages to be answered on each side of the restart. */
    private static final int PER_SIDE = 20;

    private Load() {
    }

    static void concurrent() throws ClientException, IOException, InterruptedException {
        Map<String, Integer> seen = new ConcurrentHashMap<>();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        try (Producer producer = Clients.producer("t-concurrent");
             SimpleConsumer consumer = Clients.consumer("concurrent")) {
            AtomicBoolean stop = new AtomicBoolean();
            for (int n = 0; n < RECEIVERS; n++) {
                background(() -> receive(consumer, seen, stop), failure);
            }
            Semaphore free = new Semaphore(IN_FLIGHT);
            for (int n = 0; n < MESSAGES; n++) {
                free.acquire();
                producer.sendAsync(Clients.message("t-concurrent", "" + n).build()).whenComplete((sent, error) -> {
                    failure.compareAndSet(null, error);
                    free.release();
                });
            }
            free.acquire(IN_FLIGHT);
            Clients.waitFor(() -> seen.size() == MESSAGES || failure.get() != null, Duration.ofSeconds(15));
            stop.set(true);
        }
        Clients.check(failure.get() == null, "" + failure.get());
        Clients.checkEqual(seen.size(), MESSAGES, "messages");
        Clients.check(seen.values().stream().allMatch(times -> times == 1), "times: " + seen);
    }

    private static void receive(SimpleConsumer consumer, Map<String, Integer> seen, AtomicBoolean stop)
            throws ClientException {
        while (!stop.get() && seen.size() < MESSAGES) {
            for (MessageView message : consumer.receive(16, Duration.ofSeconds(30))) {
                consumer.ack(message);
                seen.merge(Clients.text(message), 1, Integer::sum);
            }
        }
    }

    /** A producer and a consumer of each kind live through it; what was answered arrives. */
    static void serverRestart() throws ClientException, IOException, InterruptedException {
        Set<String> answered = ConcurrentHashMap.newKeySet();
        Set<String> pushed = ConcurrentHashMap.newKeySet();
        Set<String> polled = ConcurrentHashMap.newKeySet();
        AtomicBoolean stop = new AtomicBoolean();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Producer producer = Clients.producer("t-server-restart");
        SimpleConsumer simple = Clients.consumer("server-restart");
        PushConsumer push = Clients.pushConsumer("server-restart", message -> {
            pushed.add(Clients.text(message));
            return ConsumeResult.SUCCESS;
        });
        background(() -> sendOn(producer, answered, stop), failure);
        background(() -> pollOn(simple, polled), failure);
        await(() -> answered.size() >= PER_SIDE && !pushed.isEmpty() && !polled.isEmpty(),
            "before the restart", answered, pushed, polled);

        System.out.println("restart");
        String line = new BufferedReader(new InputStreamReader(System.in)).readLine();
        Clients.checkEqual("" + line, "restarted", "line");

        int before = answered.size();
        int pushedBefore = pushed.size();
        int polledBefore = polled.size();
        await(() -> answered.size() >= before + PER_SIDE && pushed.size() > pushedBefore
            && polled.size() > polledBefore, "after the restart", answered, pushed, polled);
        stop.set(true);
        Set<String> lost = ConcurrentHashMap.newKeySet();
        boolean isComplete = Clients.waitFor(() -> {
            lost.addAll(answered);
            lost.removeAll(pushed);
            lost.removeAll(polled);
            return lost.isEmpty();
        }, Duration.ofSeconds(15));
        Clients.check(isComplete, "answered, and never received: " + lost);
        Clients.check(failure.get() == null, "" + failure.get());
        producer.close();
        Clients.closeLater(push);
    }

    /**
     * A send that fails may have arrived or not; only those that were answered count. That the
     * connection broke is an exception of gRPC, and unchecked.
     */
    private static void sendOn(Producer producer, Set<String> answered, AtomicBoolean stop)
            throws InterruptedException {
        for (int n = 0; !stop.get(); n++) {
            try {
                producer.send(Clients.message("t-server-restart", "" + n).build());
                answered.add("" + n);
            } catch (ClientException | RuntimeException gone) {
                System.err.println("send: " + gone.getMessage());
            }
            Thread.sleep(50);
        }
    }

    private static void pollOn(SimpleConsumer consumer, Set<String> polled) throws InterruptedException {
        while (true) {
            try {
                for (MessageView message : consumer.receive(4, Duration.ofSeconds(5))) {
                    polled.add(Clients.text(message));
                    consumer.ack(message);
                }
            } catch (ClientException | RuntimeException gone) {
                System.err.println("receive: " + gone.getMessage());
                Thread.sleep(200);
            }
        }
    }

    private static void await(BooleanSupplier condition, String when, Set<String> answered, Set<String> pushed,
            Set<String> polled) throws InterruptedException {
        boolean isDone = Clients.waitFor(condition, Duration.ofSeconds(20));
        Clients.check(isDone, when + ": " + answered.size() + " sent, " + pushed.size() + " pushed, "
            + polled.size() + " polled");
    }

    private static void background(Main.Feature work, AtomicReference<Throwable> failure) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (Throwable thrown) {
                failure.compareAndSet(null, thrown);
            }
        });
        thread.setDaemon(true);
        thread.start();
    }
}
