"""Fuzzes a service that it starts itself, as each of three callers; see ../fuzz-api.sh.

    run.py FIRN EXAMPLES SEED
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

from openapi_spec_validator import validate

HERE = Path(__file__).resolve().parent
PASSWORD = "operator-of-the-fuzzer"
START_SECONDS_MAX = 60
PASS_SECONDS_MAX = 3600
# Caller, and which operations it makes.
PASSES = [
    ("user", ["--exclude-path-regex", "^/api/"]),
    ("operator", ["--exclude-path-regex", "^/api/"]),
    ("keys", ["--include-path-regex", "^/api/"]),
]


class Service:
    """The real binary on a directory of its own, on ports that the system chooses."""

    def __init__(self, firn, directory):
        self.log = directory / "log"
        self.process = subprocess.Popen(
            [
                firn, "standalone", "--data-dir", directory / "data",
                "--bootstrap", HERE / "bootstrap.toml",
                "--http-listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0",
                "--ops-listen", "127.0.0.1:0", "--disk-budget", "2GiB",
                "--log-file-bytes", "16MiB", "--stop-timeout", "5s",
            ],
            env={"FIRN_OPERATOR_PASSWORD": PASSWORD},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log.open("wb"),
        )
        self.url = self.read_address()

    def read_address(self):
        signal.alarm(START_SECONDS_MAX)
        for line in self.process.stdout:
            found = re.search(rb"HTTP API +(http://\S+)", line)
            if found:
                signal.alarm(0)
                return found[1].decode()
        sys.exit(f"fuzz: the service does not start:\n{self.log.read_text()}")

    def stop(self):
        """Says whether it ran until now and ended in order."""
        ran = self.process.poll() is None
        self.process.terminate()
        self.process.stdout.read()
        return self.process.wait(timeout=60) == 0 and ran


def fuzz(service, caller, filters, examples, seed):
    st = Path(sys.executable).parent / "st"
    command = [
        st, "--config-file", HERE / "schemathesis.toml", "--no-color",
        "run", service.url + "/openapi.json",
        "--max-examples", examples, "--seed", seed, *filters,
    ]
    env = os.environ | {
        "FIRN_FUZZ_CALLER": caller,
        "FIRN_FUZZ_HOOKS": str(HERE / "hooks.py"),
        "FIRN_FUZZ_URL": service.url,
        "FIRN_OPERATOR_PASSWORD": PASSWORD,
        "PYTHONHASHSEED": "0",
    }
    return subprocess.run(command, env=env, timeout=PASS_SECONDS_MAX).returncode == 0


def main(firn, examples, seed):
    failed = []
    for caller, filters in PASSES:
        with tempfile.TemporaryDirectory(prefix="firn-fuzz-") as directory:
            service = Service(firn, Path(directory))
            try:
                with urlopen(service.url + "/openapi.json") as answer:
                    validate(json.load(answer))
                print(f"fuzz: as {caller}, seed {seed}", flush=True)
                is_good = fuzz(service, caller, filters, examples, seed)
            finally:
                is_stopped = service.stop()
            faults = [line for line in service.log.read_text().splitlines() if " ERROR " in line or "panicked" in line]
            if not is_stopped:
                faults.append("the service did not run to the end and stop in order")
            for fault in faults:
                print(f"fuzz: {fault}")
            if not is_good or faults:
                failed.append(caller)
    if failed:
        sys.exit(f"fuzz: failed as {', '.join(failed)}; again: make fuzz EXAMPLES={examples} SEED={seed}")


if __name__ == "__main__":
    main(*sys.argv[1:])
