#!/bin/sh
# `make million`: a million connections between two instances, opened, some used, all
# closed, and the memory given back. Prints a table, and fails when a goal is missed.
#
#   scripts/million.sh [connections]        64512 from each of the source addresses
#
# About 600 MB of memory on each side.
set -eu
count=${1:-1000000}
active=10000
[ "$count" -ge $active ] || active=$count
. "$(dirname "$0")/pair.sh"
trap 'kill ${peer-} ${us-} 2> /dev/null; wait 2> /dev/null; rm -rf "$pair"' EXIT
trap 'exit 130' INT TERM
start_peer
start_us

rss() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; } # kB
stall() { "$1" show runtime | sed -n 's/^Gaps between loops, longest \(.*\): .*/\1/p'; }
took() { # how long a command takes, vppctl included
	t=$(date +%s%N)
	"$@" > /dev/null
	echo "$((($(date +%s%N) - t) / 1000000)) ms"
}

# As many source addresses as the connections need, and small FIFOs: a request of 64 bytes
# then touches one page.
last_host=$((10 + (count - 1) / 64512))
vpp2 tcp src-address 6.0.1.10 - 6.0.1.$last_host
vpp1 test echo server stop
vpp1 test echo server uri tcp://0.0.0.0/1234 fifo-size 4k
# A first test touches the packet buffers, which stay.
vpp2 test echo client uri tcp://6.0.1.1/1234 nclients 10 bytes 10m echo-bytes fifo-size 4k > /dev/null
sleep 2
vpp1 clear runtime && vpp2 clear runtime
before1=$(rss $peer) before2=$(rss $us)

vpp2 test echo client uri tcp://6.0.1.1/1234 nclients "$count" active $active bytes 64 \
	echo-bytes test-bytes fifo-size 4k hold 10 > "$pair/out" 2>&1 &
client=$!
until grep -qs ^holding "$pair/out"; do
	kill -0 $client 2> /dev/null || { cat "$pair/out" >&2; exit 1; }
	sleep 0.2
done
sleep 2 # what the requests have used goes back
open1=$(rss $peer) open2=$(rss $us)
sessions=$(vpp1 show session | sed 's/.*: //')
memory=$(vpp1 show memory | sed -n '/^Thread/,$p')
shows="show session $(took vpp1 show session), show memory $(took vpp1 show memory), show session state ready $(took vpp1 show session state ready)"
wait $client || { cat "$pair/out" >&2; exit 1; }
closed1=$(rss $peer) closed2=$(rss $us)
stall1=$(stall vpp1) stall2=$(stall vpp2)
sleep 14 # TIME_WAIT lasts 10 s
after1=$(rss $peer) after2=$(rss $us)

cat "$pair/out"
printf '\nthe server held %s, its memory:\n%s\n\n' "$sessions" "$memory"
awk -v n="$count" -v a=$active -v b1="$before1" -v b2="$before2" -v o1="$open1" -v o2="$open2" -v c1="$closed1" -v c2="$closed2" \
	-v f1="$after1" -v f2="$after2" -v s1="$stall1" -v s2="$stall2" -v shows="$shows" '
function row(what, x, y) { printf "%-34s %18s %18s\n", what, x, y }
function mb(kb) { return sprintf("%.1f MB", kb / 1024) }
function per(o, b) { return sprintf("%.0f bytes", (o - b) * 1024 / n) }
function change(f, b) { return sprintf("%+.1f %%", (f - b) * 100 / b) }
/connections established/ { opened = $1 " in " $5 " s, " $7 }
/connections closed/ { closed = $1 " in " $5 " s, " $7 }
/^[0-9]+ bytes \(/ { bytes = $1; secs = $8 }
END {
	row("", "vpp1 (server)", "vpp2 (client)")
	row("resident before", mb(b1), mb(b2))
	row("resident with " n " open", mb(o1), mb(o2))
	row("for a connection, goal 1024", per(o1, b1), per(o2, b2))
	row("resident when all had closed", mb(c1), mb(c2))
	row("resident 14 s later, goal +10 %", mb(f1), mb(f2))
	row("", change(f1, b1), change(f2, b2))
	printf "opened: %s\nanswered: %d requests of 64 bytes, verified, in %s s\nclosed: %s\n", opened, bytes / 64, secs, closed
	printf "longest stall: server %s, client %s\n", s1, s2
	printf "commands at the server while all were open: %s\n", shows
	bad = (o1 - b1) * 1024 / n > 1024 || (o2 - b2) * 1024 / n > 1024 || f1 > 1.1 * b1 || f2 > 1.1 * b2 || bytes / 64 != a
	if (bad) print "a goal was missed"
	exit bad
}' "$pair/out"
