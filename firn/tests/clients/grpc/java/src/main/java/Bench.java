import java.io.IOException;
import java.util.Arrays;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.producer.Producer;

/** What one producer sends in a second, and how long the answers take. */
final class Bench {
    private static final String TOPIC = "t-concurrent";
    /** The first sends are slower, while code is compiled, and do not count. */
    private static final int WARM_UP_SECONDS = 5;

    private Bench() {
    }

    static void run(int seconds, int inFlight, int bodyBytes) throws ClientException, IOException, InterruptedException {
        byte[] body = new byte[bodyBytes];
        new Random(7).nextBytes(body);
        ConcurrentLinkedQueue<Long> nanos = new ConcurrentLinkedQueue<>();
        AtomicLong failed = new AtomicLong();
        try (Producer producer = Clients.producer(TOPIC)) {
            Semaphore free = new Semaphore(inFlight);
            long counted = System.nanoTime() + TimeUnit.SECONDS.toNanos(WARM_UP_SECONDS);
            long end = counted + TimeUnit.SECONDS.toNanos(seconds);
            while (System.nanoTime() < end) {
                free.acquire();
                long begun = System.nanoTime();
                producer.sendAsync(Clients.message(TOPIC, body).build()).whenComplete((receipt, failure) -> {
                    long done = System.nanoTime();
                    free.release();
                    if (failure != null) {
                        failed.incrementAndGet();
                    } else if (done >= counted && done < end) {
                        nanos.add(done - begun);
                    }
                });
            }
            free.acquire(inFlight);
        }
        long[] sorted = nanos.stream().mapToLong(Long::longValue).sorted().toArray();
        System.out.println(String.format(Locale.ROOT,
            "java: %d messages/s, %d in flight, %d bytes; latency p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms; %d failed",
            sorted.length / seconds, inFlight, bodyBytes,
            at(sorted, 0.5), at(sorted, 0.99), at(sorted, 0.999), failed.get()));
    }

    private static double at(long[] sorted, double share) {
        return sorted.length == 0 ? 0 : sorted[(int) (share * (sorted.length - 1))] / 1e6;
    }
}
