"""What a program does that uses PyPI's `mq-http-sdk`. Started by run.py."""
import hashlib
import os
import random
import sys
import threading
import time
import traceback

from mq_http_sdk.mq_client import MQClient
from mq_http_sdk.mq_exception import MQExceptionBase, MQServerException
from mq_http_sdk.mq_producer import TopicMessage

HTTP = os.environ["FIRN_HTTP"]
INVISIBLE = float(os.environ["FIRN_INVISIBLE_SECONDS"])
RUN = f"p{random.randrange(10**9)}"


def check(condition, why):
    if not condition:
        raise AssertionError(why)


def client(access_key="demo", secret_key="demo-secret"):
    made = MQClient(HTTP, access_key, secret_key)
    made.set_connection_timeout(40)
    return made


def producer(topic, instance="", **credentials):
    return client(**credentials).get_producer(instance, topic)


def consumer(topic, tag, group="workers", instance=""):
    return client().get_consumer(instance, topic, group, tag)


def message(body, tag, key=None, sharding=None, at=None, check_after=None, properties=()):
    made = TopicMessage(body, tag)
    if key:
        made.set_message_key(key)
    if sharding:
        made.set_sharding_key(sharding)
    if at:
        made.set_start_deliver_time(at)
    if check_after:
        made.set_trans_check_immunity_time(check_after)
    for name, value in properties:
        made.put_property(name, value)
    return made


def take(consume, number=16, wait=1):
    try:
        return consume(number, wait)
    except MQServerException as error:
        if error.type == "MessageNotExist":
            return []
        raise


def collect(of, wanted, seconds=15, ack=True, ordered=False):
    """Messages until there are as many, or the time is over."""
    consume = of.consume_message_orderly if ordered else of.consume_message
    got, end = [], time.monotonic() + seconds
    while len(got) < wanted and time.monotonic() < end:
        some = take(consume)
        got += some
        if some and ack:
            of.ack_message([one.receipt_handle for one in some])
    return got


def refused(code, work):
    try:
        work()
    except MQServerException as error:
        check(error.type == code, f"{error.type}: {error.message}, not {code}")
        check(error.request_id and error.message, "no request id or text")
        return error
    raise AssertionError(f"it was not refused with {code}")


def publish_consume_ack():
    body = f"body of {RUN}"
    sent = producer("orders").publish_message(message(body, RUN + "a"))
    digest = hashlib.md5(body.encode()).hexdigest().upper()
    check(sent.message_body_md5 == digest, f"digest {sent.message_body_md5}")
    c = consumer("orders", RUN + "a")
    got = collect(c, 1, ack=False)
    check(len(got) == 1, f"{len(got)} messages")
    one = got[0]
    check((one.message_body, one.message_id, one.message_tag) == (body, sent.message_id, RUN + "a"), str(one))
    check(one.consumed_times == 1 and one.message_body_md5 == digest, str(one))
    check(abs(one.publish_time / 1000 - time.time()) < 60, f"published at {one.publish_time}")
    left = one.next_consume_time / 1000 - time.time()
    check(0 < left <= INVISIBLE + 1, f"{left} s left")
    c.ack_message([one.receipt_handle])
    time.sleep(max(0, left))
    check(not collect(c, 1, 1), "acknowledged, and it came again")


def bodies():
    texts = ["<a b=\"c\">&amp; ]]> 'd'</a>", "äöü 消息 😀", "1\n2\t3", " a ", "x" * 200000]
    p = producer("orders")
    for text in texts:
        p.publish_message(message(text, RUN + "b"))
    got = [one.message_body for one in collect(consumer("orders", RUN + "b"), len(texts))]
    check(sorted(got) == sorted(texts), f"{[one[:30] for one in got]}")


def keys_properties():
    sent = message("x", RUN + "k", key="key-1", properties=[("a", "1"), ("b", "zwei")])
    producer("orders").publish_message(sent)
    one = collect(consumer("orders", RUN + "k"), 1)[0]
    check(one.get_message_key() == "key-1", one.get_message_key())
    check((one.get_property("a"), one.get_property("b")) == ("1", "zwei"), str(one.properties))


def tags():
    p = producer("orders")
    for tag in "uvw":
        p.publish_message(message(tag, RUN + tag))
    got = collect(consumer("orders", f"{RUN}u||{RUN}w"), 3, 4)
    check(sorted(one.message_body for one in got) == ["u", "w"], str(got))


def empty_poll():
    started = time.monotonic()
    refused("MessageNotExist", lambda: consumer("orders", RUN + "none").consume_message(1, 2))
    took = time.monotonic() - started
    check(1.9 <= took < 8, f"answered after {took:.1f} s")


def wake_up():
    got = []
    c = consumer("orders", RUN + "wake")
    waiting = threading.Thread(target=lambda: got.extend(take(c.consume_message, 1, 20)))
    waiting.start()
    time.sleep(0.5)
    producer("orders").publish_message(message("wake up", RUN + "wake"))
    waiting.join(10)
    check([one.message_body for one in got] == ["wake up"], str(got))
    c.ack_message([got[0].receipt_handle])


def ordered():
    p, c = producer("steps"), consumer("steps", RUN + "o", "inorder")
    keys = [f"{RUN}-{n}" for n in range(3)]
    for n in range(8):
        for key in keys:
            p.publish_message(message(f"{n}", RUN + "o", sharding=key))
    got = collect(c, 24, 30, ordered=True)
    for key in keys:
        of_key = [int(one.message_body) for one in got if one.get_sharding_key() == key]
        check(of_key == list(range(8)), f"{key}: {of_key}")


