#!/bin/sh
# Installs the Debian packages that building, running and testing need, as far as they
# are missing. Says what it installs, and nothing when nothing is missing.
#
#   scripts/deps.sh [run] [test]     both sets when none is named
#
# Needs root, or sudo. Asks no questions.
set -eu

# libdpdk-dev pulls in all of DPDK: the libraries, the mempool driver
# (librte-mempool-ring*) and the port drivers (librte-net-memif*, -af-packet*, -tap*,
# -ring*, -null*, -pcap*, NICs), whose package names change with the DPDK release.
run="libdpdk-dev pkg-config gcc libc6-dev make git ca-certificates iproute2 ethtool procps"
test="tshark tcpdump socat iperf3 tmux curl jq iputils-ping netcat-openbsd openssl
	nginx-light dnsmasq-base bind9-dnsutils python3 wget apache2-utils wrk"

usage() {
	echo "usage: $0 [run] [test]" >&2
	exit 2
}

want=
for set in "${@:-all}"; do
	case $set in
	all) want="$run $test" ;;
	run) want="$want $run" ;;
	test) want="$want $test" ;;
	*) usage ;;
	esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "$0: this is not a Debian system; install what corresponds to: $want" >&2
	exit 1
fi

# One query for all: "name status" lines, and complaints about unknown names.
# shellcheck disable=SC2086
have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $want 2>/dev/null || true)
missing=
for p in $want; do
	case "
$have
" in
	*"
$p installed
"*) ;;
	*) missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0

echo "$0: installing$missing"
# RUNLEVEL=1: a server among the packages is installed, not started.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 "$@"
	elif command -v sudo >/dev/null; then
		sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 "$@"
	else
		echo "$0: run as root, or install sudo" >&2
		exit 1
	fi
}

case "$missing " in
*" tshark "*)
	# Its question whether ordinary users may capture; the answer is the default.
	echo "wireshark-common wireshark-common/install-setuid boolean false" |
		as_root debconf-set-selections
	;;
esac

install() {
	# shellcheck disable=SC2086
	as_root apt-get install -y -q --no-install-recommends $missing
}
# Package lists may be absent or old: fetch them when something cannot be had.
# shellcheck disable=SC2086
if ! apt-get install -s -q --no-install-recommends $missing >/dev/null 2>&1; then
	as_root apt-get update -q
	install
elif ! install; then
	as_root apt-get update -q
	install
fi
