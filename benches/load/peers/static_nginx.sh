#!/bin/sh
# static_nginx.sh PORT ROOT: nginx alone on 127.0.0.1:PORT, serving the files of ROOT.
set -eu
port=$1 root=$2
here=$(dirname "$0")
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
sed -e '/^#/d' -e "s/PORT/$port/; s|DIRECTORY|$directory|g; s|ROOT|$root|" "$here/static_nginx.conf" >"$directory/nginx.conf"

PATH=$PATH:/usr/sbin nginx -c "$directory/nginx.conf" &
nginx=$!
trap 'kill -TERM $nginx 2>/dev/null || true' TERM INT
# The first wait ends with the signal, the second with the process.
wait || true
wait || true
