#!/bin/sh
# Puts on this machine the programs that the tests use and that pip and npm cannot bring.
# True afterwards: every command of the list below is there. Refuses, naming what is missing, without root or apt-get.
set -eu

# One line each: the command the tests start, and the Debian package that brings it.
needs="
node      nodejs
npm       npm
chromium  chromium
pdftoppm  poppler-utils
/usr/lib/postgresql/15/bin/postgres  postgresql-15
/usr/sbin/nginx  nginx-light
"

missing=$(echo "$needs" | while read -r command package; do
    [ -z "$command" ] || command -v "$command" >/dev/null || printf '%s ' "$package"
done)
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "tests: missing on this machine: ${missing% }; install them first, on Debian: sudo apt-get install ${missing% }" >&2
    exit 1
fi
echo "tests: installing Debian packages: ${missing% }"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086  # a list of names, one word each
apt-get install -qq --no-install-recommends $missing >/dev/null
