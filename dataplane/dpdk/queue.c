/* The packet path: one cgo call moves a burst between a driver and the worker. */
#include "queue.h"

static inline struct dp_meta *meta(struct rte_mbuf *m)
{
	return (struct dp_meta *)(m + 1);
}

/* rx_finish makes what a driver returned into what the stack expects: one segment,
 * a believable length, a clean Meta. It returns how many packets are left. */
static inline uint32_t rx_finish(struct dp_rxq *q, struct rte_mbuf **bufs, uint32_t n)
{
	uint32_t out = 0;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = bufs[i];

		if (i + 4 < n)
			__builtin_prefetch(meta(bufs[i + 4]), 1);
		if (unlikely(m->nb_segs != 1) && rte_pktmbuf_linearize(m) != 0) {
			q->chained++;
			rte_pktmbuf_free(m);
			continue;
		}
		if (unlikely(m->data_off + m->data_len > m->buf_len)) {
			q->malformed++;
			m->data_len = m->pkt_len = 0;
			rte_pktmbuf_free(m);
			continue;
		}
		*meta(m) = (struct dp_meta){0};
		if (q->csum &&
		    (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
			meta(m)->flags = DP_FLAG_L4_GOOD;
		bytes += m->data_len;
		bufs[out++] = m;
	}
	q->packets += out;
	q->bytes += bytes;
	return out;
}

static uint16_t plain_rx(struct dp_rxq *q, struct rte_mbuf **bufs, uint16_t n)
{
	return q->burst(q->queue, bufs, n);
}

static uint16_t plain_tx(struct dp_txq *q, struct rte_mbuf **bufs, uint16_t n)
{
	return q->burst(q->queue, bufs, n);
}

uint32_t dp_rx(uintptr_t queue, uintptr_t array, uint32_t n)
{
	struct dp_rxq *q = (struct dp_rxq *)queue;
	struct rte_mbuf **bufs = (struct rte_mbuf **)array;

	n = q->poll(q, bufs, n);
	return n == 0 ? 0 : rx_finish(q, bufs, n);
}

/* tx_refuse frees what the driver must not see and moves the rest to the end of
 * bufs, in order: the caller gives up the front of its array and keeps the back. It
 * returns how many were freed. */
static uint32_t tx_refuse(struct dp_txq *q, struct rte_mbuf **bufs, uint32_t n)
{
	uint32_t keep = n;

	for (uint32_t i = n; i-- > 0;) {
		struct rte_mbuf *m = bufs[i];

		if (m->nb_segs != 1) {
			q->chained++;
			rte_pktmbuf_free(m);
		} else if (m->pkt_len > q->max_len) {
			q->oversize++;
			rte_pktmbuf_free(m);
		} else {
			bufs[--keep] = m;
		}
	}
	return keep;
}

uint32_t dp_tx(uintptr_t queue, uintptr_t array, uint32_t n)
{
	struct dp_txq *q = (struct dp_txq *)queue;
	struct rte_mbuf **bufs = (struct rte_mbuf **)array;
	uint32_t gone = 0, sent;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (unlikely(bufs[i]->pkt_len > q->max_len || bufs[i]->nb_segs != 1)) {
			gone = tx_refuse(q, bufs, n);
			if (gone == n)
				return n;
			bytes = 0;
			for (i = gone; i < n; i++)
				bytes += bufs[i]->pkt_len;
			break;
		}
		bytes += bufs[i]->pkt_len;
	}
	uint64_t refused = q->oversize;
	/* What the driver takes it may free at once. */
	sent = gone + q->push(q, bufs + gone, n - gone);
	for (uint32_t i = sent; i < n; i++)
		bytes -= bufs[i]->pkt_len;
	q->packets += sent - gone - (q->oversize - refused);
	q->bytes += bytes;
	return sent;
}

/* dp_fill receives into the caller's empty buffers: the first of them are filled. */
uint32_t dp_fill(uintptr_t queue, uintptr_t array, uint32_t n)
{
	struct dp_rxq *q = (struct dp_rxq *)queue;
	struct rte_mbuf **bufs = (struct rte_mbuf **)array;
	uint64_t bytes = 0;

	n = q->fill(q, bufs, n);
	for (uint32_t i = 0; i < n; i++) {
		*meta(bufs[i]) = (struct dp_meta){0};
		bytes += bufs[i]->data_len;
	}
	q->packets += n;
	q->bytes += bytes;
	return n;
}

/* dp_copy sends copies of frames: it is done with the first of them. */
uint32_t dp_copy(uintptr_t queue, uintptr_t array, uint32_t n)
{
	struct dp_txq *q = (struct dp_txq *)queue;

	return q->copy(q, (struct rte_mbuf **)array, n);
}

/* A queue of a port that is not started gives nothing and takes nothing. */
static uint16_t dead_rx(struct dp_rxq *q __rte_unused, struct rte_mbuf **bufs __rte_unused,
			uint16_t n __rte_unused)
{
	return 0;
}

static uint16_t dead_tx(struct dp_txq *q __rte_unused, struct rte_mbuf **bufs __rte_unused,
			uint16_t n __rte_unused)
{
	return 0;
}

struct dp_rxq *dp_rxq_new(bool csum)
{
	struct dp_rxq *q = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*q));

	if (q != NULL)
		*q = (struct dp_rxq){.poll = dead_rx, .fill = dead_rx, .csum = csum};
	return q;
}

struct dp_txq *dp_txq_new(uint32_t max_len)
{
	struct dp_txq *q = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*q));

	if (q != NULL)
		*q = (struct dp_txq){.push = dead_tx, .copy = dead_tx, .max_len = max_len};
	return q;
}

void dp_rxq_bind(struct dp_rxq *q, uint32_t port, uint32_t queue)
{
	q->burst = rte_eth_fp_ops[port].rx_pkt_burst;
	q->queue = rte_eth_fp_ops[port].rxq.data[queue];
	q->poll = plain_rx;
}

void dp_txq_bind(struct dp_txq *q, uint32_t port, uint32_t queue)
{
	q->burst = rte_eth_fp_ops[port].tx_pkt_burst;
	q->queue = rte_eth_fp_ops[port].txq.data[queue];
	q->push = plain_tx;
}

void dp_rxq_unbind(struct dp_rxq *q)
{
	q->poll = dead_rx;
	q->fill = dead_rx;
}

void dp_txq_unbind(struct dp_txq *q)
{
	q->push = dead_tx;
	q->copy = dead_tx;
}

void dp_rxq_stats(struct dp_rxq *q, struct dp_queue_stats *s)
{
	*s = (struct dp_queue_stats){
		.packets = q->packets, .bytes = q->bytes, .chained = q->chained,
		.truncated = q->truncated, .malformed = q->malformed,
	};
}

void dp_txq_stats(struct dp_txq *q, struct dp_queue_stats *s)
{
	*s = (struct dp_queue_stats){
		.packets = q->packets, .bytes = q->bytes, .chained = q->chained,
		.oversize = q->oversize,
	};
}

void dp_rxq_free(struct dp_rxq *q)
{
	free(q->ring); /* shared with the transmit queue, which goes with this one */
	free(q);
}

void dp_txq_free(struct dp_txq *q)
{
	free(q);
}
