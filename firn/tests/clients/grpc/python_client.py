"""The program of run.py for `rocketmq-python-client`; see harness.py for what it prints.

Each feature has a topic and a group of its own: `normal` works with t-normal and g-normal.
"""
import base64
import json
import os
import random
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from python_support import (INVISIBLE_SECONDS, Failed, Listener, bodies_of, check,
                            configuration, message, nothing_more, producer, push_consumer, receive,
                            simple_consumer, started, wait_until)
from rocketmq import FilterExpression, Producer, TransactionChecker, TransactionResolution
from rocketmq.grpc_protocol import FilterType

FEATURE_SECONDS = 25
LOG = Path.home() / "logs" / "rocketmq_python" / "rocketmq_client.log"


# The features: a function gets the topic and the group of the feature.

def normal(topic, group):
    """The producer speaks TLS, the consumer does not: one port serves both."""
    with producer(topic, tls=True) as sender, simple_consumer(topic, group) as consumer:
        sent = {sender.send(message(topic, f"body {n}")).message_id: f"body {n}" for n in range(3)}
        got = receive(consumer, 3)
        check({one.message_id: one.body.decode() for one in got} == sent, f"sent {sent}, got {[str(one.message_id) for one in got]}")
        check(all(one.topic == topic and one.delivery_attempt == 1 and not one.corrupted for one in got), "topic, attempt or digest")
        nothing_more(consumer)


def properties(topic, group):
    with producer(topic) as sender, simple_consumer(topic, group) as consumer:
        given = {"region": "eu", "size": "Größe 消息 7", "a.b_c-1": " . "}
        sender.send(message(topic, "x", "tag-1", ["key-1", "key-2"], given))
        [one] = receive(consumer, 1)
        check(one.tag == "tag-1", f"tag {one.tag!r}")
        check(one.keys == {"key-1", "key-2"}, f"keys {one.keys}")
        check(one.properties == given, f"properties {one.properties}")


def bodies(topic, group):
    texts = [b"x", bytes(range(256)), "äöü 消息 \U0001F600".encode(), random.Random(7).randbytes(200_000), b"ab" * 32_768]
    with producer(topic) as sender, simple_consumer(topic, group) as consumer:
        sent = {sender.send(message(topic, text)).message_id: text for text in texts}
        got = {one.message_id: one.body for one in receive(consumer, len(texts))}
        check(got == sent, f"sizes {sorted(map(len, got.values()))}")


def tags(topic, group):
    with producer(topic) as sender, simple_consumer(topic, group, FilterExpression("A || B")) as consumer:
        for tag in ("A", "B", "C", None):
            sender.send(message(topic, f"tag {tag}", tag))
        got = bodies_of(receive(consumer, 2))
        check(got == ["tag A", "tag B"], f"got {got}")
        nothing_more(consumer)


def sql92(topic, group):
    wanted = FilterExpression("price > 5 AND region = 'eu'", FilterType.SQL)
    with producer(topic) as sender, simple_consumer(topic, group, wanted) as consumer:
        for price, region in (("4", "eu"), ("6", "eu"), ("7", "us"), ("10", "eu")):
            sender.send(message(topic, f"{price} {region}", properties={"price": price, "region": region}))
        got = bodies_of(receive(consumer, 2))
        check(got == ["10 eu", "6 eu"], f"got {got}")
        nothing_more(consumer)


def batch_receive(topic, group):
    with producer(topic) as sender, simple_consumer(topic, group) as consumer:
        for n in range(32):
            sender.send(message(topic, f"{n}"))
        sizes, got = [], []
        while len(got) < 32 and len(sizes) < 32:
            batch = consumer.receive(16, INVISIBLE_SECONDS)
            check(len(batch) <= 16, f"{len(batch)} messages")
            for one in batch:
                consumer.ack(one)
            sizes.append(len(batch))
            got += batch
        check(bodies_of(got) == sorted(map(str, range(32))), f"got {bodies_of(got)}")
        check(max(sizes) == 16, f"batches of {sizes}")


def fifo(topic, group):
    """One message is left once, with what follows it in its group; all come again in order.
    Small batches, so that a group without order would hand out the next ones meanwhile."""
    done, attempts, left = {"a": [], "b": [], "c": []}, [], False
    with producer(topic) as sender, simple_consumer(topic, group) as consumer:
        for n in range(5):
            for name in done:
                sender.send(message(topic, f"{n}", group=name))
        end = time.monotonic() + 20
        while sum(map(len, done.values())) < 15 and time.monotonic() < end:
            leaving = False
            for one in consumer.receive(2, 4):
                name, n = one.message_group, int(one.body)
                if name == "a" and n == 1:
                    attempts.append(one.delivery_attempt)
                    leaving, left = leaving or not left, True
                if not (leaving and name == "a"):
                    consumer.ack(one)
                    done[name].append(n)
        check(all(order == [0, 1, 2, 3, 4] for order in done.values()), f"{done}")
        check(attempts == [1, 2], f"attempts {attempts}")


