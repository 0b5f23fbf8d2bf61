// The C side of ports/dpdk: what DPDK offers only as inline functions, bit fields or thread-local
// variables, and the functions of the hot path.
#ifndef FULCRUM_SHIM_H
#define FULCRUM_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FULCRUM_MAX_BURST 64
#define FULCRUM_LOG_SIZE 16384

// RxFlags of package ports.
#define FULCRUM_RX_VLAN 1
#define FULCRUM_RX_HASH 2
#define FULCRUM_RX_BAD_IP 4
#define FULCRUM_RX_BAD_L4 8
#define FULCRUM_RX_MULTI_SEGMENT 16
#define FULCRUM_RX_UNFINISHED 32

// ports.Packet.
struct fulcrum_packet {
	uintptr_t handle; // struct rte_mbuf *
	uintptr_t buffer;
	uint16_t offset;
	uint16_t length;
	uint16_t buffer_len;
	uint16_t vlan;
	uint32_t hash;
	uint16_t rx_flags;
	uint16_t tx_flags;
	uint16_t port;
	uint16_t queue;
	uint32_t handovers;
};

// ports.Burst.
struct fulcrum_burst {
	int64_t n;
	struct fulcrum_packet packets[FULCRUM_MAX_BURST];
};

_Static_assert(sizeof(struct fulcrum_packet) == 40, "ports.Packet has 40 bytes");
_Static_assert(offsetof(struct fulcrum_packet, buffer) == 8, "ports.Packet.Buffer");
_Static_assert(offsetof(struct fulcrum_packet, offset) == 16, "ports.Packet.Offset");
_Static_assert(offsetof(struct fulcrum_packet, vlan) == 22, "ports.Packet.VLAN");
_Static_assert(offsetof(struct fulcrum_packet, hash) == 24, "ports.Packet.Hash");
_Static_assert(offsetof(struct fulcrum_packet, rx_flags) == 28, "ports.Packet.RxFlags");
_Static_assert(offsetof(struct fulcrum_packet, port) == 32, "ports.Packet.Port");
_Static_assert(offsetof(struct fulcrum_burst, packets) == 8, "ports.Burst.Packets");

struct rte_mempool;

// A port to stop and to close, and the results.
struct fulcrum_closing {
	uint16_t port;
	int stopped, closed;
};

// shim_burst.c
void fulcrum_exchange(uint16_t port, uint16_t queue, uint16_t index, uint16_t flags,
		      struct fulcrum_burst *tx, struct fulcrum_burst *free,
		      struct fulcrum_burst *rx);
bool fulcrum_alloc(struct rte_mempool *pool, uint16_t length, struct fulcrum_packet *packet);
bool fulcrum_alloc_burst(struct rte_mempool *pool, uint16_t count, uint16_t length, uint16_t index,
			 uint16_t queue, struct fulcrum_burst *burst);

// shim_eal.c; negative errno on failure
int fulcrum_eal_init(int argc, char **argv);
int fulcrum_thread_register(void);

// shim_port.c
struct rte_mempool *fulcrum_pktmbuf_pool_create(const char *name, unsigned int buffers,
						unsigned int cache, uint16_t room, int socket,
						int *error);
void fulcrum_eth_close_all(struct fulcrum_closing *ports, size_t n);
void fulcrum_pool_refill(struct rte_mempool *pool);
void fulcrum_pool_touch(struct rte_mempool *pool);
void fulcrum_eth_link_get(uint16_t port, bool *up, uint32_t *speed);
int fulcrum_eth_rss_hash_conf_get(uint16_t port, uint8_t *key, uint8_t *length, uint64_t *types);

// shim_log.c
int fulcrum_log_open(void);
uint64_t fulcrum_log_mark(void);
size_t fulcrum_log_since(uint64_t mark, char *text, size_t size);
void fulcrum_log_take_terminal(void);
void fulcrum_log_return_terminal(void);

#endif
