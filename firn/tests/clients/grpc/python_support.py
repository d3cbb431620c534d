"""How the Python programs use the library: configuration, producers, consumers, messages."""
import os
import threading
import time
from contextlib import contextmanager

# Read by gRPC when the first connection with TLS is made: the library checks certificates.
os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = os.environ["FIRN_CERTIFICATE"]

from rocketmq import (ClientConfiguration, ConsumeResult, Credentials, FilterExpression,  # noqa: E402
                      Message, MessageListener, Producer, PushConsumer, SimpleConsumer)

AWAIT_SECONDS = 1
INVISIBLE_SECONDS = 60


class Failed(Exception):
    pass


def check(condition, why):
    if not condition:
        raise Failed(why)


def configuration(access_key="demo", secret_key="demo-secret"):
    return ClientConfiguration(os.environ["FIRN_GRPC"], Credentials(access_key, secret_key), "demo")


@contextmanager
def started(client):
    client.startup()
    try:
        yield client
    finally:
        client.shutdown()


def producer(topic, checker=None, tls=False):
    return started(Producer(configuration(), (topic,), checker=checker, tls_enable=tls))


def simple_consumer(topic, group, filter=None):
    return started(SimpleConsumer(configuration(), group, {topic: filter or FilterExpression()}, AWAIT_SECONDS))


class Listener(MessageListener):
    """Hands messages to a function that says whether they are done, and notes them."""

    def __init__(self, is_done):
        self.is_done, self.seen, self.lock = is_done, [], threading.Lock()

    def consume(self, message):
        done = self.is_done(message)
        with self.lock:
            self.seen.append((message, threading.current_thread().name))
        return ConsumeResult.SUCCESS if done else ConsumeResult.FAILURE

    def attempts(self):
        with self.lock:
            return [message.delivery_attempt for message, _ in self.seen]


def push_consumer(topic, group, listener):
    return started(PushConsumer(configuration(), group, listener, {topic: FilterExpression()},
                                consumption_thread_count=8))


def message(topic, body, tag=None, keys=(), properties=None, group=None, deliver_at=None):
    made = Message()
    made.topic = topic
    made.body = body if isinstance(body, bytes) else body.encode()
    if tag:
        made.tag = tag
    for key in keys:
        made.keys = key
    for name, value in (properties or {}).items():
        made.add_property(name, value)
    if group:
        made.message_group = group
    if deliver_at:
        made.delivery_timestamp = deliver_at  # whole seconds
    return made


def receive(consumer, count, seconds=15):
    """Receives and acknowledges until `count` messages came; fewer if they do not in time."""
    got, end = [], time.monotonic() + seconds
    while len(got) < count and time.monotonic() < end:
        for one in consumer.receive(16, INVISIBLE_SECONDS):
            consumer.ack(one)
            got.append(one)
    return got


def nothing_more(consumer):
    more = receive(consumer, 1, AWAIT_SECONDS)
    check(not more, f"one message too many: {more and more[0].body[:40]}")


def bodies_of(messages):
    return sorted(one.body.decode() for one in messages)


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(0.05)
