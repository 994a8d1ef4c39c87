/* What the Go side of package dpdk may call. Everything that crosses is a number
 * or an address outside the Go heap, so cgo has nothing to check. */
#ifndef DP_SHIM_H
#define DP_SHIM_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

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

struct dp_memif;
struct dp_ring;

/* One receive queue as the data path sees it. The driver's function and queue are
 * copied out of ethdev so that a stop and start of the port (memif reconnects)
 * never changes what a polling worker reads. */
struct dp_rxq {
	uint16_t (*poll)(struct dp_rxq *q, struct rte_mbuf **bufs, uint16_t n);
	eth_rx_burst_t burst;
	void *queue;
	struct dp_memif *memif;
	struct dp_ring *ring;
	uint8_t skip, skipped; /* tap: polls to leave out, and left out */
	bool csum;          /* trust the driver's checksum verdicts */
	bool armed;         /* memif: the peer was asked to signal */
	/* Counters of this queue, read by anybody. */
	uint64_t packets, bytes;
	uint64_t chained;   /* several segments that do not fit one buffer */
	uint64_t truncated; /* the kernel had more bytes than a ring frame holds */
	uint64_t malformed; /* a length that the buffer cannot have */
} __rte_cache_aligned;

/* One transmit queue. */
struct dp_txq {
	uint16_t (*push)(struct dp_txq *q, struct rte_mbuf **bufs, uint16_t n);
	eth_tx_burst_t burst;
	void *queue;
	struct dp_memif *memif;
	struct dp_ring *ring;
	uint32_t max_len;   /* longest frame that may be given to the driver */
	uint64_t packets, bytes;
	uint64_t oversize;  /* frames longer than that */
	uint64_t chained;   /* frames of several segments */
} __rte_cache_aligned;

/* queue.c */
uint32_t dp_rx(uintptr_t q, uintptr_t bufs, uint32_t n);
uint32_t dp_tx(uintptr_t q, uintptr_t bufs, uint32_t n);
struct dp_rxq *dp_rxq_new(void);
struct dp_txq *dp_txq_new(uint32_t max_len);
void dp_rxq_bind(struct dp_rxq *q, uint16_t port, uint16_t queue);
void dp_txq_bind(struct dp_txq *q, uint16_t port, uint16_t queue);
void dp_rxq_unbind(struct dp_rxq *q);
void dp_txq_unbind(struct dp_txq *q);
void dp_rxq_free(struct dp_rxq *q);
void dp_txq_free(struct dp_txq *q);

/* mempool.c */
uint32_t dp_pool_get(uintptr_t pool, uintptr_t bufs, uint32_t n);
void dp_pool_put(uintptr_t pool, uintptr_t bufs, uint32_t n);
void dp_free_chain(uintptr_t buf);
uint32_t dp_layout(uint32_t i);

/* eal.c */
int dp_log_open(void);
void dp_log_stderr(uint32_t level);
uint32_t dp_log_read(uint64_t *pos, char *to, uint32_t n);


/* ethdev.c */
struct dp_inside {
	eth_rx_burst_t rx_burst;
	eth_tx_burst_t tx_burst;
	void **rx_queues, **tx_queues;
	void *private;      /* of the driver */
	void *process;      /* of the driver, for this process */
};

int dp_port_info(uint16_t port, struct rte_eth_dev_info *info);
int dp_port_setup(uint16_t port, uint16_t nrx, uint16_t ntx, uint16_t rxd, uint16_t txd,
		  struct rte_mempool *pool, uint16_t mtu, bool rx_csum, bool *csum_on);
int dp_port_link(uint16_t port, uint32_t *mbps);
void dp_port_forget(const char *name);
bool dp_port_inside(const char *name, struct dp_inside *in);

/* memif.c */
struct dp_memif_state {
	bool connected, connecting;
	uint32_t ring_size, buffer_size, c2s, s2c, regions;
	char remote_name[64], remote_if[64], local_reason[96], remote_reason[96];
};

struct dp_memif *dp_memif_new(const char *name, uint32_t id, bool server, const char *path,
			      uint32_t log2_ring, uint32_t buffer_size, uint32_t nrx,
			      uint32_t ntx);
void dp_memif_free(struct dp_memif *m);
void dp_memif_guard_rx(struct dp_memif *m, struct dp_rxq *q, uint32_t index);
void dp_memif_guard_tx(struct dp_memif *m, struct dp_txq *q, uint32_t index);
int dp_memif_start(uint16_t port);
void dp_memif_refuse(struct dp_memif *m);
void dp_memif_hangup(struct dp_memif *m);
bool dp_memif_idle(struct dp_memif *m);
void dp_memif_state(struct dp_memif *m, struct dp_memif_state *s);
int dp_memif_wake_fd(struct dp_memif *m, struct dp_rxq *q);
bool dp_memif_arm(uintptr_t q);

/* afpacket.c */
struct dp_ring *dp_ring_new(struct dp_rxq *rx, struct dp_txq *tx, uint32_t frames,
			    uint32_t frame_size, uint32_t block_size, int ifindex, int *fanout);
int dp_ring_fd(struct dp_ring *r);

/* tap.c */
int dp_tap_fd(const char *name, uint32_t queue);
void dp_tap_sparse(struct dp_rxq *q);

#endif
