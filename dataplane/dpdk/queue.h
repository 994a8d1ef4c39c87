/* The queues as the C side sees them. */
#ifndef DP_QUEUE_H
#define DP_QUEUE_H

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "shim.h"

/* pkt.Meta: our bytes behind each mbuf. Checked against Go at start-up. */
struct dp_meta {
	int64_t arrived;
	uint32_t iface, hash, trace, conn;
	uint16_t l3, l4, l4_len, flags;
	uint8_t proto;
	uint8_t pad[7];
	uint64_t scratch[2];
};

#define DP_FLAG_L4_GOOD 2 /* pkt.L4Good */

/* One receive queue. It is polled (poll: buffers are the driver's) or, where frames are
 * copied out of other memory, filled (fill: buffers are the caller's). The driver's function and queue are copied out of ethdev, so that
 * what else happens to the port never changes what a polling worker reads. */
struct dp_rxq {
	uint16_t (*poll)(struct dp_rxq *q, struct rte_mbuf **bufs, uint16_t n);
	uint16_t (*fill)(struct dp_rxq *q, struct rte_mbuf **bufs, uint16_t n);
	eth_rx_burst_t burst;
	void *queue;
	struct dp_memif *memif;
	struct dp_ring *ring;
	uint16_t index;        /* memif: of the queue */
	uint8_t skip, skipped; /* tap: polls to leave out, and left out */
	bool csum;             /* trust the driver's checksum verdicts */
	bool armed;            /* memif: the peer was asked to signal */
	uint64_t packets, bytes;
	uint64_t chained;   /* several segments that do not fit one buffer */
	uint64_t truncated; /* the kernel had more bytes than a ring frame holds */
	uint64_t malformed; /* a length that the buffer cannot have */
} __rte_cache_aligned;

/* One transmit queue. What is pushed goes to the driver with its buffer; what is copied
 * leaves the buffer to the caller. */
struct dp_txq {
	uint16_t (*push)(struct dp_txq *q, struct rte_mbuf **bufs, uint16_t n);
	uint16_t (*copy)(struct dp_txq *q, struct rte_mbuf **bufs, uint16_t n);
	eth_tx_burst_t burst;
	void *queue;
	struct dp_memif *memif;
	struct dp_ring *ring;
	uint16_t index;     /* memif: of the queue */
	uint32_t max_len;   /* longest frame that may be given to the driver */
	uint64_t packets, bytes;
	uint64_t oversize;  /* frames longer than that */
	uint64_t chained;   /* frames of several segments */
} __rte_cache_aligned;

/* A driver's own data of a port, from ethdev's internals (ethdev.c). */
struct dp_inside {
	void **rx_queues, **tx_queues;
	void *private;      /* of the driver */
	void *process;      /* of the driver, for this process */
};

bool dp_port_inside(const char *name, struct dp_inside *in);

#endif
