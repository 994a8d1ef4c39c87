/* The tap driver of DPDK 22.11: where its descriptors are. */
#include <string.h>
#include <unistd.h>

#include "shim.h"

/* The driver's struct pmd_process_private. */
struct process {
	int rx[16], tx[16];
};

/* dp_tap_fd is the descriptor that becomes readable when the kernel sends to a queue;
 * -1 when the driver does not look as expected. */
int dp_tap_fd(const char *name, uint32_t queue)
{
	struct dp_inside in;
	char link[64], target[64];

	if (!dp_port_inside(name, &in) || in.process == NULL || queue >= 16)
		return -1;
	int fd = ((struct process *)in.process)->rx[queue];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return -1;
	target[n] = 0;
	return strcmp(target, "/dev/net/tun") == 0 ? fd : -1;
}
