# Sourced by run.sh and demo.sh: starts the peer vpp1 in the background and says how to
# start vpp2. The peer gets SIGTERM from the kernel when the process that started it
# ends, however it ends: run.sh becomes vpp2 by exec.
cd "$(dirname "$0")/.."
if [ "$(id -u)" = 0 ]; then base=/run/vpphost
elif [ -w "${XDG_RUNTIME_DIR:-/nonexistent}" ]; then base=$XDG_RUNTIME_DIR/vpphost
else base=/tmp/vpphost-$(id -u); fi
pair=$base/pair-$$
for d in "$base"/pair-*; do # of pairs that are gone
	kill -0 "${d##*-}" 2> /dev/null || rm -rf "$d"
done
mkdir -p "$pair"

# The cores that we may use; the peer gets the last, we the first.
cores=$(taskset -cp $$ | sed 's/.*: //')
first=$(echo "$cores" | sed 's/[-,].*//')
last=$(echo "$cores" | sed 's/.*[-,]//')

# A memif socket of their own, so that several pairs can run side by side.
export VPPHOST_MEMIF_SOCKET=$pair/memif.sock

start_peer() {
	setpriv --pdeathsig TERM taskset -c "$last" bin/vpphost unix "{" nodaemon \
		cli-listen "$pair/vpp1.sock" runtime-dir "$pair/vpp1" exec "$PWD/scripts/vpp1.vpp" "}" \
		cpu "{" corelist-workers "$last" "}" > "$pair/vpp1.log" 2>&1 &
	peer=$!
	i=0
	until bin/vppctl -s "$pair/vpp1.sock" show version > /dev/null 2>&1; do
		i=$((i + 1))
		if [ $i -gt 50 ] || ! kill -0 $peer 2> /dev/null; then
			echo "the peer instance did not start:" >&2
			cat "$pair/vpp1.log" >&2
			exit 1
		fi
		sleep 0.1
	done
}

# start_us starts vpp2 in the background, without a shell, and waits until the two see
# each other.
start_us() {
	setpriv --pdeathsig TERM taskset -c "$first" bin/vpphost unix "{" nodaemon \
		cli-listen "$pair/vpp2.sock" runtime-dir "$pair/vpp2" exec "$PWD/scripts/vpp2.vpp" "}" \
		cpu "{" corelist-workers "$first" "}" > "$pair/vpp2.log" 2>&1 &
	us=$!
	i=0
	until vpp2 ping 6.0.1.1 repeat 1 2> /dev/null | grep -q ' 1 received'; do
		i=$((i + 1)); [ $i -lt 50 ] || { echo "the instances do not see each other" >&2; exit 1; }
		sleep 0.1
	done
}

vpp1() { bin/vppctl -s "$pair/vpp1.sock" "$@"; }
vpp2() { bin/vppctl -s "$pair/vpp2.sock" "$@"; }
