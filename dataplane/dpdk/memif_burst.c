/* The packet path of memif: frames between packet buffers and shared memory. See
 * memif.c. */
#include <string.h>

#include <rte_atomic.h>

#include "memif.h"

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
	int fd = intr_fd(mq->intr);

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

/* copy_tx sends the first of n frames, as many as there is room for, and returns how
 * many it is done with. The buffers stay the caller's. */
static uint16_t copy_tx(struct dp_txq *q, struct rte_mbuf **bufs, uint16_t n)
{
	struct dp_memif *m = q->memif;
	struct queue *mq = q->queue;
	bool client = mq->type == C2S;
	uint16_t slot, room, done = 0;
	uint64_t packets = 0, bytes = 0;

	if (!enter(m))
		return 0;
	uint32_t have = rings(m, mq);
	bool crowd = have < m->ntx;
	if (unlikely(crowd)) {
		if (have == 0 || !rte_spinlock_trylock(&m->tx)) {
			leave(m);
			return 0; /* as a full ring */
		}
		mq = m->in.tx_queues[q->index % have];
	}
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

		if (unlikely(len > size || bufs[done]->nb_segs != 1)) {
			/* One frame, one descriptor, one buffer. */
			if (bufs[done]->nb_segs != 1)
				q->chained++;
			else
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
			packets++;
			bytes += len;
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
	if (unlikely(crowd))
		rte_spinlock_unlock(&m->tx);
	leave(m);
	q->packets += packets;
	q->bytes += bytes;
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

/* copy_rx receives into the first of n empty buffers, as many as there are frames, and
 * returns how many it filled. */
static uint16_t copy_rx(struct dp_rxq *q, struct rte_mbuf **bufs, uint16_t n)
{
	struct dp_memif *m = q->memif;
	struct queue *mq = q->queue;
	bool client = mq->type == S2C;
	uint16_t slot, avail, got = 0;

	if (!enter(m))
		return 0;
	if (unlikely(q->index >= rings(m, mq))) {
		leave(m); /* the peer has fewer queues */
		return 0;
	}
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
	q->index = index;
	q->fill = copy_rx;
}

void dp_memif_bind_tx(struct dp_memif *m, struct dp_txq *q, uint32_t index)
{
	q->memif = m;
	q->queue = m->in.tx_queues[index];
	q->index = index;
	q->copy = copy_tx;
}

/* dp_memif_arm asks the peer to signal the queue's descriptor when it sends. It
 * returns false, and asks for nothing, when packets wait already. The worker of the
 * queue calls it before it sleeps. */
bool dp_memif_arm(uintptr_t queue)
{
	struct dp_rxq *q = (struct dp_rxq *)queue;
	struct dp_memif *m = q->memif;
	struct queue *mq = q->queue;
	bool ok;

	if (!enter(m))
		/* No peer: nothing can come but a connection. Else somebody looks at the device
		 * just now: try again. */
		return !(m->p->flags & CONNECTED);
	if (q->index >= rings(m, mq)) {
		leave(m);
		return true; /* nothing comes here from this peer */
	}
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
