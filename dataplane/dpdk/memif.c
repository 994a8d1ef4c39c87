/* The memif driver of DPDK 22.11, with a data path of our own.
 *
 * The driver makes the device, speaks the control protocol and sets up the shared
 * memory; the frames are moved here (copy_rx, copy_tx). Its own bursts corrupt what
 * spans two descriptors, believe every index that the peer writes, and copy at half
 * the speed: between cores that are far apart, 280 ns to send 1514 bytes and 160 to
 * receive them, against 170 and 100 here. Its zero copy is not used: it loses buffers
 * and closes EAL's memory file when it reconnects, lets the peer write to all of our
 * memory, and was slower than copying as soon as the sender writes its frames.
 *
 * When a peer goes away the driver unmaps the shared memory on EAL's interrupt
 * thread, while a worker may be copying from it. The driver has no lock for the data
 * path, but memif_disconnect takes the lock of the control channel between clearing
 * the CONNECTED flag and unmapping. So a burst here holds that lock and looks at the
 * flag first: who disconnects waits for bursts that are under way, and later bursts
 * find the flag clear.
 *
 * Two threads in memif_disconnect at a time close each other's descriptors and free
 * memory twice. Therefore our control code never ends a connection itself: it shuts
 * the control socket down, lets the interrupt thread clean up as if the peer had gone,
 * and goes on when nothing is left (dp_memif_hangup, dp_memif_idle).
 *
 * For that, and for "show memif", this file knows the driver's private structures.
 * dp_memif_new compares everything it can with what the device was created with and
 * refuses a driver that looks different. */
#define ALLOW_EXPERIMENTAL_API /* rte_intr_fd_get */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_atomic.h>
#include <rte_interrupts.h>
#include <rte_log.h>
#include <rte_spinlock.h>

#include "queue.h"

#define CONNECTING (1 << 0)
#define CONNECTED (1 << 1)
#define ZERO_COPY (1 << 2)
#define DISABLED (1 << 3)

enum role { SERVER, CLIENT };

struct params {
	uint8_t log2_ring_size, c2s, s2c;
	uint16_t buffer_size;
};

/* The driver's struct pmd_internals. */
struct private {
	uint32_t id;
	enum role role;
	volatile uint32_t flags;
	char *path;
	char secret[24];
	struct channel *channel;
	rte_spinlock_t lock;
	char remote_name[64], remote_if[64];
	struct params cfg, run;
	char local_reason[96], remote_reason[96];
};

/* The front of struct memif_control_channel. */
struct channel {
	struct rte_intr_handle *intr;
};

/* The driver's struct memif_queue. */
struct queue {
	struct rte_mempool *pool;
	void *unused;
	enum { C2S, S2C } type;
	uint16_t region, port;
	uint32_t ring_offset;
	uint16_t last_head, last_tail;
	struct rte_mbuf **buffers;
	uint64_t packets, bytes;
	struct rte_intr_handle *intr;
	uint8_t log2_ring_size;
};

struct region {
	void *addr;
	uint32_t size;
	int fd;
	uint32_t buffers_offset;
};

/* The driver's struct pmd_process_private. */
struct process {
	struct region *regions[256];
	uint16_t count;
};

/* Shared memory, as the memif protocol version 2.0 lays it out. */
#define COOKIE 0x3E31F20
#define MASK_INT 1
#define NEXT 1

struct desc {
	uint16_t flags, region;
	uint32_t length, offset, metadata;
};

struct ring {
	uint32_t cookie;
	uint16_t flags, head;
	uint8_t pad1[56];
	uint16_t tail;
	uint8_t pad2[62];
	struct desc desc[];
};

struct dp_memif {
	struct private *p;
	struct process *proc;
	struct dp_inside in;
	/* With several queues several workers share the one lock: the first in takes it,
	 * the last out gives it back. */
	bool shared;
	rte_spinlock_t gate;
	uint32_t inside;
};