def ack_partial_failure():
    p, c = producer("orders"), consumer("orders", RUN + "p")
    for n in range(2):
        p.publish_message(message(str(n), RUN + "p"))
    good = [one.receipt_handle for one in collect(c, 2, ack=False)]
    check(len(good) == 2, f"{len(good)} messages")
    error = refused("ReceiptHandleError", lambda: c.ack_message(good + ["not-a-handle"]))
    failed = [one["ReceiptHandle"] for one in error.sub_errors]
    check(failed == ["not-a-handle"], str(failed))
    time.sleep(INVISIBLE)
    check(not collect(c, 1, 1), "one of the good ones came again")


def redelivery():
    c = consumer("orders", RUN + "r")
    producer("orders").publish_message(message("again", RUN + "r"))
    first = collect(c, 1, ack=False)[0]
    second = collect(c, 1, INVISIBLE + 10, ack=False)[0]
    check(second.message_id == first.message_id and second.consumed_times == 2, str(second))
    check(second.receipt_handle != first.receipt_handle, "the handle stayed")
    refused("MessageNotExist", lambda: c.ack_message([first.receipt_handle]))
    c.ack_message([second.receipt_handle])


def delayed():
    c, at = consumer("later", RUN + "d"), int(time.time() * 1000) + 2500
    producer("later").publish_message(message("late", RUN + "d", at=at))
    one = collect(c, 1)[0]
    now = time.time() * 1000
    check(at - 20 <= now < at + 6000, f"it came {now - at:.0f} ms after its time")
    check(one.get_start_deliver_time() == at, str(one.properties))


def transactions(decide, arrives, check_after):
    tag = f"{RUN}{random.randrange(10**6)}"
    p = client().get_trans_producer("", "deals", "makers")
    c = consumer("deals", tag)
    sent = p.publish_message(message(tag, tag, check_after=check_after))
    check(sent.receipt_handle, "no handle to decide with")
    check(not take(c.consume_message, 1, 0), "a half message was delivered")
    if check_after > 10:
        getattr(p, decide)(sent.receipt_handle)
    else:
        half = None
        end = time.monotonic() + 20
        while half is None and time.monotonic() < end:
            found = take(p.consume_half_message, 16, 3)
            half = next((one for one in found if one.message_body == tag), None)
        check(half is not None, "nobody was asked")
        check(half.get_trans_check_immunity_time() == check_after, str(half.properties))
        getattr(p, decide)(half.receipt_handle)
    got = collect(c, 1, 10 if arrives else 2)
    check(len(got) == int(arrives), f"{len(got)} messages after {decide}")
    try:
        p.commit("not-a-handle")
    except MQExceptionBase:
        return
    raise AssertionError("a wrong handle was taken")


def transaction_commit():
    transactions("commit", True, 60)


def transaction_rollback():
    transactions("rollback", False, 60)


def transaction_check_commit():
    transactions("commit", True, 2)


def transaction_check_rollback():
    transactions("rollback", False, 2)


def instance_named():
    producer("orders", "demo").publish_message(message("named", RUN + "i"))
    got = collect(consumer("orders", RUN + "i", instance="demo"), 1)
    check([one.message_body for one in got] == ["named"], str(got))
    refused("TopicNotExist", lambda: producer("orders", "none").publish_message(message("x", "t")))


def wrong_secret():
    p = producer("orders", secret_key="wrong")
    refused("AccessDenied", lambda: p.publish_message(message("x", "t")))


def unknown_access_key():
    p = producer("orders", access_key="no-such-user")
    refused("AccessDenied", lambda: p.publish_message(message("x", "t")))


def unknown_topic():
    refused("TopicNotExist", lambda: producer("none").publish_message(message("x", "t")))


def topic_without_right():
    limited = {"access_key": "limited", "secret_key": "limited-secret"}
    producer("orders", **limited).publish_message(message("may", RUN + "l"))
    p = producer("secret", **limited)
    refused("AccessDenied", lambda: p.publish_message(message("x", "t")))


def server_restart():
    p, c = producer("orders"), consumer("orders", RUN + "s")
    bodies = [f"{n}" for n in range(20)]
    for body in bodies[:10]:
        p.publish_message(message(body, RUN + "s"))
    taken = take(c.consume_message, 4, 1)
    print("restart", flush=True)
    check(sys.stdin.readline().strip() == "restarted", "no restart")
    for body in bodies[10:]:
        # A connection that broke is an error once; a program sends again.
        for _ in range(5):
            try:
                p.publish_message(message(body, RUN + "s"))
                break
            except Exception as error:  # noqa: BLE001
                failure = error
        else:
            raise failure
    c = consumer("orders", RUN + "s")
    if taken:
        c.ack_message([one.receipt_handle for one in taken])
    got = [one.message_body for one in taken + collect(c, 20 - len(taken), 20)]
    check(set(got) == set(bodies), f"{sorted(got)}")


def main():
    for feature in os.environ["FIRN_FEATURES"].split():
        try:
            globals()[feature]()
            print("ok", feature, flush=True)
        except Exception as error:  # noqa: BLE001
            place = traceback.extract_tb(error.__traceback__)[-1].lineno
            print("failed", feature, " ".join(f"{type(error).__name__} {error}, line {place}".split())[:300], flush=True)


main()
