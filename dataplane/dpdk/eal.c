/* EAL start and its log: DPDK writes to a stream of ours, which keeps the last lines
 * in memory and, when asked to, shows the severe ones on stderr. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_version.h>

#include "shim.h"

#define LOG_SIZE (64 * 1024)

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[LOG_SIZE];
static uint64_t log_end;        /* bytes ever written */
static uint32_t log_show = RTE_LOG_CRIT; /* show messages up to this level */

static ssize_t log_write(void *cookie __rte_unused, const char *text, size_t n)
{
	int level = rte_log_cur_msg_loglevel();

	pthread_mutex_lock(&log_lock);
	for (size_t i = 0; i < n; i++)
		log_text[log_end++ % LOG_SIZE] = text[i];
	pthread_mutex_unlock(&log_lock);
	if (level > 0 && (uint32_t)level <= log_show &&
	    write(STDERR_FILENO, text, n) < 0)
		return n; /* nobody to tell */
	return n;
}

int dp_log_open(void)
{
	cookie_io_functions_t io = {.write = log_write};
	FILE *f = fopencookie(NULL, "w", io);

	if (f == NULL)
		return -1;
	setvbuf(f, NULL, _IOLBF, BUFSIZ);
	return rte_openlog_stream(f);
}

void dp_log_stderr(uint32_t level)
{
	/* What EAL says before it aborts the process must be seen. */
	log_show = level > RTE_LOG_CRIT ? level : RTE_LOG_CRIT;
}

/* dp_log_read copies what was written since *pos, as far as it is kept, and moves
 * *pos on. */
uint32_t dp_log_read(uint64_t *pos, char *to, uint32_t n)
{
	uint32_t i = 0;

	pthread_mutex_lock(&log_lock);
	if (log_end - *pos > LOG_SIZE)
		*pos = log_end - LOG_SIZE;
	while (i < n && *pos < log_end)
		to[i++] = log_text[(*pos)++ % LOG_SIZE];
	pthread_mutex_unlock(&log_lock);
	return i;
}

/* dp_eal_init returns 0 or a negative error number. */
int dp_eal_init(int argc, char **argv)
{
	if (rte_eal_init(argc, argv) >= 0)
		return 0;
	return rte_errno > 0 ? -rte_errno : -EINVAL;
}

const char *dp_version(void)
{
	return rte_version();
}

void dp_thread_start(void)
{
	rte_thread_register();
}

void dp_thread_stop(void)
{
	rte_thread_unregister();
}

int32_t dp_lcore(void)
{
	unsigned int id = rte_lcore_id();

	return id == LCORE_ID_ANY ? -1 : (int32_t)id;
}
