#include <pthread.h>
#include <stdlib.h>

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

// Writing back what is there changes nothing, as long as no device and no other thread writes.
// Larger pages are touched several times.
static void touch_chunk(struct rte_mempool *pool, void *opaque, struct rte_mempool_memhdr *chunk,
			unsigned int number)
{
	volatile char *memory = chunk->addr;

	(void)pool;
	(void)opaque;
	(void)number;
	for (size_t at = 0; at < chunk->len; at += 4096)
		memory[at] = memory[at];
}

void fulcrum_pool_touch(struct rte_mempool *pool)
{
	rte_mempool_mem_iter(pool, touch_chunk, NULL);
}

static void put_back(struct rte_mempool *pool, void *opaque, void *object, unsigned int number)
{
	(void)opaque;
	(void)number;
	rte_mempool_put(pool, object);
}

// Takes out what is left in the pool, and puts all of its buffers back.
void fulcrum_pool_refill(struct rte_mempool *pool)
{
	void *object;

	while (rte_mempool_get(pool, &object) == 0)
		;
	rte_mempool_obj_iter(pool, put_back, NULL);
}

static void *close_one(void *opaque)
{
	struct fulcrum_closing *c = opaque;

	c->stopped = rte_eth_dev_stop(c->port);
	c->closed = rte_eth_dev_close(c->port);
	return NULL;
}

// Closes all ports at once: most of the time goes into waits of the kernel. The threads are in the
// caller's network namespace. Without threads, the caller closes one after the other.
void fulcrum_eth_close_all(struct fulcrum_closing *ports, size_t n)
{
	pthread_t *threads = calloc(n, sizeof(*threads));
	size_t started = 0;

	while (threads && started + 1 < n &&
	       pthread_create(&threads[started], NULL, close_one, &ports[started]) == 0)
		started++;
	for (size_t i = started; i < n; i++)
		close_one(&ports[i]);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	free(threads);
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