static bool enter(struct dp_memif *m)
{
	struct private *p = m->p;

	if (m->shared) {
		rte_spinlock_lock(&m->gate);
		bool ok = (p->flags & CONNECTED) &&
			  (m->inside > 0 || rte_spinlock_trylock(&p->lock));
		if (ok && !(p->flags & CONNECTED)) {
			if (m->inside == 0)
				rte_spinlock_unlock(&p->lock);
			ok = false;
		}
		m->inside += ok;
		rte_spinlock_unlock(&m->gate);
		return ok;
	}
	if (!(p->flags & CONNECTED) || !rte_spinlock_trylock(&p->lock))
		return false;
	if (p->flags & CONNECTED)
		return true;
	rte_spinlock_unlock(&p->lock);
	return false;
}

static void leave(struct dp_memif *m)
{
	if (m->shared) {
		rte_spinlock_lock(&m->gate);
		if (--m->inside == 0)
			rte_spinlock_unlock(&m->p->lock);
		rte_spinlock_unlock(&m->gate);
		return;
	}
	rte_spinlock_unlock(&m->p->lock);
}

/* ring_of is valid only inside. */
static struct ring *ring_of(struct dp_memif *m, struct queue *mq)
{
	return (struct ring *)((uint8_t *)m->proc->regions[mq->region]->addr + mq->ring_offset);
}

static bool rx_waits(struct queue *mq, struct ring *r)
{
	if (mq->type == C2S)
		return __atomic_load_n(&r->head, __ATOMIC_ACQUIRE) != mq->last_head;
	return __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) != mq->last_tail;
}

static void drain(struct queue *mq)
{
	uint64_t count;
	int fd = rte_intr_fd_get(mq->intr);

	if (fd >= 0 && read(fd, &count, sizeof(count)) < 0)
		return; /* nothing was signalled */
}

static void disarm(struct dp_rxq *q, struct ring *r)
{
	if (!q->armed)
		return;
	q->armed = false;
	r->flags |= MASK_INT;
	drain(q->queue);
}

static void signal_peer(struct queue *mq)
{
	uint64_t one = 1;
	int fd = rte_intr_fd_get(mq->intr);

	if (fd >= 0)
		(void)!write(fd, &one, sizeof(one));
}

static inline void swap(struct rte_mbuf **a, struct rte_mbuf **b)
{
	struct rte_mbuf *t = *a;

	*a = *b;
	*b = t;
}

/* offer lets the server fill all descriptors that a client is done with. */
static void offer(struct dp_memif *m, struct queue *mq, struct ring *r, uint16_t mask)
{
	uint16_t head = r->head;
	uint16_t n = mask + 1 - (uint16_t)(head - mq->last_tail);

	if (n == 0 || n > mask + 1)
		return;
	for (uint16_t i = 0; i < n; i++)
		r->desc[(uint16_t)(head + i) & mask].length = m->p->run.buffer_size;
	__atomic_store_n(&r->head, head + n, __ATOMIC_RELEASE);
}

/* The bursts. Most of their time is spent waiting for cache lines that
 * the other core has, so the lines of the next packet are asked for while this one is
 * copied. What a descriptor says is checked: it is in memory that the peer writes. */

static inline void fetch(const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(p + i);
}

static inline void fetch_to_write(uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i += RTE_CACHE_LINE_SIZE)
#ifdef RTE_ARCH_X86
		asm volatile("prefetchw (%0)" : : "r"(p + i));
#else
		__builtin_prefetch(p + i, 1);
#endif
}

/* The peer may write to a descriptor at any time: read each member once. */
#define ONCE(x) (*(volatile __typeof__(x) *)&(x))

/* buffer_at is where a descriptor points, when n bytes there are in shared memory. */
static inline uint8_t *buffer_at(struct dp_memif *m, struct desc *d, uint32_t n)
{
	uint16_t region = ONCE(d->region);
	uint64_t offset = ONCE(d->offset);

	if (unlikely(region >= m->proc->count))
		return NULL;
	struct region *g = m->proc->regions[region];
	if (unlikely(g == NULL || g->addr == NULL || offset + n > g->size))
		return NULL;
	return (uint8_t *)g->addr + offset;
}

/* How much of the next frame is asked for ahead: more than a core can have under way
 * does harm. Received descriptors, four to a cache line, are asked for DESCS ahead. */
