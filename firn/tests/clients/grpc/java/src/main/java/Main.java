import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * What a program does that uses Maven's {@code rocketmq-client-java}. Started by run.py.
 * {@code bench SECONDS IN_FLIGHT BODY_BYTES} measures one producer instead.
 */
public final class Main {
    private static final long FEATURE_SECONDS = 25;

    /** Something that works, or throws the reason why it does not. */
    interface Feature {
        void run() throws Exception;
    }

    private static Map<String, Feature> features() {
        Map<String, Feature> all = new LinkedHashMap<>();
        all.put("normal", Plain::normal);
        all.put("properties", Plain::properties);
        all.put("bodies", Plain::bodies);
        all.put("tags", Plain::tags);
        all.put("sql92", Plain::sql92);
        all.put("batch_receive", Plain::batchReceive);
        all.put("fifo", Ordered::fifo);
        all.put("delay", Held::delay);
        all.put("recall", Held::recall);
        all.put("transaction_commit", Held::transactionCommit);
        all.put("transaction_rollback", Held::transactionRollback);
        all.put("transaction_check", Held::transactionCheck);
        all.put("change_invisible", Plain::changeInvisible);
        all.put("push_consumer", Push::pushConsumer);
        all.put("redelivery", Push::redelivery);
        all.put("dead_letter", Push::deadLetter);
        all.put("wrong_secret", Refused::wrongSecret);
        all.put("unknown_topic", Refused::unknownTopic);
        all.put("topic_without_right", Refused::topicWithoutRight);
        all.put("wrong_type", Refused::wrongType);
        all.put("concurrent", Load::concurrent);
        all.put("server_restart", Load::serverRestart);
        return all;
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length == 4 && arguments[0].equals("bench")) {
            Bench.run(Integer.parseInt(arguments[1]), Integer.parseInt(arguments[2]), Integer.parseInt(arguments[3]));
        } else {
            tryAll(System.getenv("FIRN_FEATURES").trim().split("\\s+"));
        }
        // Not every client is closed: closing a push consumer waits for its long poll.
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    /** Features wait far more than they work, so all but the restart run at once. */
    private static void tryAll(String[] names) throws InterruptedException {
        Map<String, Feature> features = features();
        ExecutorService pool = Executors.newCachedThreadPool();
        Map<String, Future<?>> running = new LinkedHashMap<>();
        for (String name : names) {
            if (!name.equals("server_restart")) {
                running.put(name, start(pool, features.get(name)));
            }
        }
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(FEATURE_SECONDS);
        for (String name : names) {
            if (name.equals("server_restart")) {
                running.put(name, start(pool, features.get(name)));
                end = System.nanoTime() + TimeUnit.SECONDS.toNanos(FEATURE_SECONDS);
            }
            tell(name, running.get(name), end);
        }
    }

    private static Future<?> start(ExecutorService pool, Feature feature) {
        return pool.submit(() -> {
            feature.run();
            return null;
        });
    }

    private static void tell(String name, Future<?> result, long end) throws InterruptedException {
        try {
            result.get(Math.max(0, end - System.nanoTime()), TimeUnit.NANOSECONDS);
            System.out.println("ok " + name);
        } catch (TimeoutException late) {
            System.out.println("failed " + name + " not done within " + FEATURE_SECONDS + " s");
        } catch (ExecutionException failure) {
            System.out.println("failed " + name + " " + reason(failure.getCause()));
        }
    }

    /** What happened and where in this program, in one line. */
    private static String reason(Throwable failure) {
        String place = "";
        for (StackTraceElement frame : failure.getStackTrace()) {
            if (!frame.getClassName().contains(".")) {
                place = frame.getFileName() + ":" + frame.getLineNumber() + " ";
            }
            if (!place.isEmpty() && !frame.getClassName().equals("Clients")) {
                break;
            }
        }
        String text = place + failure.getClass().getSimpleName() + ": " + failure.getMessage();
        String line = text.replaceAll("\\s+", " ");
        return line.substring(0, Math.min(300, line.length()));
    }
}
