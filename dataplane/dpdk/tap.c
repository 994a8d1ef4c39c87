/* The tap driver of DPDK 22.11: where its descriptors are, and polls that cost less. */
#include <string.h>
#include <unistd.h>

#include "queue.h"

/* The driver's struct pmd_process_private. */
struct process {
	int rx[16], tx[16];
};

/* dp_tap_fd is the descriptor that becomes readable when the kernel sends to a queue;
 * -1 when the driver does not look as expected. */
int dp_tap_fd(const char *name, uint32_t queue)
{
	struct dp_inside in;
	char link[64], target[64];

	if (!dp_port_inside(name, &in) || in.process == NULL || queue >= 16)
		return -1;
	int fd = ((struct process *)in.process)->rx[queue];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return -1;
	target[n] = 0;
	return strcmp(target, "/dev/net/tun") == 0 ? fd : -1;
}

/* Each poll is a system call, found empty or not. While nothing comes most polls of a
 * spinning worker are left out. One that was woken comes back at once, so that it
 * waits for a few of its own turns at most. */
#define MOST_SKIPPED 7

static uint16_t sparse_rx(struct dp_rxq *q, struct rte_mbuf **bufs, uint16_t n)
{
	if (q->skipped < q->skip) {
		q->skipped++;
		return 0;
	}
	q->skipped = 0;
	n = q->burst(q->queue, bufs, n);
	q->skip = n > 0 ? 0 : RTE_MIN(2 * q->skip + 1, MOST_SKIPPED);
	return n;
}

/* dp_tap_sparse makes the polls of a started port's queue sparse. */
void dp_tap_sparse(struct dp_rxq *q)
{
	q->poll = sparse_rx;
}
