/* What the Go side of package dpdk calls. Plain types only: cgo reads this file many
 * times in a build, and DPDK's headers are large. What crosses on the packet path are
 * numbers and addresses outside the Go heap, so that cgo has nothing to check. */
#ifndef DP_SHIM_H
#define DP_SHIM_H

#include <stdbool.h>
#include <stdint.h>

struct dp_rxq;
struct dp_txq;
struct dp_memif;
struct dp_ring;

/* eal.c */
int dp_eal_init(int argc, char **argv);
const char *dp_version(void);
void dp_thread_start(void);
void dp_thread_stop(void);
int32_t dp_lcore(void);
int dp_log_open(void);
void dp_log_stderr(uint32_t level);
uint32_t dp_log_read(uint64_t *pos, char *to, uint32_t n);

/* mempool.c */
void *dp_pool_new(const char *name, uint32_t n, uint32_t cache, uint32_t meta, uint32_t room,
		  int *err);
void dp_pool_free(void *pool);
uint32_t dp_pool_avail(void *pool);
uint32_t dp_pool_get(uintptr_t pool, uintptr_t bufs, uint32_t n);
void dp_pool_put(uintptr_t pool, uintptr_t bufs, uint32_t n);
void dp_free_chain(uintptr_t buf);
uint32_t dp_layout(uint32_t i);

/* ethdev.c; results below 0 are error numbers */
struct dp_port_info {
	char driver[64];
	uint8_t mac[6];
	int32_t ifindex;
	uint32_t max_rxq, max_txq;
};

struct dp_port_stats {
	uint64_t rx_missed, rx_errors, tx_errors, rx_no_bufs;
};

int dp_port_attach(const char *name, const char *args);
int dp_port_detach(const char *name);
int dp_port_find(const char *name);
int dp_port_next(uint32_t from, char name[64]);
int dp_port_info(uint32_t port, struct dp_port_info *info);
int dp_port_setup(uint32_t port, uint32_t nrx, uint32_t ntx, uint32_t rxd, uint32_t txd,
		  void *pool, uint32_t mtu, bool rx_csum, bool *csum_on);
int dp_port_start(uint32_t port);
int dp_port_stop(uint32_t port);
int dp_port_close(uint32_t port);
int dp_port_link(uint32_t port, uint32_t *mbps);
int dp_port_set_mac(uint32_t port, const uint8_t mac[6]);
int dp_port_hear(uint32_t port);
int dp_port_stats(uint32_t port, struct dp_port_stats *s);

/* queue.c */
struct dp_queue_stats {
	uint64_t packets, bytes, chained, truncated, malformed, oversize;
};

uint32_t dp_rx(uintptr_t q, uintptr_t bufs, uint32_t n);
uint32_t dp_tx(uintptr_t q, uintptr_t bufs, uint32_t n);
uint32_t dp_fill(uintptr_t q, uintptr_t bufs, uint32_t n);
uint32_t dp_copy(uintptr_t q, uintptr_t bufs, uint32_t n);
struct dp_rxq *dp_rxq_new(bool csum);
struct dp_txq *dp_txq_new(uint32_t max_len);
void dp_rxq_bind(struct dp_rxq *q, uint32_t port, uint32_t queue);
void dp_txq_bind(struct dp_txq *q, uint32_t port, uint32_t queue);
void dp_rxq_unbind(struct dp_rxq *q);
void dp_txq_unbind(struct dp_txq *q);
void dp_rxq_stats(struct dp_rxq *q, struct dp_queue_stats *s);
void dp_txq_stats(struct dp_txq *q, struct dp_queue_stats *s);
void dp_rxq_free(struct dp_rxq *q);
void dp_txq_free(struct dp_txq *q);

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
void dp_memif_bind_rx(struct dp_memif *m, struct dp_rxq *q, uint32_t index);
void dp_memif_bind_tx(struct dp_memif *m, struct dp_txq *q, uint32_t index);
int dp_memif_start(uint32_t port);
void dp_memif_limit(struct dp_memif *m, uint32_t c2s, uint32_t s2c);
void dp_memif_refuse(struct dp_memif *m);
void dp_memif_hangup(struct dp_memif *m);
bool dp_memif_idle(struct dp_memif *m);
uint64_t dp_memif_connection(struct dp_memif *m);
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
