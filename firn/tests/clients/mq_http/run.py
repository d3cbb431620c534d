#!/usr/bin/env python3
"""Runs the unmodified client libraries of Aliyun's MQ against a started server.

    run.py FIRN [FOLDER]

FIRN is the binary, FOLDER holds what is installed and written (default: beside the
binary). Prints one line for each client and feature: `CLIENT FEATURE ok`, `failed` with
the reason, or `skipped` with the reason. Leaves with 1 if one failed; what cannot be
installed on a machine is skipped, and said so at the end.
"""
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON_SDK = "mq-http-sdk==1.0.3"
NODE_SDK = "@aliyunmq/mq-http-sdk@1.0.4"
# How long a message stays invisible; redelivery is waited for.
INVISIBLE_SECONDS = 4
INSTALL_SECONDS = 180
CLIENT_SECONDS = 120
START_SECONDS = 60
FEATURES = [
    "publish_consume_ack", "bodies", "keys_properties", "tags", "empty_poll", "wake_up",
    "ordered", "ack_partial_failure", "redelivery", "delayed", "transaction_commit",
    "transaction_rollback", "transaction_check_commit", "transaction_check_rollback",
    "instance_named", "wrong_secret", "unknown_access_key", "unknown_topic",
    "topic_without_right", "server_restart",
]


class Server:
    """The real binary, which can be ended and started again at the same address."""

    def __init__(self, firn, folder):
        self.firn, self.folder, self.address = firn, folder, "127.0.0.1:0"
        self.start()

    def start(self):
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(
            [self.firn, "standalone", "--data-dir", self.folder / "data",
             "--bootstrap", HERE / "bootstrap.toml", "--http-listen", self.address,
             "--grpc-listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0",
             "--log-file-bytes", "16MiB", "--mq-http-invisible", f"{INVISIBLE_SECONDS}s"],
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        log.close()
        lines = queue.Queue()

        def read():
            for line in self.process.stdout:
                lines.put(line)
            lines.put(None)
        threading.Thread(target=read, daemon=True).start()
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                line = lines.get(timeout=max(0.1, end - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                self.kill()
                raise RuntimeError("the server did not start: " + self.last_words())
            if "HTTP API" in line and "http://" in line:
                self.address = line.split("http://")[1].split()[0].rstrip("/")
                return

    def last_words(self):
        return " ".join((self.folder / "log").read_text(errors="replace").split()[-40:])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()


def install_python(folder):
    venv = folder / "python"
    python = venv / "bin" / "python"
    if not python.exists():
        run([sys.executable, "-m", "venv", venv])
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PYTHON_SDK])
    return [python, HERE / "python_client.py"], {}


def install_node(folder):
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            raise RuntimeError(f"{tool} is missing")
    place = folder / "node"
    place.mkdir(parents=True, exist_ok=True)
    (place / "package.json").write_text('{"private": true}\n')
    if not (place / "node_modules" / NODE_SDK.rpartition("@")[0]).exists():
        run(["npm", "install", "--no-audit", "--no-fund", "--no-save", NODE_SDK], cwd=place)
    return ["node", HERE / "node_client.js"], {"NODE_PATH": str(place / "node_modules")}


def run(command, cwd=None):
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=INSTALL_SECONDS)
    if done.returncode != 0:
        raise RuntimeError(f"{Path(command[0]).name}: " + " ".join((done.stdout + done.stderr).split()[-40:]))


def run_client(name, command, env, server):
    """Lines `ok FEATURE`, `failed FEATURE REASON` and `restart`, after which the server is new."""
    told = {}
    env = {**os.environ, **env, "FIRN_HTTP": f"http://{server.address}",
           "FIRN_INVISIBLE_SECONDS": str(INVISIBLE_SECONDS), "FIRN_FEATURES": " ".join(FEATURES)}
    client = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
    timer = threading.Timer(CLIENT_SECONDS, client.kill)
    timer.start()
    errors = []
    threading.Thread(target=lambda: errors.append(client.stderr.read()), daemon=True).start()
    for line in client.stdout:
        word, _, rest = line.strip().partition(" ")
        if word == "restart":
            server.stop()
            server.start()
            client.stdin.write("restarted\n")
            client.stdin.flush()
        elif word in ("ok", "failed"):
            feature, _, reason = rest.partition(" ")
            told[feature] = (word, reason)
            print(" ".join(filter(None, [name, feature, word, reason])), flush=True)
    client.wait()
    timer.cancel()
    for feature in FEATURES:
        if feature not in told:
            words = " ".join(" ".join(errors).split()[-30:])
            told[feature] = ("failed", "")
            print(name, feature, "failed", f"no result within {CLIENT_SECONDS} s", words, flush=True)
    return sum(word != "ok" for word, _ in told.values())


def main():
    firn = Path(sys.argv[1]).resolve()
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else firn.parent / "clients-mq-http"
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    bad, missing = 0, []
    for name, install in (("python", install_python), ("node", install_node)):
        try:
            command, env = install(folder)
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            for feature in FEATURES:
                print(name, feature, "skipped", f"cannot be installed: {error}", flush=True)
            missing.append(f"{name}: {error}")
            continue
        with tempfile.TemporaryDirectory(dir=folder) as place:
            server = Server(firn, Path(place))
            try:
                bad += run_client(name, command, env, server)
            finally:
                server.stop()
    for what in missing:
        print("=" * 66, f"SKIPPED: a client library was NOT tried: {what}", "=" * 66,
              sep="\n", file=sys.stderr)
    sys.exit(1 if bad else 0)


main()
