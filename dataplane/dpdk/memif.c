/* The memif driver of DPDK 22.11, made safe.
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
#include <rte_malloc.h>
#include <rte_spinlock.h>

#include "shim.h"

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
	bool zero_copy;
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

static uint16_t memif_rx(struct dp_rxq *q, struct rte_mbuf **bufs, uint16_t n)
{
	struct dp_memif *m = q->memif;
	struct queue *mq = q->queue;

	if (!enter(m))
		return 0;
	struct ring *r = ring_of(m, mq);
	/* A client must also come here to post its first buffers. */
	if (!rx_waits(mq, r) && (mq->type == C2S || r->head != mq->last_tail)) {
		leave(m);
		return 0;
	}
	if (q->armed) {
		q->armed = false;
		r->flags |= MASK_INT;
		drain(mq);
	}
	n = q->burst(mq, bufs, n);
	if (m->zero_copy)
		q->posted = r->head;
	leave(m);
	return n;
}

static uint16_t memif_tx(struct dp_txq *q, struct rte_mbuf **bufs, uint16_t n)
{
	struct dp_memif *m = q->memif;
	struct queue *mq = q->queue;

	if (!enter(m))
		return 0;
	struct ring *r = ring_of(m, mq);
	n = q->burst(mq, bufs, n);
	if (m->zero_copy)
		q->posted = r->head;
	leave(m);
	return n;
}

/* server_tx writes into buffers whose size the client chose. A frame that needs two
 * of them must not be sent: the driver would leave a flag behind that corrupts later
 * frames. Its length limit is therefore what the next descriptor holds. */
static uint16_t server_tx(struct dp_txq *q, struct rte_mbuf **bufs, uint16_t n)
{
	struct dp_memif *m = q->memif;
	struct queue *mq = q->queue;
	uint16_t sent = 0, from = 0;

	if (!enter(m))
		return 0;
	struct ring *r = ring_of(m, mq);
	uint16_t slot = r->tail;
	if (__atomic_load_n(&r->head, __ATOMIC_ACQUIRE) == slot) {
		leave(m);
		return 0;
	}
	uint32_t room = r->desc[slot & ((1 << mq->log2_ring_size) - 1)].length;
	for (uint16_t i = 0; i <= n; i++) {
		if (i < n && likely(bufs[i]->data_len <= room))
			continue;
		/* bufs[from:i] fit; bufs[i] does not, or is the end */
		if (i > from) {
			uint16_t k = q->burst(mq, bufs + from, i - from);
			sent += k;
			if (k < i - from)
				break;
		}
		if (i < n) {
			q->oversize++;
			rte_pktmbuf_free(bufs[i]);
			sent++;
			from = i + 1;
		}
	}
	leave(m);
	return sent;
}

void dp_memif_guard_rx(struct dp_memif *m, struct dp_rxq *q, uint32_t index)
{
	q->memif = m;
	q->burst = m->in.rx_burst;
	q->queue = m->in.rx_queues[index];
	q->poll = memif_rx;
}

void dp_memif_guard_tx(struct dp_memif *m, struct dp_txq *q, uint32_t index)
{
	q->memif = m;
	q->burst = m->in.tx_burst;
	q->queue = m->in.tx_queues[index];
	q->push = m->p->role == SERVER ? server_tx : memif_tx;
}

/* reclaim frees the buffers that a zero-copy client had given to a peer that is gone:
 * those between the driver's own index and what it had posted. The driver forgets
 * them. The port must be stopped. */
static uint32_t reclaim(struct queue *mq, uint16_t *posted)
{
	uint16_t mask = (1 << mq->log2_ring_size) - 1;
	uint32_t n = 0;

	if (mq->buffers == NULL)
		return 0;
	for (uint16_t s = mq->last_tail; s != *posted; s++, n++)
		rte_pktmbuf_free_seg(mq->buffers[s & mask]);
	rte_free(mq->buffers);
	mq->buffers = NULL;
	mq->last_head = mq->last_tail = *posted = 0;
	return n;
}

uint32_t dp_memif_reclaim_rx(struct dp_memif *m, struct dp_rxq *q)
{
	q->armed = false;
	return m->zero_copy ? reclaim(q->queue, &q->posted) : 0;
}

uint32_t dp_memif_reclaim_tx(struct dp_memif *m, struct dp_txq *q)
{
	return m->zero_copy ? reclaim(q->queue, &q->posted) : 0;
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
int dp_memif_start(uint16_t port)
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
struct dp_memif *dp_memif_new(const char *name, uint32_t id, bool server, bool zero_copy,
			      const char *path, uint32_t log2_ring, uint32_t buffer_size,
			      uint32_t nrx, uint32_t ntx)
{
	struct dp_inside in;
	enum role role = server ? SERVER : CLIENT;

	if (!dp_port_inside(name, &in) || in.private == NULL || in.process == NULL)
		return NULL;
	struct private *p = in.private;
	if (p->id != id || p->role != role || p->path == NULL || strcmp(p->path, path) != 0 ||
	    (p->flags & (CONNECTED | CONNECTING | DISABLED)) != DISABLED ||
	    !(p->flags & ZERO_COPY) == zero_copy || rte_spinlock_is_locked(&p->lock) ||
	    p->channel != NULL || p->cfg.log2_ring_size != log2_ring ||
	    p->cfg.buffer_size != buffer_size || p->cfg.c2s != (server ? nrx : ntx) ||
	    p->cfg.s2c != (server ? ntx : nrx) || p->run.log2_ring_size != 0)
		return NULL;
	for (uint32_t i = 0; i < nrx; i++) {
		struct queue *q = in.rx_queues[i];
		if (q->type != (server ? C2S : S2C) || q->buffers != NULL ||
		    rte_intr_fd_get(q->intr) != -1)
			return NULL;
	}
	for (uint32_t i = 0; i < ntx; i++) {
		struct queue *q = in.tx_queues[i];
		if (q->type != (server ? S2C : C2S) || q->buffers != NULL ||
		    rte_intr_fd_get(q->intr) != -1)
			return NULL;
	}
	struct dp_memif *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	*m = (struct dp_memif){
		.p = p, .proc = in.process, .in = in, .zero_copy = zero_copy,
		.shared = nrx > 1 || ntx > 1,
	};
	rte_spinlock_init(&m->gate);
	return m;
}

void dp_memif_free(struct dp_memif *m)
{
	free(m);
}
