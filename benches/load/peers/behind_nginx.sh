#!/bin/sh
# behind_nginx.sh PORT ROOM PASS COMMAND…: nginx on 127.0.0.1:PORT, with ROOM for connections, in front of COMMAND, in which
# SOCKET stands for the path it must listen on. PASS is nginx's directive, such as proxy_pass. A shell, as it adds next to
# nothing to the memory counted.
set -eu
port=$1 room=$2 pass=$3
shift 3
here=$(dirname "$0")
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

for word; do
    shift
    case $word in
    *SOCKET*) word=${word%%SOCKET*}$directory/app.sock${word#*SOCKET} ;;
    esac
    set -- "$@" "$word"
done
case $pass in
proxy_pass) pass="proxy_pass http:\/\/app" ;;
*) pass="$pass app" ;;
esac
sed -e '/^#/d' -e "s/PASS/$pass/; s/PORT/$port/; s/ROOM/$room/; s|DIRECTORY|$directory|g" "$here/nginx.conf" >"$directory/nginx.conf"

"$@" &
app=$!
PATH=$PATH:/usr/sbin nginx -c "$directory/nginx.conf" &
nginx=$!
trap 'kill -TERM $nginx $app 2>/dev/null || true' TERM INT
# The first wait ends with the signal, the second with the processes.
wait || true
wait || true
