// What the Java library org.apache.rocketmq:rocketmq-client-java 5.0.8 does with the service at
// FIRN_GRPC; over TLS unless FIRN_TLS is 0.
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.rocketmq.client.apis.*;
import org.apache.rocketmq.client.apis.consumer.*;
import org.apache.rocketmq.client.apis.message.*;
import org.apache.rocketmq.client.apis.producer.*;

public class Main {
  static int failed = 0;
  static void check(String name, boolean good, Object what) { System.out.println((good ? "ok " : "FAIL ") + name + (good ? "" : " " + what)); if (!good) failed++; }
  static String text(MessageView m) { byte[] b = new byte[m.getBody().remaining()]; m.getBody().duplicate().get(b); return new String(b); }
  public static void main(String[] a) throws Exception {
    ClientServiceProvider p = ClientServiceProvider.loadService();
    ClientConfiguration c = ClientConfiguration.newBuilder().setEndpoints(System.getenv("FIRN_GRPC"))
      .setCredentialProvider(new StaticSessionCredentialsProvider("demo", "demo-secret")).enableSsl(!"0".equals(System.getenv("FIRN_TLS"))).build();
    String run = "j" + System.nanoTime();
    SimpleConsumer sc = p.newSimpleConsumerBuilder().setClientConfiguration(c).setConsumerGroup("g").setAwaitDuration(Duration.ofSeconds(2))
      .setSubscriptionExpressions(Collections.singletonMap("normal", new FilterExpression(run, FilterExpressionType.TAG))).build();
    Producer pr = p.newProducerBuilder().setClientConfiguration(c).setTopics("normal", "fifo", "delay").build();
    byte[] big = new byte[100000]; Arrays.fill(big, (byte) 'x');
    SendReceipt r = pr.send(p.newMessageBuilder().setTopic("normal").setTag(run).setKeys("k1").addProperty("p", "v").setBody(big).build());
    List<MessageView> got = new ArrayList<>();
    for (int i = 0; i < 10 && got.isEmpty(); i++) got.addAll(sc.receive(16, Duration.ofSeconds(20)));
    check("big body (packed by the client)", got.size() == 1 && text(got.get(0)).equals(new String(big)), got.size());
    check("message id", got.size() == 1 && got.get(0).getMessageId().equals(r.getMessageId()), got);
    check("property", got.size() == 1 && "v".equals(got.get(0).getProperties().get("p")), got);
    for (MessageView m : got) { sc.changeInvisibleDuration(m, Duration.ofSeconds(30)); sc.ack(m); }
    check("acked", sc.receive(16, Duration.ofSeconds(20)).isEmpty(), "");
    // FIFO push
    ConcurrentLinkedQueue<String> order = new ConcurrentLinkedQueue<>();
    CountDownLatch latch = new CountDownLatch(10);
    ConcurrentHashMap<String, Integer> tries = new ConcurrentHashMap<>();
    PushConsumer fifo = p.newPushConsumerBuilder().setClientConfiguration(c).setConsumerGroup("g-fifo")
      .setSubscriptionExpressions(Collections.singletonMap("fifo", new FilterExpression(run, FilterExpressionType.TAG)))
      .setMessageListener(m -> { String t = text(m); int n = tries.merge(t, 1, Integer::sum); if (t.equals("3") && n == 1) return ConsumeResult.FAILURE; order.add(t); latch.countDown(); return ConsumeResult.SUCCESS; }).build();
    for (int i = 0; i < 10; i++) pr.send(p.newMessageBuilder().setTopic("fifo").setTag(run).setMessageGroup("one").setBody(("" + i).getBytes()).build());
    latch.await(40, TimeUnit.SECONDS);
    check("fifo push order with one failure", new ArrayList<>(order).toString().equals("[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]") && tries.get("3") == 2, order + " " + tries);
    fifo.close();
    // push with one failure
    ConcurrentHashMap<String, Integer> seen = new ConcurrentHashMap<>();
    CountDownLatch done = new CountDownLatch(6);
    PushConsumer push = p.newPushConsumerBuilder().setClientConfiguration(c).setConsumerGroup("g-push")
      .setSubscriptionExpressions(Collections.singletonMap("normal", new FilterExpression(run + "p", FilterExpressionType.TAG)))
      .setMessageListener(m -> { int n = seen.merge(text(m), 1, Integer::sum); done.countDown(); return text(m).equals("2") && n == 1 ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS; }).build();
    for (int i = 0; i < 5; i++) pr.send(p.newMessageBuilder().setTopic("normal").setTag(run + "p").setBody(("" + i).getBytes()).build());
    done.await(40, TimeUnit.SECONDS);
    check("push with one failure", seen.size() == 5 && seen.get("2") == 2, seen);
    push.close();
    // delay
    SimpleConsumer dc = p.newSimpleConsumerBuilder().setClientConfiguration(c).setConsumerGroup("g").setAwaitDuration(Duration.ofSeconds(2))
      .setSubscriptionExpressions(Collections.singletonMap("delay", new FilterExpression("price > 5", FilterExpressionType.SQL92))).build();
    long due = System.currentTimeMillis() + 3000;
    pr.send(p.newMessageBuilder().setTopic("delay").addProperty("price", "7").setDeliveryTimestamp(due).setBody("late".getBytes()).build());
    List<MessageView> late = new ArrayList<>();
    for (int i = 0; i < 10 && late.isEmpty(); i++) late.addAll(dc.receive(16, Duration.ofSeconds(20)));
    long at = System.currentTimeMillis();
    check("delay and SQL92", late.size() == 1 && at >= due && late.get(0).getDeliveryTimestamp().get() == due, late);
    for (MessageView m : late) dc.ack(m);
    // transactions
    CountDownLatch asked = new CountDownLatch(1);
    Producer tp = p.newProducerBuilder().setClientConfiguration(c).setTopics("tx")
      .setTransactionChecker(m -> { asked.countDown(); return TransactionResolution.COMMIT; }).build();
    SimpleConsumer tc = p.newSimpleConsumerBuilder().setClientConfiguration(c).setConsumerGroup("g").setAwaitDuration(Duration.ofSeconds(2))
      .setSubscriptionExpressions(Collections.singletonMap("tx", new FilterExpression(run, FilterExpressionType.TAG))).build();
    String[] names = {"commit", "rollback", "orphan"};
    for (String n : names) {
      Transaction t = tp.beginTransaction();
      tp.send(p.newMessageBuilder().setTopic("tx").setTag(run).setBody(n.getBytes()).build(), t);
      if (n.equals("commit")) t.commit(); else if (n.equals("rollback")) t.rollback();
    }
    TreeSet<String> tx = new TreeSet<>();
    for (int i = 0; i < 30 && tx.size() < 2; i++) for (MessageView m : tc.receive(16, Duration.ofSeconds(20))) { tx.add(text(m)); tc.ack(m); }
    check("transactions", tx.toString().equals("[commit, orphan]") && asked.getCount() == 0, tx + " " + asked.getCount());
    sc.close(); dc.close(); tc.close(); pr.close(); tp.close();
    try {
      ClientConfiguration bad = ClientConfiguration.newBuilder().setEndpoints(System.getenv("FIRN_GRPC")).setCredentialProvider(new StaticSessionCredentialsProvider("demo", "wrong")).enableSsl(!"0".equals(System.getenv("FIRN_TLS"))).build();
      p.newProducerBuilder().setClientConfiguration(bad).setTopics("normal").build();
      check("wrong secret", false, "started");
    } catch (Exception e) { check("wrong secret", true, ""); System.out.println("   told: " + e.getMessage()); }
    System.out.println(failed + " failed");
    System.exit(failed);
  }
}
