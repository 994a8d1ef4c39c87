#!/bin/sh
# `make demo`: the tour without a person.
set -eu
. "$(dirname "$0")/pair.sh"
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
start_peer
setpriv --pdeathsig TERM taskset -c "$first" bin/vpphost unix "{" nodaemon \
	cli-listen "$pair/vpp2.sock" runtime-dir "$pair/vpp2" exec "$PWD/scripts/vpp2.vpp" "}" \
	cpu "{" corelist-workers "$first" "}" > "$pair/vpp2.log" 2>&1 &
trap 'kill $peer $! 2> /dev/null; wait 2> /dev/null; rm -rf "$pair"' EXIT
trap 'exit 130' INT TERM

vpp1() { say "vpp1# $*"; bin/vppctl -s "$pair/vpp1.sock" "$@"; }
vpp2() { say "vpp2# $*"; bin/vppctl -s "$pair/vpp2.sock" "$@"; }

i=0
until bin/vppctl -s "$pair/vpp2.sock" ping 6.0.1.1 repeat 1 2> /dev/null | grep -q ' 1 received'; do
	i=$((i + 1)); [ $i -lt 50 ] || { echo "the instances do not see each other" >&2; exit 1; }
	sleep 0.1
done

vpp2 ping 6.0.1.1 repeat 3 interval 0.2
vpp1 show app server
vpp2 test echo client uri tcp://6.0.1.1/1234 run-time 5
vpp2 test echo client uri tcp://6.0.1.1/1234 bytes 1g echo-bytes test-bytes
vpp2 test echo client uri tcp://6.0.1.1/1234 nclients 10000 bytes 1000
vpp2 test echo client uri 'tcp://[fd00:6::1]/1234' nclients 10 bytes 100m echo-bytes
vpp1 show session verbose
vpp2 show interface
vpp2 show errors
say "Done: two user-space TCP stacks, one core each, no kernel, no hugepages."
