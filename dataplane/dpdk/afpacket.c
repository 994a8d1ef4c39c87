/* The af_packet driver of DPDK 22.11, made safe.
 *
 * The driver waits in poll(2) when its transmit ring is full, and it does not say
 * when the kernel cut a packet to the size of a ring frame. Both can be seen in the
 * ring before the driver is called, so the bursts here look there first. The kernel
 * also tells there whether it has verified the transport checksum, or left it out
 * because the packet was made on this machine.
 *
 * The driver's sockets are in a fanout group that has the kernel reassemble IPv4
 * fragments, into packets that no ring frame holds, and that shows us what the kernel
 * itself sends on the interface. Neither can be switched off in a group, so dp_ring_new
 * puts sockets and rings of our own in the place of the driver's, under the same
 * descriptors and addresses. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "queue.h"

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
	bool unsent;    /* the kernel has not taken all that was queued */
	uint32_t empty; /* polls in a row that found nothing */
};

/* When an interface goes down its sockets report an error until somebody looks at it,
 * and wake who sleeps on them again and again. So look now and then. */
#define CLEAR_ERRORS 1024

enum { CUT = 1, SUMMED = 2 };

static struct tpacket2_hdr *frame(struct iovec *frames, unsigned int i)
{
	return frames[i].iov_base;
}

static void kick(struct dp_ring *r)
{
	r->unsent = false;
	/* What the kernel does not take now is tried again with the next frame. */
	(void)!sendto(r->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
}

static void clear_error(struct dp_ring *r)
{
	int err;
	socklen_t n = sizeof(err);

	(void)!getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &err, &n);
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
	if (want == 0) {
		if (++q->ring->empty % CLEAR_ERRORS == 0)
			clear_error(q->ring);
		return 0;
	}
	q->ring->empty = 0;
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

static bool expected(struct rx_queue *rx, struct tx_queue *tx, uint32_t frames,
		     uint32_t frame_size, int ifindex)
{
	return is_socket_of(rx->fd, ifindex) && tx->fd == rx->fd && rx->count == frames &&
	       tx->count == frames && rx->next == 0 && tx->next == 0 &&
	       rx->frames[0].iov_base == rx->map && rx->frames[0].iov_len == frame_size &&
	       tx->frames[0].iov_base == tx->map &&
	       tx->map == rx->map + (size_t)frames * frame_size &&
	       tx->room == frame_size - (TPACKET2_HDRLEN - sizeof(struct sockaddr_ll));
}

/* open_ring makes a socket with both rings mapped at addr, over what is there. */
static int open_ring(struct tpacket_req *req, int ifindex, void *addr, int *fanout)
{
	int version = TPACKET_V2, on = 1, size = INT32_MAX / 2;
	size_t bytes = 2 * (size_t)req->tp_block_size * req->tp_block_nr;
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex};
	struct packet_mreq all = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	/* Room for the whole ring to be under way, so that nothing stays behind. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		(void)!setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	/* Not the traffic control queue: it delays, and its drops are not seen. */
	(void)!setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	/* Not what the kernel itself sends (Linux 4.20 or later). */
	(void)!setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_LOSS, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_RX_RING, req, sizeof(*req)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_TX_RING, req, sizeof(*req)) < 0 ||
	    mmap(addr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0)
		goto fail;
	if (fanout != NULL) {
		/* The first of the group has the kernel choose its number. */
		int how = PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_ROLLOVER;
		socklen_t n = sizeof(*fanout);
		int arg = *fanout < 0 ? (how | PACKET_FANOUT_FLAG_UNIQUEID) << 16
				      : how << 16 | (*fanout & 0xffff);

		if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &arg, sizeof(arg)) < 0 ||
		    getsockopt(fd, SOL_PACKET, PACKET_FANOUT, fanout, &n) < 0)
			goto fail;
	}
	return fd;
fail:;
	int err = errno;
	close(fd);
	errno = err;
	return -1;
}

/* dp_ring_new replaces the socket of one pair of queues of a started port and binds
 * the queues to it. It returns NULL with errno: EPROTO when the driver does not look as
 * expected. fanout is NULL for a port with one pair of queues; else it is -1 for the
 * first pair and what that made of it for the others. */
struct dp_ring *dp_ring_new(struct dp_rxq *rxq, struct dp_txq *txq, uint32_t frames,
			    uint32_t frame_size, uint32_t block_size, int ifindex, int *fanout)
{
	struct rx_queue *rx = rxq->queue;
	struct tx_queue *tx = txq->queue;
	struct tpacket_req req = {
		.tp_block_size = block_size,
		.tp_block_nr = (size_t)frames * frame_size / block_size,
		.tp_frame_size = frame_size,
		.tp_frame_nr = frames,
	};

	if (!expected(rx, tx, frames, frame_size, ifindex)) {
		errno = EPROTO;
		return NULL;
	}
	struct dp_ring *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	int fd = open_ring(&req, ifindex, rx->map, fanout);
	if (fd < 0 || dup3(fd, rx->fd, O_CLOEXEC) < 0) {
		int err = errno;
		free(r);
		if (fd >= 0)
			close(fd);
		errno = err;
		return NULL;
	}
	close(fd);
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
