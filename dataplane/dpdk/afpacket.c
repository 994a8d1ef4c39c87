/* The af_packet driver of DPDK 22.11, made safe.
 *
 * The driver waits in poll(2) when its transmit ring is full, and it does not say
 * when the kernel cut a packet to the size of a ring frame. Both can be seen in the
 * ring before the driver is called, so the bursts here look there first. The kernel
 * also tells there whether it has verified the transport checksum, or left it out
 * because the packet was made on this machine. */
#include <string.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "shim.h"

/* The fronts of the driver's struct pkt_rx_queue and struct pkt_tx_queue. */
struct rx_queue {
	int fd;
	struct iovec *frames;
	uint8_t *map;
	unsigned int count, next;
	struct rte_mempool *pool;
};

struct tx_queue {
	int fd;
	unsigned int room;
	struct iovec *frames;
	uint8_t *map;
	unsigned int count, next;
};

/* The pair of rings of one socket. */
struct dp_ring {
	int fd;
	bool unsent; /* the kernel has not taken all that was queued */
};

enum { CUT = 1, SUMMED = 2 };

static struct tpacket2_hdr *frame(struct iovec *frames, unsigned int i)
{
	return frames[i].iov_base;
}

static void kick(struct dp_ring *r)
{
	r->unsent = false;
	if (sendto(r->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0)
		return; /* tried again with the next frame */
}

static uint16_t ring_rx(struct dp_rxq *q, struct rte_mbuf **bufs, uint16_t n)
{
	struct rx_queue *rx = q->queue;
	uint8_t marks[n + 1];
	uint16_t want = 0, got, out = 0;

	if (unlikely(q->ring->unsent))
		kick(q->ring);
	for (unsigned int f = rx->next; want < n; want++) {
		struct tpacket2_hdr *h = frame(rx->frames, f);
		uint32_t status = __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE);

		if (!(status & TP_STATUS_USER))
			break;
		marks[want] = h->tp_snaplen < h->tp_len ? CUT : 0;
		if (status & (TP_STATUS_CSUMNOTREADY | TP_STATUS_CSUM_VALID))
			marks[want] |= SUMMED;
		if (++f == rx->count)
			f = 0;
	}
	if (want == 0)
		return 0;
	got = q->burst(rx, bufs, want);
	for (uint16_t i = 0; i < got; i++) {
		if (unlikely(marks[i] & CUT)) {
			q->truncated++;
			rte_pktmbuf_free(bufs[i]);
			continue;
		}
		if (marks[i] & SUMMED)
			bufs[i]->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		bufs[out++] = bufs[i];
	}
	return out;
}

static uint16_t ring_tx(struct dp_txq *q, struct rte_mbuf **bufs, uint16_t n)
{
	struct tx_queue *tx = q->queue;
	const uint32_t stamps = TP_STATUS_TS_SOFTWARE | TP_STATUS_TS_RAW_HARDWARE;
	uint16_t room = 0;

	for (unsigned int f = tx->next; room < n; room++) {
		struct tpacket2_hdr *h = frame(tx->frames, f);
		uint32_t status = __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE);

		if ((status & ~stamps) != TP_STATUS_AVAILABLE)
			break;
		if (++f == tx->count)
			f = 0;
	}
	if (room == 0) {
		kick(q->ring);
		return 0;
	}
	n = q->burst(tx, bufs, room);
	unsigned int last = tx->next == 0 ? tx->count - 1 : tx->next - 1;
	if (__atomic_load_n(&frame(tx->frames, last)->tp_status, __ATOMIC_ACQUIRE) &
	    TP_STATUS_SEND_REQUEST)
		q->ring->unsent = true;
	return n;
}

static bool is_socket_of(int fd, int ifindex)
{
	struct sockaddr_ll a;
	socklen_t n = sizeof(a);

	return fd >= 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0 &&
	       a.sll_family == AF_PACKET && a.sll_ifindex == ifindex;
}

/* dp_ring_new binds the queues of one socket of a started port; NULL when the driver
 * does not look as expected. */
struct dp_ring *dp_ring_new(struct dp_rxq *rxq, struct dp_txq *txq, uint32_t frames,
			    uint32_t frame_size, int ifindex)
{
	struct rx_queue *rx = rxq->queue;
	struct tx_queue *tx = txq->queue;

	if (!is_socket_of(rx->fd, ifindex) || tx->fd != rx->fd || rx->count != frames ||
	    tx->count != frames || rx->next >= frames || tx->next >= frames ||
	    rx->frames[0].iov_base != rx->map || rx->frames[0].iov_len != frame_size ||
	    tx->frames[0].iov_base != tx->map ||
	    tx->room != frame_size - (TPACKET2_HDRLEN - sizeof(struct sockaddr_ll)))
		return NULL;
	struct dp_ring *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->fd = rx->fd;
	rxq->ring = txq->ring = r;
	rxq->poll = ring_rx;
	rxq->csum = true;
	txq->push = ring_tx;
	return r;
}

int dp_ring_fd(struct dp_ring *r)
{
	return r->fd;
}
