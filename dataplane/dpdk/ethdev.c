/* Control of ports, and the way to a driver's private data. */
#include <string.h>

#include "shim.h"

int dp_port_info(uint16_t port, struct rte_eth_dev_info *info)
{
	memset(info, 0, sizeof(*info));
	return rte_eth_dev_info_get(port, info);
}

/* The key of Toeplitz hashing that gives both directions of a flow one value
 * (Woo and Park, 2012). */
static uint8_t symmetric_key[64];

int dp_port_setup(uint16_t port, uint16_t nrx, uint16_t ntx, uint16_t rxd, uint16_t txd,
		  struct rte_mempool *pool, uint16_t mtu, bool rx_csum, bool *csum_on)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	int socket = rte_eth_dev_socket_id(port);
	int err = dp_port_info(port, &info);

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
	for (uint16_t i = 0; i < nrx; i++) {
		err = rte_eth_rx_queue_setup(port, i, rxd, socket, NULL, pool);
		if (err != 0)
			return err;
	}
	for (uint16_t i = 0; i < ntx; i++) {
		err = rte_eth_tx_queue_setup(port, i, txd, socket, NULL);
		if (err != 0)
			return err;
	}
	return 0;
}

int dp_port_link(uint16_t port, uint32_t *mbps)
{
	struct rte_eth_link link = {0};
	int err = rte_eth_link_get_nowait(port, &link);

	if (err != 0)
		return err;
	*mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	return link.link_status == RTE_ETH_LINK_UP;
}

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
	eth_rx_burst_t rx_pkt_burst;
	eth_tx_burst_t tx_pkt_burst;
	void *other[4];
	struct data_front *data;
	void *process_private;
};

extern struct dev_front *rte_eth_dev_allocated(const char *name);
extern int rte_eth_dev_release_port(struct dev_front *dev);

/* dp_port_forget releases what a driver left behind when its creation failed half
 * way. */
void dp_port_forget(const char *name)
{
	struct dev_front *dev = rte_eth_dev_allocated(name);

	if (dev != NULL)
		rte_eth_dev_release_port(dev);
}

bool dp_port_inside(const char *name, struct dp_inside *in)
{
	struct dev_front *dev = rte_eth_dev_allocated(name);

	if (dev == NULL || dev->data == NULL ||
	    strncmp(dev->data->name, name, sizeof(dev->data->name)) != 0)
		return false;
	*in = (struct dp_inside){
		.rx_burst = dev->rx_pkt_burst,
		.tx_burst = dev->tx_pkt_burst,
		.rx_queues = dev->data->rx_queues,
		.tx_queues = dev->data->tx_queues,
		.private = dev->data->dev_private,
		.process = dev->process_private,
	};
	return true;
}
