#!/bin/sh
# Installs the Debian packages that are missing: "deps.sh run" for building and running,
# "deps.sh test" for the tests and benchmarks besides. Quick when nothing is missing.
set -eu

run="gcc libc6-dev pkg-config libdpdk-dev iproute2 ethtool util-linux procps"
test="tshark tcpdump socat iperf3 tmux"

case "${1:-run}" in
run) want=$run ;;
test) want="$run $test" ;;
*) echo "usage: deps.sh run|test" >&2; exit 2 ;;
esac

# One look at dpkg's database for all of them.
have=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' $want 2> /dev/null | sed -n 's/^ii *//p')
missing=""
for p in $want; do
	case "
$have
" in
	*"
$p
"*) ;;
	*) missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get > /dev/null; then
	echo "missing:$missing; this is not a Debian, install what corresponds to them" >&2
	exit 1
fi
sudo=""
if [ "$(id -u)" != 0 ]; then
	command -v sudo > /dev/null || { echo "missing:$missing; run as root: apt-get install$missing" >&2; exit 1; }
	sudo=sudo
fi
echo "installing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive # tshark asks who may capture: root only
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing > /dev/null
