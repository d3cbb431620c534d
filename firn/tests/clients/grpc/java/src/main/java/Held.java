import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.Message;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.RecallReceipt;
import org.apache.rocketmq.client.apis.producer.SendReceipt;
import org.apache.rocketmq.client.apis.producer.Transaction;
import org.apache.rocketmq.client.apis.producer.TransactionResolution;

/** Messages that are held back for a time, or until somebody decides. */
final class Held {
    private Held() {
    }

    static void delay() throws ClientException, IOException {
        try (Producer producer = Clients.producer("t-delay"); SimpleConsumer consumer = Clients.consumer("delay")) {
            long due = System.currentTimeMillis() + 2000;
            producer.send(Clients.message("t-delay", "late").setDeliveryTimestamp(due).build());
            List<MessageView> got = Clients.collect(consumer, 1);
            long late = System.currentTimeMillis() - due;
            Clients.checkEqual(got.size(), 1, "messages");
            Clients.check(late >= 0 && late < 8000, "it came " + late + " ms after its time");
            Clients.checkEqual(got.get(0).getDeliveryTimestamp().orElse(0L), due, "its time");
        }
    }

    static void recall() throws ClientException, IOException {
        try (Producer producer = Clients.producer("t-recall"); SimpleConsumer consumer = Clients.consumer("recall")) {
            long due = System.currentTimeMillis() + 3000;
            Message recalled = Clients.message("t-recall", "recalled").setDeliveryTimestamp(due).build();
            SendReceipt receipt = producer.send(recalled);
            // Due later, so that what was recalled had its time when this one comes.
            producer.send(Clients.message("t-recall", "kept").setDeliveryTimestamp(due + 1000).build());
            RecallReceipt recall = producer.recallMessage("t-recall", receipt.getRecallHandle());
            Clients.checkEqual(recall.getMessageId(), receipt.getMessageId(), "id");
            checkOnly(consumer, "kept");
        }
    }

    static void transactionCommit() throws ClientException, IOException {
        String topic = "t-transaction-commit";
        try (Producer producer = Clients.producer(half -> TransactionResolution.UNKNOWN, topic);
             SimpleConsumer consumer = Clients.consumer("transaction-commit")) {
            Transaction transaction = producer.beginTransaction();
            producer.send(Clients.message(topic, "paid").build(), transaction);
            Clients.checkNothing(consumer, Duration.ofSeconds(1), "a half message was delivered");
            transaction.commit();
            checkOnly(consumer, "paid");
        }
    }

    static void transactionRollback() throws ClientException, IOException {
        String topic = "t-transaction-rollback";
        try (Producer producer = Clients.producer(half -> TransactionResolution.UNKNOWN, topic);
             SimpleConsumer consumer = Clients.consumer("transaction-rollback")) {
            Transaction transaction = producer.beginTransaction();
            producer.send(Clients.message(topic, "unpaid").build(), transaction);
            transaction.rollback();
            Transaction other = producer.beginTransaction();
            producer.send(Clients.message(topic, "paid").build(), other);
            other.commit();
            checkOnly(consumer, "paid");
        }
    }

    /** The program does not decide, so the server asks the producer's checker. */
    static void transactionCheck() throws ClientException, IOException {
        String topic = "t-transaction-check";
        AtomicInteger asked = new AtomicInteger();
        try (Producer producer = Clients.producer(half -> {
                Clients.checkEqual(Clients.text(half), "open", "body");
                asked.incrementAndGet();
                return TransactionResolution.COMMIT;
            }, topic);
             SimpleConsumer consumer = Clients.consumer("transaction-check")) {
            producer.send(Clients.message(topic, "open").build(), producer.beginTransaction());
            checkOnly(consumer, "open");
            Clients.checkEqual(asked.get(), 1, "times asked");
        }
    }

    /** This one comes, and no other in the next two seconds. */
    private static void checkOnly(SimpleConsumer consumer, String body) throws ClientException {
        List<MessageView> got = Clients.collect(consumer, 1, Duration.ofSeconds(20));
        Clients.checkEqual(got.stream().map(Clients::text).toList(), List.of(body), "bodies");
        Clients.checkNothing(consumer, Duration.ofSeconds(2), "another came");
    }
}
