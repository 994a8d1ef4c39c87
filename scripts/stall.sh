#!/bin/sh
# `make stall`: two instances at full load while commands come in, and the gaps that their
# workers have left between two rounds. Before and after, an empty loop runs on the same
# cores as long together: what it sees, the machine has taken, and no program can be better.
#
#   scripts/stall.sh [seconds]        600
set -eu
seconds=${1:-600}
half=$(((seconds + 1) / 2))
. "$(dirname "$0")/pair.sh"
trap 'kill ${peer-} ${us-} ${empty-} 2> /dev/null; wait 2> /dev/null; rm -rf "$pair"' EXIT
trap 'exit 130' INT TERM
${GO:-go} build -o "$pair/gaps" ./scripts/gaps

empty_loop() {
	echo "an empty loop on each core, $half s ..." >&2
	"$pair/gaps" "$last" "$half" > "$pair/empty1.$1" & empty=$!
	"$pair/gaps" "$first" "$half" > "$pair/empty2.$1"
	wait $empty; empty=
}
# Gaps above a length, in cells of the line that "show runtime" and gaps print.
above() { # ms files...
	ms=$1; shift
	sed -n 's/^Gaps between loops, longest .*: //p' "$@" | awk -v ms="$ms" '
		{ for (i = 1; i < NF; i += 2) { c = $i; v = c; gsub(/[^0-9.]/, "", v); v += 0; if (c ~ /us$/) v /= 1000
			if (c ~ /^<=/ && v > ms || c ~ /^>/ && v >= ms) n += $(i + 1) } }
		END { print n + 0 }'
}
longest() { # words of the line
	sed -n 's/^Gaps between loops, longest \(.*\): [<>].*/\1/p' "$@" | sort -t m -k 1 -n | tail -1
}

empty_loop before
start_peer
start_us
echo "full load with commands, $seconds s ..." >&2
vpp2 test echo client uri tcp://6.0.1.1/1234 run-time 2 > /dev/null # memory is touched
vpp1 clear runtime && vpp2 clear runtime
vpp2 test echo client uri tcp://6.0.1.1/1234 run-time "$seconds" > "$pair/out" 2>&1 &
client=$!
commands=0
while sleep 2 && kill -0 $client 2> /dev/null; do
	for c in "show session verbose 2" "show interface" "show errors" "show memory" "show runtime" "show tcp stats"; do
		vpp1 $c > /dev/null && vpp2 $c > /dev/null
		commands=$((commands + 2))
	done
done
wait $client || { cat "$pair/out" >&2; exit 1; }
vpp1 show runtime > "$pair/load1"
vpp2 show runtime > "$pair/load2"
kill $peer $us
wait $peer $us 2> /dev/null || :
empty_loop after

tail -3 "$pair/out"
row() { printf '%-30s %22s %22s\n' "$@"; }
echo
row "$seconds s, $commands commands" "vpp1 (receives)" "vpp2 (sends)"
for ms in 2 5 10; do
	row "gaps > $ms ms, load" "$(above $ms "$pair/load1")" "$(above $ms "$pair/load2")"
	row "gaps > $ms ms, empty loop" "$(above $ms "$pair"/empty1.*)" "$(above $ms "$pair"/empty2.*)"
done
row "longest, load" "$(longest "$pair/load1" | sed 's/ (.*//')" "$(longest "$pair/load2" | sed 's/ (.*//')"
row "  not waiting for the core" "$(longest "$pair/load1" | sed -n 's/.*(\(.*\) without.*/\1/p')" "$(longest "$pair/load2" | sed -n 's/.*(\(.*\) without.*/\1/p')"
row "longest, empty loop" "$(longest "$pair"/empty1.* | sed 's/ (.*//')" "$(longest "$pair"/empty2.* | sed 's/ (.*//')"
