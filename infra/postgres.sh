#!/usr/bin/env bash
# A private PostgreSQL for tests, in a folder of its own. For this machine only:
# it listens on the loopback interface and on a socket in its folder, and lets
# everybody in but `guarded`, who needs a password.
#
#   postgres.sh install            puts the server onto this machine, if it is missing
#   postgres.sh start DIR PORT     makes it in DIR at the first time; returns once it answers
#   postgres.sh stop DIR           ends it
#
# The server also ends by itself when the caller of `start` is gone, and its files
# go with it. They are not synced: a machine that loses its power loses them.
set -euo pipefail

say() { echo "postgres: $*" >&2; }

# Of the newest version.
programs() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1; }

install() {
    if [ -n "$(programs)" ]; then return; fi
    if ! command -v apt-get >/dev/null; then
        say "please install PostgreSQL"
        exit 1
    fi
    local sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo -n)
    "${sudo[@]}" apt-get update -q >&2
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
        -o DPkg::Lock::Timeout=300 --no-install-recommends postgresql >&2
}

# The programs refuse to run as root.
as_user() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid=postgres --regid=postgres --init-groups --reset-env -- "$@"
    else
        "$@"
    fi
}

make() {
    local dir=$1 bin=$2
    as_user "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 \
        --no-sync --no-instructions >"$dir/initdb.log"
    cat >"$dir/data/pg_hba.conf" <<'END'
local all guarded              scram-sha-256
host  all guarded 127.0.0.1/32 scram-sha-256
local all all                  trust
host  all all     127.0.0.1/32 trust
END
    cat >>"$dir/data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir'
max_connections = 200
fsync = off
full_page_writes = off
END
    # Made with the package; readable for its group alone.
    local key=/etc/ssl/private/ssl-cert-snakeoil.key cert=/etc/ssl/certs/ssl-cert-snakeoil.pem
    if as_user test -r "$key"; then
        echo "ssl = on" >>"$dir/data/postgresql.conf"
        echo "ssl_cert_file = '$cert'" >>"$dir/data/postgresql.conf"
        echo "ssl_key_file = '$key'" >>"$dir/data/postgresql.conf"
    fi
}

start() {
    local dir=$1 port=$2 caller=$PPID bin server
    bin=$(programs)
    mkdir -p "$dir"
    [ "$(id -u)" -ne 0 ] || chown postgres: "$dir"
    if [ ! -f "$dir/data/PG_VERSION" ]; then make "$dir" "$bin"; fi
    if ! as_user "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 -s -o "-p $port" start; then
        say "the server does not start; its last words:"
        tail -n 5 "$dir/log" >&2
        exit 1
    fi
    server=$(head -n 1 "$dir/data/postmaster.pid")
    (
        while kill -0 "$caller" 2>/dev/null && kill -0 "$server" 2>/dev/null; do sleep 1; done
        if kill -0 "$caller" 2>/dev/null; then exit; fi
        kill -INT "$server" 2>/dev/null || true
        for _ in $(seq 100); do kill -0 "$server" 2>/dev/null || break; sleep 0.1; done
        rm -rf "$dir/data" "$dir/log" "$dir/initdb.log"
        rmdir "$dir"
    ) >/dev/null 2>&1 </dev/null &
}

stop() {
    local dir=$1
    if [ ! -f "$dir/data/postmaster.pid" ]; then return; fi
    as_user "$(programs)/pg_ctl" -D "$dir/data" -m fast -w -s stop
}

case ${1:-} in
    install) install ;;
    start) start "$2" "$3" ;;
    stop) stop "$2" ;;
    *) sed -n '2,/^set/p' "$0" | sed '$d' >&2; exit 2 ;;
esac
