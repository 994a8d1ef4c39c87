/* The memif driver of DPDK 22.11, with a data path of our own.
 *
 * The driver makes the device, speaks the control protocol and sets up the shared
 * memory; we move the frames (memif_burst.c). Its own bursts corrupt what
 * spans two descriptors, believe every index that the peer writes, and copy at half
 * the speed: between cores that are far apart, 285 ns to send 1514 bytes and 160 to
 * receive them, against 163 and 100. Its zero copy is not used: it loses buffers
 * and closes EAL's memory file when it reconnects, lets the peer write to all of our
 * memory, and was slower than copying as soon as the sender writes its frames.
 *
 * When a peer goes away the driver unmaps the shared memory on EAL's interrupt
 * thread, while a worker may be copying from it. The driver has no lock for the data
 * path, but memif_disconnect takes the lock of the control channel between clearing
 * the CONNECTED flag and unmapping. So a burst holds that lock and looks at the flag
 * first (enter, in memif.h): who disconnects waits for bursts that are under way, and
 * later bursts find the flag clear.
 *
 * Two threads in memif_disconnect at a time close each other's descriptors and free
 * memory twice. Therefore our control code never ends a connection itself: it shuts
 * the control socket down, lets the interrupt thread clean up as if the peer had gone,
 * and goes on when nothing is left (dp_memif_hangup, dp_memif_idle).
 *
 * For that, and for "show memif", memif.h has the driver's private structures.
 * dp_memif_new compares everything it can with what the device was created with and
 * refuses a driver that looks different. */
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <rte_atomic.h>
#include <rte_log.h>

#include "memif.h"

/* dp_memif_refuse keeps a server from accepting a client while it stops. */
void dp_memif_refuse(struct dp_memif *m)
{
	m->p->flags |= DISABLED;
}

/* lock_gently takes the lock that workers hold during their bursts. Control code often
 * shares its core with such a worker, and would spin while that cannot go on. */
static bool lock_gently(struct private *p)
{
	for (int i = 0; i < 5000; i++) {
		if (rte_spinlock_trylock(&p->lock))
			return true;
		usleep(20);
	}
	return false;
}

/* dp_memif_hangup has the interrupt thread end the connection, if there is one. */
void dp_memif_hangup(struct dp_memif *m)
{
	struct private *p = m->p;

	if (!lock_gently(p))
		rte_spinlock_lock(&p->lock);
	if (p->channel != NULL)
		(void)!shutdown(intr_fd(p->channel->intr), SHUT_RDWR);
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

/* dp_memif_limit has later connections of a client use at most so many rings: the
 * driver's server refuses more than it has queues. */
void dp_memif_limit(struct dp_memif *m, uint32_t c2s, uint32_t s2c)
{
	m->p->cfg.c2s = c2s;
	m->p->cfg.s2c = s2c;
}

/* dp_memif_wake_fd is the descriptor that the peer signals in the present connection,
 * or -1. */
int dp_memif_wake_fd(struct dp_memif *m, struct dp_rxq *q)
{
	struct queue *mq = q->queue;
	int fd = -1;

	if (!enter(m))
		return -1;
	fd = intr_fd(mq->intr);
	leave(m);
	return fd;
}

/* dp_memif_connection names the present connection, by the inode of its socket: 0 for
 * none, UINT64_MAX when it cannot be told just now. */
uint64_t dp_memif_connection(struct dp_memif *m)
{
	struct private *p = m->p;
	struct stat st;
	int fd = -1;

	if (!lock_gently(p))
		return UINT64_MAX;
	if (p->channel != NULL)
		fd = intr_fd(p->channel->intr);
	rte_spinlock_unlock(&p->lock);
	return fd >= 0 && fstat(fd, &st) == 0 ? st.st_ino : 0;
}

void dp_memif_state(struct dp_memif *m, struct dp_memif_state *s)
{
	struct private *p = m->p;

	memset(s, 0, sizeof(*s));
	/* Torn texts do no harm, so the lock that workers try is not taken for them. */
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
		if (q->type != (server ? C2S : S2C) || intr_fd(q->intr) != -1)
			return NULL;
	}
	for (uint32_t i = 0; i < ntx; i++) {
		struct queue *q = in.tx_queues[i];
		if (q->type != (server ? S2C : C2S) || intr_fd(q->intr) != -1)
			return NULL;
	}
	struct dp_memif *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	*m = (struct dp_memif){
		.p = p, .proc = in.process, .in = in, .shared = nrx > 1 || ntx > 1,
		.ntx = ntx,
	};
	rte_spinlock_init(&m->gate);
	rte_spinlock_init(&m->tx);
	return m;
}

void dp_memif_free(struct dp_memif *m)
{
	free(m);
}