#define AHEAD 2048u
#define DESCS 8

static uint16_t copy_tx(struct dp_txq *q, struct rte_mbuf **bufs, uint16_t n)
{
	struct dp_memif *m = q->memif;
	struct queue *mq = q->queue;
	bool client = mq->type == C2S;
	uint16_t slot, room, done = 0;

	if (!enter(m))
		return 0;
	struct ring *r = ring_of(m, mq);
	uint16_t mask = (1 << mq->log2_ring_size) - 1;
	if (client) {
		slot = r->head;
		room = mask + 1 - (uint16_t)(slot - __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE));
	} else {
		slot = r->tail;
		room = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE) - slot;
	}
	if (room > mask + 1)
		room = 0; /* indices that cannot be */
	for (n = RTE_MIN(n, room); done < n; done++) {
		struct desc *d = &r->desc[slot & mask];
		uint32_t len = bufs[done]->data_len;
		/* The server writes into what the client offers. */
		uint32_t size = client ? m->p->run.buffer_size : ONCE(d->length);

		if (unlikely(len > size)) {
			/* One frame, one descriptor. */
			q->oversize++;
			continue;
		}
		uint8_t *to = buffer_at(m, d, len);
		if (done + 1 < n) {
			uint8_t *next = buffer_at(m, &r->desc[(slot + 1) & mask], 0);
			if (next != NULL)
				fetch_to_write(next, RTE_MIN(bufs[done + 1]->data_len, AHEAD));
		}
		if (unlikely(to == NULL)) {
			q->oversize++;
			len = 0; /* the descriptor must go on: empty, which receivers ignore */
		} else {
			memcpy(to, rte_pktmbuf_mtod(bufs[done], void *), len);
		}
		d->length = len;
		d->flags = 0;
		slot++;
	}
	if (client)
		__atomic_store_n(&r->head, slot, __ATOMIC_RELEASE);
	else
		__atomic_store_n(&r->tail, slot, __ATOMIC_RELEASE);
	rte_smp_mb(); /* see dp_memif_arm */
	if (done > 0 && !(r->flags & MASK_INT))
		signal_peer(mq);
	leave(m);
	rte_pktmbuf_free_bulk(bufs, done);
	return done;
}

/* take_in copies the frame that begins at slot into b, and returns how many descriptors
 * it has, 0 when its end is not there yet. b stays empty when the frame is not to be
 * believed, or does not fit. */
static inline uint16_t take_in(struct dp_rxq *q, struct ring *r, uint16_t slot, uint16_t mask,
			       uint16_t avail, struct rte_mbuf *b)
{
	struct dp_memif *m = q->memif;
	uint32_t len = 0, room = b->buf_len - b->data_off;
	uint16_t used = 0;
	bool fits = true, good = true, more;

	do {
		struct desc *d = &r->desc[(slot + used) & mask];
		uint32_t n = ONCE(d->length);
		uint8_t *from = buffer_at(m, d, n);

		more = ONCE(d->flags) & NEXT;
		used++;
		good = good && from != NULL;
		fits = fits && n <= room - len;
		if (likely(good && fits)) {
			memcpy(rte_pktmbuf_mtod_offset(b, void *, len), from, n);
			len += n;
		}
	} while (more && used < avail);
	if (unlikely(more && used <= mask))
		return 0;
	if (unlikely(!good || !fits || more)) {
		if (good && !more)
			q->chained++;
		else
			q->malformed++;
		len = 0;
	}
	b->data_len = b->pkt_len = len;
	return used;
}

