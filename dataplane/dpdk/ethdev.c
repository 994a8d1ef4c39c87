/* Control of ports, and the way to a driver's private data. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>

#include "queue.h"

/* The front of ethdev's internal device and its data, as in DPDK 22.11. Whoever uses
 * what lies behind them checks it first. */
struct data_front {
	char name[RTE_ETH_NAME_MAX_LEN];
	void **rx_queues, **tx_queues;
	uint16_t nb_rx_queues, nb_tx_queues;
	struct rte_eth_dev_sriov sriov;
	void *dev_private;
};

struct dev_front {
	void *functions[6];
	struct data_front *data;
	void *process_private;
};

extern struct dev_front *rte_eth_dev_allocated(const char *name);
extern int rte_eth_dev_release_port(struct dev_front *dev);

/* forget releases what a driver left behind when its creation failed half
 * way. */
static void forget(const char *name)
{
	struct dev_front *dev = rte_eth_dev_allocated(name);

	if (dev != NULL)
		rte_eth_dev_release_port(dev);
}

int dp_port_attach(const char *name, const char *args)
{
	uint16_t port;
	int err = rte_eal_hotplug_add("vdev", name, args);

	if (err != 0) {
		forget(name);
		return err;
	}
	err = rte_eth_dev_get_port_by_name(name, &port);
	if (err != 0) {
		rte_eal_hotplug_remove("vdev", name);
		return err;
	}
	return port;
}

int dp_port_detach(const char *name)
{
	return rte_eal_hotplug_remove("vdev", name);
}

int dp_port_find(const char *name)
{
	uint16_t port;
	int err = rte_eth_dev_get_port_by_name(name, &port);

	return err != 0 ? err : port;
}

/* dp_port_next returns the first port from a number on, and its name; -1 when there is
 * none. */
int dp_port_next(uint32_t from, char name[64])
{
	uint64_t port = rte_eth_find_next(from);

	if (port >= RTE_MAX_ETHPORTS || rte_eth_dev_get_name_by_port(port, name) != 0)
		return -1;
	return port;
}

int dp_port_info(uint32_t port, struct dp_port_info *info)
{
	struct rte_eth_dev_info i = {0};
	struct rte_ether_addr mac = {0};
	int err = rte_eth_dev_info_get(port, &i);

	if (err == 0)
		err = rte_eth_macaddr_get(port, &mac);
	if (err != 0)
		return err;
	*info = (struct dp_port_info){
		.ifindex = i.if_index,
		.max_rxq = i.max_rx_queues,
		.max_txq = i.max_tx_queues,
	};
	snprintf(info->driver, sizeof(info->driver), "%s", i.driver_name ? i.driver_name : "");
	memcpy(info->mac, mac.addr_bytes, sizeof(info->mac));
	return 0;
}

int dp_port_start(uint32_t port)
{
	return rte_eth_dev_start(port);
}

int dp_port_stop(uint32_t port)
{
	return rte_eth_dev_stop(port);
}

int dp_port_close(uint32_t port)
{
	return rte_eth_dev_close(port);
}

int dp_port_set_mac(uint32_t port, const uint8_t mac[6])
{
	struct rte_ether_addr a;

	memcpy(a.addr_bytes, mac, sizeof(a.addr_bytes));
	return rte_eth_dev_default_mac_addr_set(port, &a);
}

/* dp_port_hear has the device receive multicast, which IPv6 needs, or everything when it
 * cannot choose. Software drivers have no filter and know neither. */
int dp_port_hear(uint32_t port)
{
	int err = rte_eth_allmulticast_enable(port);

	if (err != 0)
		err = rte_eth_promiscuous_enable(port);
	return err == -ENOTSUP ? 0 : err;
}

int dp_port_stats(uint32_t port, struct dp_port_stats *s)
{
	struct rte_eth_stats e = {0};
	int err = rte_eth_stats_get(port, &e);

	*s = (struct dp_port_stats){
		.rx_missed = e.imissed,
		.rx_errors = e.ierrors,
		.tx_errors = e.oerrors,
		.rx_no_bufs = e.rx_nombuf,
	};
	return err;
}

/* The key of Toeplitz hashing that gives both directions of a flow one value
 * (Woo and Park, 2012). */
static uint8_t symmetric_key[64];

int dp_port_setup(uint32_t port, uint32_t nrx, uint32_t ntx, uint32_t rx_desc,
		  uint32_t tx_desc, void *pool, uint32_t mtu, bool rx_csum, bool *csum_on)
{
	struct rte_eth_dev_info info = {0};
	struct rte_eth_conf conf = {0};
	uint16_t rxd = rx_desc, txd = tx_desc;
	int socket = rte_eth_dev_socket_id(port);
	int err = rte_eth_dev_info_get(port, &info);

	if (err != 0)
		return err;
	*csum_on = rx_csum && (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TCP_CKSUM) &&
		   (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
	if (*csum_on)
		conf.rxmode.offloads |= info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_CHECKSUM;
	if (nrx > 1 && info.hash_key_size > 0 && info.hash_key_size <= sizeof(symmetric_key)) {
		for (uint32_t i = 0; i < sizeof(symmetric_key); i++)
			symmetric_key[i] = i % 2 == 0 ? 0x6d : 0x5a;
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_key = symmetric_key;
		conf.rx_adv_conf.rss_conf.rss_key_len = info.hash_key_size;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info.flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP);
	}
	/* 0 is right for software drivers: they claim 1518 bytes, pass any frame, and
	 * refuse a larger MTU that is asked for. */
	conf.rxmode.mtu = mtu;
	err = rte_eth_dev_configure(port, nrx, ntx, &conf);
	if (err != 0)
		return err;
	err = rte_eth_dev_adjust_nb_rx_tx_desc(port, &rxd, &txd);
	if (err != 0)
		return err;
	for (uint32_t i = 0; i < nrx; i++) {
		err = rte_eth_rx_queue_setup(port, i, rxd, socket, NULL, pool);
		if (err != 0)
			return err;
	}
	for (uint32_t i = 0; i < ntx; i++) {
		err = rte_eth_tx_queue_setup(port, i, txd, socket, NULL);
		if (err != 0)
			return err;
	}
	return 0;
}

int dp_port_link(uint32_t port, uint32_t *mbps)
{
	struct rte_eth_link link = {0};
	int err = rte_eth_link_get_nowait(port, &link);

	if (err != 0)
		return err;
	*mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	return link.link_status == RTE_ETH_LINK_UP;
}

bool dp_port_inside(const char *name, struct dp_inside *in)
{
	struct dev_front *dev = rte_eth_dev_allocated(name);

	if (dev == NULL || dev->data == NULL ||
	    strncmp(dev->data->name, name, sizeof(dev->data->name)) != 0)
		return false;
	*in = (struct dp_inside){
		.rx_queues = dev->data->rx_queues,
		.tx_queues = dev->data->tx_queues,
		.private = dev->data->dev_private,
		.process = dev->process_private,
	};
	return true;
}
