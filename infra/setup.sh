#!/usr/bin/env bash
# Installs what a build needs and this machine lacks. Says what it does, and
# nothing if there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

if ! command -v cargo >/dev/null; then
    say "cargo is missing: install Rust from https://rustup.rs and run this again"
    exit 1
fi

# A linker and the C library's headers, for the crates with C in them.
packages=()
command -v cc >/dev/null || packages+=(gcc)
[ -e /usr/include/stdio.h ] || packages+=(libc6-dev)
[ -e /etc/ssl/certs/ca-certificates.crt ] || packages+=(ca-certificates)
if [ ${#packages[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        say "please install: ${packages[*]}"
        exit 1
    fi
    sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    say "installing ${packages[*]} by apt"
    "${sudo[@]}" apt-get update -q
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${packages[@]}"
fi

for component in rustfmt clippy; do
    if ! cargo "${component/rust/}" --version >/dev/null 2>&1; then
        say "installing $component by rustup"
        rustup component add "$component"
    fi
done

# For this platform only; what is there already is not asked for again.
host=$(rustc --version --verbose | sed -n 's/^host: //p')
if ! cargo fetch --locked --offline --target "$host" >/dev/null 2>&1; then
    say "fetching the crates of Cargo.lock"
    cargo fetch --locked --target "$host"
fi
