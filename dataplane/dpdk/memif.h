/* The memif driver's private structures (DPDK 22.11), and the way in for bursts. */
#ifndef DP_MEMIF_H
#define DP_MEMIF_H

#include <unistd.h>

#include <rte_interrupts.h>
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
	/* The peer may have fewer queues. Then our first ones have a ring, and tx is held by
	 * who sends: the others use those rings as well. */
	uint32_t ntx;
	rte_spinlock_t tx;
};

/* rte_intr_fd_get is marked experimental. Allowing such functions as a whole would
 * compile DPDK's trace points into the packet path. */
static inline int intr_fd(const struct rte_intr_handle *h)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	return rte_intr_fd_get(h);
#pragma GCC diagnostic pop
}

static inline bool enter(struct dp_memif *m)
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

static inline void leave(struct dp_memif *m)
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

/* rings is how many queues of a direction the present connection has; valid only inside. */
static inline uint32_t rings(struct dp_memif *m, struct queue *mq)
{
	return mq->type == C2S ? m->p->run.c2s : m->p->run.s2c;
}

/* ring_of is valid only inside. */
static inline struct ring *ring_of(struct dp_memif *m, struct queue *mq)
{
	return (struct ring *)((uint8_t *)m->proc->regions[mq->region]->addr + mq->ring_offset);
}

static inline bool rx_waits(struct queue *mq, struct ring *r)
{
	if (mq->type == C2S)
		return __atomic_load_n(&r->head, __ATOMIC_ACQUIRE) != mq->last_head;
	return __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) != mq->last_tail;
}

static inline void drain(struct queue *mq)
{
	uint64_t count;
	int fd = intr_fd(mq->intr);

	if (fd >= 0 && read(fd, &count, sizeof(count)) < 0)
		return; /* nothing was signalled */
}

#endif
