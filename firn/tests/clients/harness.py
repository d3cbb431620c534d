"""What the runs of client libraries share: a server, installing, running a client's program.

A run tries each of its clients against a server of its own. A client's program prints on
stdout `ok FEATURE`, `failed FEATURE REASON`, `unsupported FEATURE REASON` (the library has
no such thing), and `restart`, after which it reads the line `restarted` from stdin: the
server was ended in between and serves the same addresses again. Other lines are ignored.
"""
import argparse
import hashlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import table

PAGE = Path(__file__).resolve().parents[3] / "docs" / "clients.md"
INSTALL_SECONDS = 600
START_SECONDS = 60
STOP_SECONDS = 60


@dataclass
class Client:
    """A library, and the program that tries it. `install(folder)` gives the command and
    the environment that run the program; it raises Missing where it cannot be installed."""
    name: str
    library: str
    program: Path
    install: object


@dataclass
class Suite:
    """What a run tries: features with a line on each, clients, and the server they meet."""
    name: str
    features: dict
    clients: list
    bootstrap: Path
    flags: list = field(default_factory=list)
    env: dict = field(default_factory=dict)
    client_seconds: int = 120


@dataclass
class Result:
    """`word` is ok, failed, unsupported or skipped."""
    word: str
    reason: str = ""


class Missing(Exception):
    """A library cannot be installed on this machine."""