def delay(topic, group):
    due = int(time.time()) + 3
    with producer(topic) as sender, simple_consumer(topic, group) as consumer:
        sender.send(message(topic, "later", deliver_at=due))
        check(len(receive(consumer, 1)) == 1, "did not come")
        check(time.time() >= due, f"{due - time.time():.2f} s too early")


def recall(topic, group):
    """The other one is due later: when it is there, the recalled one would be, too."""
    due = int(time.time()) + 3
    with producer(topic) as sender, simple_consumer(topic, group) as consumer:
        receipt = sender.send(message(topic, "recalled", deliver_at=due))
        sender.send(message(topic, "kept", deliver_at=due + 1))
        check(sender.recall_message(topic, receipt.recall_handle) == receipt.message_id, "recall names another message")
        got = bodies_of(receive(consumer, 1))
        check(got == ["kept"], f"got {got}")
        nothing_more(consumer)


class Checker(TransactionChecker):
    def __init__(self):
        self.asked = []

    def check(self, message):
        self.asked.append(message.body.decode())
        return TransactionResolution.COMMIT


def transaction(end):
    def feature(topic, group):
        """A message committed after it shows that it is not merely late."""
        with producer(topic, Checker()) as sender, simple_consumer(topic, group) as consumer:
            first, second = sender.begin_transaction(), sender.begin_transaction()
            sender.send(message(topic, "first"), first)
            sender.send(message(topic, "second"), second)
            nothing_more(consumer)
            end(first)
            second.commit()
            wanted = ["first", "second"] if end is COMMIT else ["second"]
            got = bodies_of(receive(consumer, len(wanted)))
            check(got == wanted, f"got {got}")
            nothing_more(consumer)
    return feature


COMMIT = lambda half: half.commit()  # noqa: E731
ROLLBACK = lambda half: half.rollback()  # noqa: E731


def transaction_check(topic, group):
    checker = Checker()
    with producer(topic, checker) as sender, simple_consumer(topic, group) as consumer:
        sender.send(message(topic, "open"), sender.begin_transaction())
        nothing_more(consumer)
        check(not checker.asked, "asked at once")
        got = bodies_of(receive(consumer, 1))
        check(got == ["open"] and checker.asked == ["open"], f"got {got}, asked about {checker.asked}")


def change_invisible(topic, group):
    with producer(topic) as sender, simple_consumer(topic, group) as consumer:
        sender.send(message(topic, "slow"))
        [one] = consumer.receive(1, 3) or consumer.receive(1, 3)
        changed = time.monotonic()
        consumer.change_invisible_duration(one, 7)
        [again] = receive(consumer, 1)
        after = time.monotonic() - changed
        check(again.delivery_attempt == 2 and after >= 7, f"attempt {again.delivery_attempt} after {after:.1f} s")


def push_50(topic, group):
    listener = Listener(lambda _: time.sleep(0.05) or True)
    with push_consumer(topic, group, listener), producer(topic) as sender:
        for n in range(50):
            sender.send(message(topic, f"{n}"))
        wait_until(lambda: len(listener.seen) >= 50, 15, "50 messages")
        time.sleep(1)
        check(bodies_of(one for one, _ in listener.seen) == sorted(map(str, range(50))), f"{len(listener.seen)} messages")
        check(len({thread for _, thread in listener.seen}) > 1, "one thread only")


def redelivery(topic, group):
    """The first pause of the retry table is ten seconds."""
    listener = Listener(lambda one: one.delivery_attempt > 1)
    with push_consumer(topic, group, listener), producer(topic) as sender:
        receipt = sender.send(message(topic, "shaky"))
        wait_until(lambda: len(listener.seen) >= 2, 20, "a second attempt")
        check(listener.attempts() == [1, 2], f"attempts {listener.attempts()}")
        check(all(one.message_id == receipt.message_id for one, _ in listener.seen), "another id")


def dead_letter(topic, group):
    listener = Listener(lambda _: False)
    with push_consumer(topic, group, listener), producer(topic) as sender:
        receipt = sender.send(message(topic, "hopeless"))
        wait_until(lambda: receipt.message_id in dead_letters(group), 22, f"a dead letter after attempts {listener.attempts()}")
        check(listener.attempts() == [1, 2], f"attempts {listener.attempts()}")