static uint16_t copy_rx(struct dp_rxq *q, struct rte_mbuf **bufs, uint16_t n)
{
	struct dp_memif *m = q->memif;
	struct queue *mq = q->queue;
	bool client = mq->type == S2C;
	uint16_t slot, avail, got = 0;

	if (!enter(m))
		return 0;
	struct ring *r = ring_of(m, mq);
	uint16_t mask = (1 << mq->log2_ring_size) - 1;
	if (client) {
		slot = mq->last_tail;
		avail = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) - slot;
	} else {
		slot = mq->last_head;
		avail = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE) - slot;
	}
	if (avail > mask + 1)
		avail = 0;
	n = RTE_MIN(n, avail);
	if (n > 0)
		disarm(q, r);
	while (n > 0 && rte_pktmbuf_alloc_bulk(mq->pool, bufs, n) != 0)
		n /= 2;
	uint16_t i = 0;
	for (; i < n && avail > 0; i++) {
		if (slot % 4 == 0)
			fetch((uint8_t *)&r->desc[(slot + DESCS) & mask], 1);
		if (avail > 1) {
			struct desc *e = &r->desc[(slot + 1) & mask];
			uint8_t *next = buffer_at(m, e, 0);
			if (next != NULL)
				fetch(next, RTE_MIN(ONCE(e->length), AHEAD));
		}
		uint16_t used = take_in(q, r, slot, mask, avail, bufs[i]);
		if (unlikely(used == 0))
			break;
		slot += used;
		avail -= used;
		bufs[i]->port = mq->port;
		if (likely(bufs[i]->data_len > 0))
			swap(&bufs[got++], &bufs[i]);
	}
	if (unlikely(got < n))
		rte_pktmbuf_free_bulk(bufs + got, n - got);
	if (!client) {
		mq->last_head = slot;
		if (i > 0)
			__atomic_store_n(&r->tail, slot, __ATOMIC_RELEASE);
	} else {
		mq->last_tail = slot;
		offer(m, mq, r, mask);
	}
	leave(m);
	return got;
}

void dp_memif_bind_rx(struct dp_memif *m, struct dp_rxq *q, uint32_t index)
{
	q->memif = m;
	q->queue = m->in.rx_queues[index];
	q->poll = copy_rx;
}

void dp_memif_bind_tx(struct dp_memif *m, struct dp_txq *q, uint32_t index)
{
	q->memif = m;
	q->queue = m->in.tx_queues[index];
	q->push = copy_tx;
}

/* dp_memif_arm asks the peer to signal the queue's descriptor when it sends. It
 * returns false, and asks for nothing, when packets wait already or there is no
 * peer. The worker of the queue calls it before it sleeps. */
bool dp_memif_arm(uintptr_t queue)
{
	struct dp_rxq *q = (struct dp_rxq *)queue;
	struct dp_memif *m = q->memif;
	struct queue *mq = q->queue;
	bool ok;

	if (!enter(m))
		return true; /* no peer: nothing can come but a connection */
	struct ring *r = ring_of(m, mq);
	drain(mq); /* a signal that nobody needed must not wake us for ever */
	r->flags &= ~MASK_INT;
	rte_smp_mb();
	/* The peer stores its index and then reads the flag without a barrier in between:
	 * give a store that is on its way the time to arrive. */
	for (int i = 0; i < 64; i++)
		rte_pause();
	ok = !rx_waits(mq, r);
	if (ok) {
		q->armed = true;
	} else {
		r->flags |= MASK_INT;
		drain(mq);
	}
	leave(m);
	return ok;
}

/* dp_memif_refuse keeps a server from accepting a client while it stops. */
void dp_memif_refuse(struct dp_memif *m)
{
	m->p->flags |= DISABLED;
}

/* dp_memif_hangup has the interrupt thread end the connection, if there is one. */
void dp_memif_hangup(struct dp_memif *m)
{
	struct private *p = m->p;

	rte_spinlock_lock(&p->lock);
	if (p->channel != NULL)
		(void)!shutdown(rte_intr_fd_get(p->channel->intr), SHUT_RDWR);
	rte_spinlock_unlock(&p->lock);
}

/* dp_memif_idle tells whether nothing is left of a connection: clearing run is the
 * last thing that the driver does. */
bool dp_memif_idle(struct dp_memif *m)
{
	static const struct params none;
	struct private *p = m->p;

	rte_smp_rmb();
	return p->channel == NULL && !(p->flags & (CONNECTED | CONNECTING)) &&
	       m->proc->count == 0 && memcmp(&p->run, &none, sizeof(none)) == 0;
}

