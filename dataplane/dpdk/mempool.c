/* Buffers in bulk, and the layout that Go believes in. */
#include <stddef.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>

#include "queue.h"

/* packed is rte_pktmbuf_pool_create for ordinary pages. There DPDK keeps every object within
 * a page, so that a device finds it in one piece of physical memory, and a buffer of 2304
 * bytes takes all of a page. No device that works with ordinary pages looks at those. */
static struct rte_mempool *packed(const char *name, uint32_t n, uint32_t cache, uint32_t meta,
				  uint32_t room)
{
	struct rte_pktmbuf_pool_private own = {.mbuf_data_room_size = room, .mbuf_priv_size = meta};
	struct rte_mempool *mp = rte_mempool_create_empty(
		name, n, sizeof(struct rte_mbuf) + meta + room, cache, sizeof(own),
		SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
	int r;

	if (mp == NULL)
		return NULL;
	r = rte_mempool_set_ops_byname(mp, rte_mbuf_best_mempool_ops(), NULL);
	if (r == 0) {
		rte_pktmbuf_pool_init(mp, &own);
		r = rte_mempool_populate_default(mp);
	}
	if (r < 0) {
		rte_mempool_free(mp);
		rte_errno = -r;
		return NULL;
	}
	rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
	return mp;
}

void *dp_pool_new(const char *name, uint32_t n, uint32_t cache, uint32_t meta, uint32_t room,
		  int *err)
{
	struct rte_mempool *mp;

	if (rte_eal_has_hugepages() || rte_eal_iova_mode() != RTE_IOVA_VA)
		mp = rte_pktmbuf_pool_create(name, n, cache, meta, room, SOCKET_ID_ANY);
	else
		mp = packed(name, n, cache, meta, room);
	*err = mp == NULL ? rte_errno : 0;
	return mp;
}

void dp_pool_free(void *pool)
{
	rte_mempool_free(pool);
}

uint32_t dp_pool_avail(void *pool)
{
	return rte_mempool_avail_count(pool);
}

/* dp_pool_get fills bufs as far as the pool can and returns how many. */
uint32_t dp_pool_get(uintptr_t pool, uintptr_t bufs, uint32_t n)
{
	struct rte_mempool *mp = (struct rte_mempool *)pool;
	void **to = (void **)bufs;
	uint32_t got = 0;

	/* A bulk is all or nothing: when the pool runs low take what is left in
	 * smaller and smaller pieces. */
	for (uint32_t step = n; step > 0 && got < n;) {
		if (step > n - got)
			step = n - got;
		if (rte_mempool_get_bulk(mp, to + got, step) == 0)
			got += step;
		else
			step /= 2;
	}
	return got;
}

void dp_pool_put(uintptr_t pool, uintptr_t bufs, uint32_t n)
{
	rte_mempool_put_bulk((struct rte_mempool *)pool, (void **)bufs, n);
}

void dp_free_chain(uintptr_t buf)
{
	rte_pktmbuf_free((struct rte_mbuf *)buf);
}

#define FIELD(f) (uint32_t)offsetof(struct rte_mbuf, f), (uint32_t)sizeof(((struct rte_mbuf *)0)->f)
#define META(f) (uint32_t)offsetof(struct dp_meta, f), (uint32_t)sizeof(((struct dp_meta *)0)->f)

/* dp_layout lists offsets and sizes in the order of mbuf.go; ~0 ends it. */
uint32_t dp_layout(uint32_t i)
{
	static const uint32_t l[] = {
		sizeof(struct rte_mbuf), sizeof(struct dp_meta),
		FIELD(buf_addr), FIELD(buf_iova), FIELD(data_off), FIELD(refcnt),
		FIELD(nb_segs), FIELD(port), FIELD(ol_flags), FIELD(packet_type),
		FIELD(pkt_len), FIELD(data_len), FIELD(vlan_tci), FIELD(hash.rss),
		FIELD(vlan_tci_outer), FIELD(buf_len), FIELD(pool), FIELD(next),
		FIELD(tx_offload), FIELD(shinfo), FIELD(priv_size), FIELD(timesync),
		META(arrived), META(iface), META(hash), META(trace), META(conn),
		META(l3), META(l4), META(l4_len), META(flags), META(proto), META(scratch),
		RTE_PKTMBUF_HEADROOM,
		(uint32_t)((RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL) >> 32),
	};

	return i < RTE_DIM(l) ? l[i] : UINT32_MAX;
}
