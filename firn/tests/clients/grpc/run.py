#!/usr/bin/env python3
"""Runs the unmodified RocketMQ 5 client libraries against a started server.

    run.py FIRN [FOLDER] [--only CLIENT] [--features LIST] [--table FILE]

FIRN is the binary, FOLDER holds what is installed and written (default: beside the
binary). Prints one line for each client and feature: `CLIENT FEATURE ok`, or `failed`,
`unsupported` (by the library) or `skipped` with the reason, and a table of them all, which
--table writes into FILE; without it, FILE is docs/clients.md and must say the same. Leaves
with 1 if one failed; what cannot be installed on a machine is skipped, and said so at the end.
"""
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402
from harness import Broken, Client, installed, need, run  # noqa: E402

FEATURES = {
    "normal": "messages come as they were sent, under the receipt's id, and are acknowledged",
    "properties": "tag, keys and properties come back",
    "bodies": "any bytes, from 1 to 200 KB",
    "tags": "filters by tag, `A || B`",
    "sql92": "filters by SQL92 expression",
    "batch_receive": "several messages in one receive",
    "fifo": "the order of each message group, also when a message fails",
    "delay": "delayed messages",
    "recall": "delayed messages recalled",
    "transaction_commit": "transactions committed",
    "transaction_rollback": "transactions rolled back",
    "transaction_check": "the server asks about an open transaction",
    "change_invisible": "the invisible time of a message changed",
    "push_consumer": "push consumers with several threads",
    "redelivery": "a failed message comes again, as attempt 2",
    "dead_letter": "a message that keeps failing goes to the dead letters",
    "wrong_secret": "a wrong secret is refused",
    "unknown_topic": "an unknown topic is refused",
    "topic_without_right": "a topic without a right is refused",
    "wrong_type": "a message that does not fit its topic's type is refused",
    "concurrent": "500 messages, 64 in flight",
    "server_restart": "a restart of the server is survived, nothing is lost",
}


def install_java(folder):
    need("java", "javac", "mvn")
    place, source = folder / "java", HERE / "java"
    classes, library = place / "classes", place / "library"
    programs = sorted((source / "src" / "main" / "java").glob("*.java"))

    def build():
        run(["mvn", "-q", "-B", "-f", source / "pom.xml", "dependency:copy-dependencies",
             "-DincludeScope=runtime", f"-DoutputDirectory={library}"])
        run(["javac", "-encoding", "UTF-8", "-d", classes, "-cp", f"{library}/*", *programs], failure=Broken)
    installed(place, [Path(__file__), source / "pom.xml", *programs], build)
    return ["java", "-cp", f"{classes}:{library}/*", "Main"], {}


def install_go(folder):
    need("go")
    place, source = folder / "go", HERE / "go"
    place.mkdir(parents=True, exist_ok=True)
    run(["go", "list", "-mod=readonly", "-deps", "."], cwd=source)
    run(["go", "build", "-mod=readonly", "-buildvcs=false", "-o", place / "client", "."], cwd=source, failure=Broken)
    # The library writes a log, and below / unless told where.
    return [place / "client"], {"rocketmq.client.logRoot": str(place / "log")}


def install_rust(folder):
    """The library first: where it cannot be built, the machine lacks something. What then
    fails is the program."""
    need("cargo")
    place = folder / "rust"
    build = ["cargo", "build", "--quiet", "--locked", "--target-dir", place]
    run([*build, "--package", "rocketmq"], cwd=HERE / "rust")
    subprocess.run(build, cwd=HERE / "rust", check=True, timeout=harness.INSTALL_SECONDS)
    return [place / "debug" / "client"], {}


PYTHON, NODE = "rocketmq-python-client==5.1.2", "rocketmq-client-nodejs@1.0.8"
PYTHON_PROGRAM, NODE_PROGRAM = HERE / "python_client.py", HERE / "node_client.js"
SUITE = harness.Suite(
    name="grpc",
    features=FEATURES,
    clients=[
        Client("python", "rocketmq-python-client 5.1.2", PYTHON_PROGRAM,
               harness.python_package(PYTHON, PYTHON_PROGRAM)),
        Client("nodejs", "rocketmq-client-nodejs 1.0.8", NODE_PROGRAM,
               harness.npm_package(NODE, NODE_PROGRAM)),
        Client("java", "rocketmq-client-java 5.0.8", HERE / "java" / "pom.xml", install_java),
        Client("go", "rocketmq-clients/golang/v5 5.1.3", HERE / "go" / "go.mod", install_go),
        Client("rust", "rocketmq 5.0.0", HERE / "rust" / "Cargo.toml", install_rust),
    ],
    bootstrap=HERE / "bootstrap.toml",
)

harness.main(SUITE, __doc__)
