#!/usr/bin/env python3
"""Runs the unmodified client libraries of Aliyun's MQ against a started server.

    run.py FIRN [FOLDER] [--only CLIENT] [--features LIST] [--table FILE]

FIRN is the binary, FOLDER holds what is installed and written (default: beside the
binary). Prints one line for each client and feature: `CLIENT FEATURE ok`, `failed` with
the reason, or `skipped` with the reason, and a table of them all, which --table writes into
FILE; without it, FILE is docs/clients.md and must say the same. Leaves with 1 if one failed;
what cannot be installed on a machine is skipped, and said so at the end.
"""
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402
from harness import Client  # noqa: E402

# How long a message stays invisible; redelivery is waited for.
INVISIBLE_SECONDS = 4
FEATURES = {
    "publish_consume_ack": "messages are published, consumed and acknowledged",
    "bodies": "texts of any characters, up to 200 KB",
    "keys_properties": "keys and properties come back",
    "tags": "filters by tag, `A||B`",
    "empty_poll": "`MessageNotExist` when a long poll found nothing",
    "wake_up": "a long poll ends when a message comes",
    "ordered": "ordered consumption by sharding key",
    "ack_partial_failure": "the handles that an acknowledgement failed for",
    "redelivery": "what is not acknowledged in time comes again",
    "delayed": "delayed messages",
    "transaction_commit": "transactions committed",
    "transaction_rollback": "transactions rolled back",
    "transaction_check_commit": "an open transaction is asked about, then committed",
    "transaction_check_rollback": "an open transaction is asked about, then rolled back",
    "instance_named": "the instance by its name",
    "wrong_secret": "a wrong secret is refused",
    "unknown_access_key": "an unknown access key is refused",
    "unknown_topic": "an unknown topic is refused",
    "topic_without_right": "a topic without a right is refused",
    "server_restart": "a restart of the server is survived",
}
PYTHON_PROGRAM, NODE_PROGRAM = HERE / "python_client.py", HERE / "node_client.js"

harness.main(harness.Suite(
    name="mq_http",
    features=FEATURES,
    clients=[
        Client("python", "mq-http-sdk 1.0.3", PYTHON_PROGRAM,
               harness.python_package("mq-http-sdk==1.0.3", PYTHON_PROGRAM)),
        Client("node", "@aliyunmq/mq-http-sdk 1.0.4", NODE_PROGRAM,
               harness.npm_package("@aliyunmq/mq-http-sdk@1.0.4", NODE_PROGRAM)),
    ],
    bootstrap=HERE / "bootstrap.toml",
    flags=["--mq-http-invisible", f"{INVISIBLE_SECONDS}s"],
    env={"FIRN_INVISIBLE_SECONDS": str(INVISIBLE_SECONDS)},
), __doc__)
