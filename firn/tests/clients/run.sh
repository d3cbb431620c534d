#!/usr/bin/env bash
# Starts a service of its own and runs a program against it, which gets the address in
# FIRN_GRPC (and more, below). Needs nothing but a built `firn`; the client libraries
# are the caller's business. Ends with the program's status.
#
#   FIRN=target/debug/firn firn/tests/clients/run.sh node firn/tests/clients/node.js
set -u
here=$(cd "$(dirname "$0")" && pwd)
firn=${FIRN:-target/debug/firn}
dir=$(mktemp -d)
"$firn" standalone --data-dir "$dir/data" --bootstrap "$here/bootstrap.toml" \
  --http-listen 127.0.0.1:0 --grpc-listen 127.0.0.1:0 --ops-listen 127.0.0.1:0 \
  >"$dir/out" 2>"$dir/log" &
pid=$!
trap 'kill $pid 2>/dev/null; wait $pid 2>/dev/null; rm -r "$dir"' EXIT
for _ in $(seq 1 100); do
  grep -q 'gRPC' "$dir/out" && break
  kill -0 $pid 2>/dev/null || { cat "$dir/log" >&2; exit 2; }
  sleep 0.1
done
FIRN_GRPC=$(awk '$1 == "gRPC" { print $2 }' "$dir/out")
export FIRN_GRPC FIRN_AK=demo FIRN_SK=demo-secret
export FIRN_TOPIC_NORMAL=normal FIRN_TOPIC_FIFO=fifo FIRN_TOPIC_DELAY=delay FIRN_TOPIC_TX=tx
export FIRN_GROUP=g FIRN_GROUP_FIFO=g-fifo FIRN_GROUP_PUSH=g-push
# What the gRPC port shows to those who check it.
export FIRN_CERTIFICATE=$dir/data/grpc-own.crt
"$@"
