#!/bin/sh
# `make run`: a peer instance (vpp1) in the background with the echo server listening,
# and the shell of vpp2 here, joined to it by memif. When standard input is not a
# terminal, runs the commands that come from it and exits with their status.
set -eu
. "$(dirname "$0")/pair.sh"
start_peer
banner=nobanner
if [ -t 0 ]; then
	cat <<TXT
Two instances are running, joined by memif: vpp1 (6.0.1.1, fd00:6::1) in the background with
the echo server listening on port 1234, and vpp2 (6.0.1.2, fd00:6::2), whose shell this is. Try:

  ping 6.0.1.1
  test echo client uri tcp://6.0.1.1/1234
  test echo client uri tcp://6.0.1.1/1234 nclients 1000 bytes 10k echo-bytes test-bytes
  show session verbose            show interface            ?

The other side: bin/vppctl -s $pair/vpp1.sock show session verbose
The peer ends with this shell: quit, or Ctrl-D.

TXT
fi
exec taskset -c "$first" bin/vpphost unix "{" interactive $banner cli-prompt 'vpp2\#' \
	cli-listen "$pair/vpp2.sock" runtime-dir "$pair/vpp2" exec "$PWD/scripts/vpp2.vpp" "}" \
	cpu "{" corelist-workers "$first" "}"