/* dp_memif_start starts the port without the driver's complaint, ten times a second,
 * about a server that is not there. */
int dp_memif_start(uint32_t port)
{
	int type = rte_log_register("pmd.net.memif");
	int level = type < 0 ? -1 : rte_log_get_level(type);

	if (level >= 0)
		rte_log_set_level(type, RTE_LOG_CRIT);
	int r = rte_eth_dev_start(port);
	if (level >= 0)
		rte_log_set_level(type, level);
	return r;
}

/* dp_memif_wake_fd is the descriptor that the peer signals in the present connection,
 * or -1. */
int dp_memif_wake_fd(struct dp_memif *m, struct dp_rxq *q)
{
	struct queue *mq = q->queue;
	int fd = -1;

	if (!enter(m))
		return -1;
	fd = rte_intr_fd_get(mq->intr);
	leave(m);
	return fd;
}

void dp_memif_state(struct dp_memif *m, struct dp_memif_state *s)
{
	struct private *p = m->p;

	/* Torn texts do no harm, so the lock that workers try is not taken for them. */
	memset(s, 0, sizeof(*s));
	s->connected = p->flags & CONNECTED;
	s->connecting = p->flags & CONNECTING;
	s->ring_size = p->run.log2_ring_size ? 1u << p->run.log2_ring_size : 0;
	s->buffer_size = p->run.buffer_size;
	s->c2s = p->run.c2s;
	s->s2c = p->run.s2c;
	s->regions = m->proc->count;
	if (s->connected) {
		memcpy(s->remote_name, p->remote_name, sizeof(s->remote_name) - 1);
		memcpy(s->remote_if, p->remote_if, sizeof(s->remote_if) - 1);
	}
	memcpy(s->local_reason, p->local_reason, sizeof(s->local_reason) - 1);
	memcpy(s->remote_reason, p->remote_reason, sizeof(s->remote_reason) - 1);
	if (p->role == SERVER && enter(m)) {
		/* The server learns the sizes from the client's rings. */
		struct queue *mq = m->in.tx_queues[0];

		s->ring_size = 1u << mq->log2_ring_size;
		s->buffer_size = ring_of(m, mq)->desc[0].length;
		leave(m);
	}
}

/* dp_memif_new finds the private data of a configured device; NULL when it is not
 * what this file expects. */
struct dp_memif *dp_memif_new(const char *name, uint32_t id, bool server, const char *path,
			      uint32_t log2_ring, uint32_t buffer_size, uint32_t nrx,
			      uint32_t ntx)
{
	struct dp_inside in;
	enum role role = server ? SERVER : CLIENT;

	if (!dp_port_inside(name, &in) || in.private == NULL || in.process == NULL)
		return NULL;
	struct private *p = in.private;
	if (p->id != id || p->role != role || p->path == NULL || strcmp(p->path, path) != 0 ||
	    (p->flags & (CONNECTED | CONNECTING | DISABLED)) != DISABLED ||
	    (p->flags & ZERO_COPY) || rte_spinlock_is_locked(&p->lock) ||
	    p->channel != NULL || p->cfg.log2_ring_size != log2_ring ||
	    p->cfg.buffer_size != buffer_size || p->cfg.c2s != (server ? nrx : ntx) ||
	    p->cfg.s2c != (server ? ntx : nrx) || p->run.log2_ring_size != 0)
		return NULL;
	for (uint32_t i = 0; i < nrx; i++) {
		struct queue *q = in.rx_queues[i];
		if (q->type != (server ? C2S : S2C) || rte_intr_fd_get(q->intr) != -1)
			return NULL;
	}
	for (uint32_t i = 0; i < ntx; i++) {
		struct queue *q = in.tx_queues[i];
		if (q->type != (server ? S2C : C2S) || rte_intr_fd_get(q->intr) != -1)
			return NULL;
	}
	struct dp_memif *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	*m = (struct dp_memif){
		.p = p, .proc = in.process, .in = in, .shared = nrx > 1 || ntx > 1,
	};
	rte_spinlock_init(&m->gate);
	return m;
}

void dp_memif_free(struct dp_memif *m)
{
	free(m);
}
