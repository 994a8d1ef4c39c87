#!/bin/sh
# Runs every fuzz test of the module for FUZZTIME each; stops at the first finding.
set -eu
cd "$(dirname "$0")/.."
go list -f '{{.Dir}}' ./... | while read -r dir; do
	for f in $(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | cut -c6-); do
		echo "== $f in ${dir#"$PWD"/}"
		(cd "$dir" && go test -run '^$' -fuzz "^$f\$" -fuzztime "${FUZZTIME:-60s}" .)
	done
done