def dead_letters(group):
    request = urllib.request.Request(f"{os.environ['FIRN_HTTP']}/v1/instances/demo/topics/%25DLQ%25{group}/peek")
    request.add_header("Authorization", "Basic " + base64.b64encode(b"demo:demo-secret").decode())
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return [one["messageId"] for one in json.load(answer)["messages"]]
    except urllib.error.HTTPError as error:
        check(error.code == 404, f"peek answered {error.code}")
        return []  # made by the first dead letter


def refused(topic, code, access_key="demo", secret_key="demo-secret"):
    """The library says that it has no route; why, it writes only into its log."""
    before = LOG.stat().st_size
    with started(Producer(configuration(access_key, secret_key), (topic,))) as sender:
        try:
            sender.send(message(topic, "must not pass"))
        except Exception as error:
            check("route" in str(error), f"{type(error).__name__}: {error}")
        else:
            raise Failed("was sent")
    with open(LOG, "rb") as log:
        log.seek(before)
        check(f"raise exception, {code}," in log.read().decode(errors="replace"), f"no {code} in the library's log")


def wrong_secret(topic, group):
    refused(topic, 40100, secret_key="wrong")


def unknown_topic(topic, group):
    refused(topic, 40402)


def topic_without_right(topic, group):
    refused(topic, 40300, "limited", "limited-secret")


def wrong_type(topic, group):
    """The library knows from the route what the topic takes."""
    with producer(topic) as sender:
        try:
            sender.send(message(topic, "in order", group="a"))
        except Exception as error:
            check("message type not match" in str(error), f"{type(error).__name__}: {error}")
        else:
            raise Failed("was sent")


def concurrent(topic, group):
    sent, got = set(), []
    free = threading.Semaphore(64)

    def sender_of(producer_):
        futures = []
        for n in range(500):
            free.acquire()
            future = producer_.send_async(message(topic, f"{n}"))
            future.add_done_callback(lambda _: free.release())
            futures.append(future)
        sent.update(future.result(15).message_id for future in futures)

    def receiver(consumer):
        end = time.monotonic() + 20
        while len(got) < 500 and time.monotonic() < end:
            for one in consumer.receive(16, INVISIBLE_SECONDS):
                consumer.ack(one)
                got.append(one.message_id)
    with producer(topic) as one, simple_consumer(topic, group) as consumer, ThreadPoolExecutor(5) as pool:
        work = [pool.submit(sender_of, one)] + [pool.submit(receiver, consumer) for _ in range(4)]
        for future in work:
            future.result()
    check(len(sent) == 500 and len(got) == 500 and set(got) == sent, f"{len(sent)} sent, {len(got)} received, {len(set(got))} different")


def server_restart(topic, group):
    """Calls fail meanwhile; the same producer and consumer go on, and nothing answered is lost."""
    answered, got, over = [], set(), threading.Event()

    def send(sender):
        number = 0
        while not over.is_set():
            number += 1
            try:
                answered.append(sender.send(message(topic, f"{number}")).message_id)
            except Exception:
                time.sleep(0.2)
            time.sleep(0.01)

    def consume(consumer):
        while not over.is_set() or not got.issuperset(answered):
            try:
                for one in consumer.receive(16, 10):
                    got.add(one.message_id)
                    consumer.ack(one)
            except Exception:
                time.sleep(0.2)
    with producer(topic) as sender, simple_consumer(topic, group) as consumer:
        threads = [threading.Thread(target=work, args=(client,), daemon=True) for work, client in ((send, sender), (consume, consumer))]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(got) >= 20, 10, "20 messages before")
        print("restart", flush=True)
        check(sys.stdin.readline() == "restarted\n", "the server is not back")
        before, received = len(answered), len(got)
        wait_until(lambda: len(answered) >= before + 20 and len(got) >= received + 20, 15, "20 messages after it")
        over.set()
        threads[0].join(10)
        threads[1].join(15)
        check(got.issuperset(answered), f"{len(set(answered) - got)} of {len(answered)} lost")


FUNCTIONS = {**globals(), "push_consumer": push_50,
             "transaction_commit": transaction(COMMIT), "transaction_rollback": transaction(ROLLBACK)}


def main():
    for feature in os.environ["FIRN_FEATURES"].split():
        name = feature.replace("_", "-")
        told = []

        def work(function=FUNCTIONS[feature], name=name, told=told):
            try:
                function(f"t-{name}", f"g-{name}")
                told.append(None)
            except Exception as error:
                told.append(str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}")
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(45 if feature == "server_restart" else FEATURE_SECONDS)
        reason = told[0] if told else "it hangs"
        print(*(["ok", feature] if reason is None else ["failed", feature, " ".join(reason.split())[:300]]), flush=True)
    os._exit(0)  # whatever hangs


main()
