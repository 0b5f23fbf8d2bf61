#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "shim.h"

// rte_errno is thread-local, so it must be read in the same crossing.
struct rte_mempool *fulcrum_pktmbuf_pool_create(const char *name, unsigned int buffers,
						unsigned int cache, uint16_t room, int socket,
						int *error)
{
	struct rte_mempool *pool =
		rte_pktmbuf_pool_create(name, buffers, cache, 0, room, socket);

	*error = pool ? 0 : -rte_errno;
	return pool;
}

// link_status is a bit field, which cgo cannot read.
void fulcrum_eth_link_get(uint16_t port, bool *up, uint32_t *speed)
{
	struct rte_eth_link link = {0};

	*up = rte_eth_link_get_nowait(port, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
	*speed = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
}

// The structure holds the address of the key, and Go memory may not hold it for C. *length is the
// size of key on entry and the length of the device's key on return.
int fulcrum_eth_rss_hash_conf_get(uint16_t port, uint8_t *key, uint8_t *length, uint64_t *types)
{
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = *length};
	int rc = rte_eth_dev_rss_hash_conf_get(port, &conf);

	*length = conf.rss_key_len;
	*types = conf.rss_hf;
	return rc;
}
