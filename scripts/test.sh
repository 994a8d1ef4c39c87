#!/bin/sh
# Everything that `make test` runs. Tests that need root or namespaces print what
# they could not run; with VPPHOST_REQUIRE_ALL set, that is a failure.
set -eu
cd "$(dirname "$0")/.."

missing=""
[ "$(id -u)" = 0 ] || missing="root"
unshare -n true 2>/dev/null || missing="${missing:+$missing and }network namespaces"
[ -c /dev/net/tun ] || missing="${missing:+$missing and }/dev/net/tun"
if [ -n "$missing" ]; then
	echo "NOT RUN for want of $missing: the tests against the Linux kernel (veth, tap) and those that make namespaces"
	[ -z "${VPPHOST_REQUIRE_ALL:-}" ] || { echo "everything is required here: failing" >&2; exit 1; }
	export VPPHOST_NO_KERNEL=1
fi

test -z "$(gofmt -l .)" || { echo "gofmt needed:"; gofmt -l .; exit 1; }
go vet ./...
go tool staticcheck ./...
# Under the race detector what runs without DPDK, in short: simulated stacks have one
# thread. Then everything, with DPDK and the real programs.
# shellcheck disable=SC2046
go test -race -short $(go list ./... | grep -vE '/(dpdk|memif|afpacket|tap|vdev|e2e|bench)$')
go test -timeout 20m $(go list ./... | grep -v /e2e$)
# Never from the cache: it does not see the programs that these tests build.
go test -count=1 -timeout 20m ./scripts/e2e