class Server:
    """The real binary, which can be ended and started again at the same addresses."""

    def __init__(self, firn, folder, suite):
        self.firn, self.folder, self.suite = firn, folder, suite
        self.http = self.grpc = "127.0.0.1:0"
        self.start()

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [self.firn, "standalone", "--data-dir", self.folder / "data",
                 "--bootstrap", self.suite.bootstrap, "--http-listen", self.http,
                 "--grpc-listen", self.grpc, "--ops-listen", "127.0.0.1:0",
                 "--log-file-bytes", "16MiB", *self.suite.flags],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        lines = queue.Queue()

        def read(stdout):
            for line in stdout:
                lines.put(line)
            lines.put(None)
        threading.Thread(target=read, args=(self.process.stdout,), daemon=True).start()
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                line = lines.get(timeout=max(0.1, end - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                self.kill()
                raise RuntimeError("the server did not start: " + last_words((self.folder / "log").read_text(errors="replace")))
            words = line.split()
            if words[:2] == ["HTTP", "API"]:
                self.http = words[2].removeprefix("http://").rstrip("/")
            elif words[:1] == ["gRPC"]:
                self.grpc = words[1]
                return  # printed after the HTTP address

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


def last_words(text, count=40):
    return " ".join(text.split()[-count:])


def run(command, cwd=None, env=None):
    """A step of an installation."""
    try:
        done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(str(error)) from error
    if done.returncode != 0:
        raise Missing(f"{Path(command[0]).name}: {last_words(done.stdout + done.stderr)}")


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise Missing(f"{tool} is missing")


def installed(folder, sources, build):
    """Calls `build` unless it succeeded in `folder` before, with sources like these."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes() if isinstance(source, Path) else source.encode())
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_text() != digest.hexdigest():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        build()
        stamp.write_text(digest.hexdigest())


def python_package(package, program):
    """Installs `package` of PyPI into a virtual environment."""
    def install(folder):
        venv = folder / "python"
        python = venv / "bin" / "python"

        def build():
            run([sys.executable, "-m", "venv", venv])
            run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package])
        installed(venv, [package, sys.version], build)
        return [python, program], {"PYTHONDONTWRITEBYTECODE": "1"}
    return install


def npm_package(package, program):
    """Installs `package` of npm."""
    def install(folder):
        need("node", "npm")
        place = folder / "node"

        def build():
            (place / "package.json").write_text('{"private": true}\n')
            run(["npm", "install", "--no-audit", "--no-fund", "--no-save", package], cwd=place)
        installed(place, [package], build)
        return ["node", program], {"NODE_PATH": str(place / "node_modules")}
    return install


def run_client(suite, client, features, command, env, server):
    """Runs the program and prints what it says of each feature."""
    told = {}

    def tell(feature, word, reason):
        told[feature] = Result(word, reason)
        print(" ".join(filter(None, [client.name, feature, word, reason])), flush=True)

    env = {**os.environ, "HOME": str(server.folder), **env, **suite.env,
           "FIRN_HTTP": f"http://{server.http}", "FIRN_GRPC": server.grpc,
           "FIRN_CERTIFICATE": str(server.folder / "data" / "grpc-own.crt"),
           "FIRN_FEATURES": " ".join(features)}
    program = subprocess.Popen(command, env=env, cwd=server.folder, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
    started = time.monotonic()
    timer = threading.Timer(suite.client_seconds, program.kill)
    timer.start()
    errors = []
    reader = threading.Thread(target=lambda: errors.append(program.stderr.read()), daemon=True)
    reader.start()
    try:
        for line in program.stdout:
            word, _, rest = line.strip().partition(" ")
            feature, _, reason = rest.partition(" ")
            if word == "restart":
                server.stop()
                server.start()
                try:
                    program.stdin.write("restarted\n")
                    program.stdin.flush()
                except BrokenPipeError:
                    pass
            elif word in ("ok", "failed", "unsupported") and feature in features and feature not in told:
                tell(feature, word, reason)
        program.wait()
    finally:
        timer.cancel()
        program.kill()
        program.wait()
    reader.join(5)
    late = time.monotonic() - started >= suite.client_seconds
    how = f"no result within {suite.client_seconds} s" if late else f"the program ended with {program.returncode}"
    for feature in features:
        if feature not in told:
            tell(feature, "failed", f"{how}: {last_words(' '.join(errors), 30)}")
    return told


def try_client(suite, client, features, firn, folder):
    """Results by feature; all skipped where the library cannot be installed."""
    try:
        command, env = client.install(folder)
    except Missing as error:
        reason = f"cannot be installed: {error}"
        for feature in features:
            print(client.name, feature, "skipped", reason, flush=True)
        return {feature: Result("skipped", reason) for feature in features}
    with tempfile.TemporaryDirectory(dir=folder) as place:
        server = Server(firn, Path(place), suite)
        try:
            return run_client(suite, client, features, command, env, server)
        finally:
            server.stop()


def arguments(suite, doc):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("firn", type=Path, metavar="FIRN")
    parser.add_argument("folder", type=Path, nargs="?", metavar="FOLDER")
    parser.add_argument("--only", metavar="CLIENT", choices=[client.name for client in suite.clients])
    parser.add_argument("--features", metavar="LIST", help="some features only, separated by commas")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table into this page")
    options = parser.parse_args()
    if options.table and (options.only or options.features):
        parser.error("--table needs a whole run")
    options.firn = options.firn.resolve()
    options.folder = (options.folder or options.firn.parent / "clients" / suite.name).resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    options.features = options.features.split(",") if options.features else list(suite.features)
    try:
        table.place(options.table or PAGE, suite)
    except ValueError as error:
        parser.error(str(error))
    unknown = set(options.features) - set(suite.features)
    if unknown:
        parser.error(f"no such feature: {', '.join(sorted(unknown))}")
    return options


def main(suite, doc):
    options = arguments(suite, doc)
    clients = [client for client in suite.clients if client.program.exists()]
    results = {}
    for client in clients:
        if options.only in (None, client.name):
            results[client.name] = try_client(suite, client, options.features, options.firn, options.folder)
    bad = any(result.word == "failed" for told in results.values() for result in told.values())
    print(table.render(suite, clients, results), flush=True)
    if options.table:
        table.write(options.table, suite, clients, results)
    elif not bad:
        difference = table.difference(PAGE, suite, clients, results)
        if difference:
            bad = True
            print(f"{PAGE} says otherwise; `make clients` writes its tables:\n{difference}", file=sys.stderr)
    for name, told in results.items():
        reason = next((result.reason for result in told.values() if result.word == "skipped"), None)
        if reason:
            print("=" * 66, f"SKIPPED: a client library was NOT tried: {name}: {reason}", "=" * 66,
                  sep="\n", file=sys.stderr)
    sys.exit(1 if bad else 0)
