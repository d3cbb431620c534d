#!/usr/bin/env bash
# Fuzzes the HTTP API by its own description, with schemathesis, which comes from PyPI
# into a virtual environment. The service is started for it on the loopback interface,
# with data in a temporary directory.
#
#   fuzz-api.sh FIRN VENV [EXAMPLES [SEED]]   EXAMPLES for each call and caller
#
# Without a package index, and without the packages, it says that it is skipped.
set -euo pipefail

if [ $# -lt 2 ]; then
    sed -n '2,/^set/p' "$0" | sed '$d' >&2
    exit 2
fi
firn=$(realpath "$1")
mkdir -p "$2"
venv=$(realpath "$2")
cd "$(dirname "$0")/schemathesis"

say() { echo "fuzz: $*" >&2; }

skip() {
    say "=================================================================="
    say "SKIPPED: the HTTP API was NOT fuzzed: $*"
    say "=================================================================="
    exit 0
}

# The module alone is not enough: Debian leaves out what it needs.
need_python() {
    if python3 -c 'import ensurepip, venv' 2>/dev/null; then return; fi
    if ! command -v apt-get >/dev/null; then skip "python3 with venv is missing"; fi
    local sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo -n)
    say "installing python3-venv by apt"
    "${sudo[@]}" apt-get update -q >&2 &&
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
            -o DPkg::Lock::Timeout=300 --no-install-recommends python3-venv >&2 ||
        skip "python3-venv cannot be installed"
}

install() {
    local venv=$1 log
    if cmp -s requirements.txt "$venv/requirements.txt"; then return; fi
    need_python
    say "installing schemathesis"
    rm -rf "$venv"
    python3 -m venv "$venv"
    log=$venv/install.log
    # Exactly the packages that are written down, or none.
    if ! "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
        --only-binary :all: -r requirements.txt >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        if grep -q 'DO NOT MATCH THE HASHES' "$log"; then
            say "a package is not the one that is written down"
            exit 1
        fi
        skip "its packages cannot be installed, see above"
    fi
    cp requirements.txt "$venv/requirements.txt"
}

install "$venv"
exec "$venv/bin/python" run.py "$firn" "${3:-8}" "${4:-20260801}"
