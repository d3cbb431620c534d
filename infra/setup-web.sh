#!/usr/bin/env bash
# Installs what the web console needs and this machine lacks: Node and npm, the
# packages of package-lock.json, and with the word `browser` a Chromium with
# Chinese letters for its tests. Says what it does, and nothing if there is
# nothing to do.
set -euo pipefail
cd "$(dirname "$0")/../web"

say() { echo "setup: $*" >&2; }

packages=()
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
if [ "${1:-}" = browser ]; then
    [ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || packages+=(chromium)
    [ -n "$(ls /usr/share/fonts/opentype/noto/NotoSansCJK* 2>/dev/null)" ] || packages+=(fonts-noto-cjk)
fi
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

if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'; then
    say "Node $(node --version) is too old: the console is built with 20.19 or newer"
    exit 1
fi

# The lock file that the packages in place were installed from.
installed=node_modules/.firn-lock
if ! cmp -s package-lock.json "$installed"; then
    say "installing the packages of web/package-lock.json"
    npm ci --no-fund --no-audit
    cp package-lock.json "$installed"
fi
