/*
 * Packets without a link: a program that forwards with DPDK, and has this library preloaded, finds
 * a client's datagram in each buffer that its first port receives. The port is one of net_null,
 * which gives an empty buffer for each that is asked for, and frees what is sent. So the program
 * needs no CPU but those of its workers, and its time per packet is its own. Each queue has flows
 * of its own.
 *
 * The file that FULCRUM_SYNTH names says which packets, and counts them (bench/synth.go). The
 * library replaces rte_eth_dev_start, to be called when the port receives (a callback of the
 * library ethdev).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

/* CPUs fetch cache lines in pairs. */
#define LINES 128
#define MOST_QUEUES 4

/* The order: what bench/synth.go writes before the program starts. Numbers are little-endian. */
struct order {
	uint8_t bytes[128]; /* a frame without its client's address and port, with its checksums */
	uint32_t length;    /* of the frame */
	uint32_t first;     /* the last four bytes of the first client's address */
	uint32_t address, ip_sum, port, sum; /* offsets in the frame; ip_sum may be 0: none */
	uint32_t hosts, first_port;          /* how flows are numbered */
	uint32_t flows; /* of each queue */
	uint32_t mask, half; /* of the order in which flows are visited; mask 0: one after the other */
	uint32_t queues;
	uint64_t padding[10];
	struct made { /* by queue: packets so far; written here, read by the benchmark */
		_Alignas(LINES) uint64_t packets;
	} made[MOST_QUEUES];
};

_Static_assert(offsetof(struct order, made) == 256, "bench/synth.go: madeAt");

static struct order order; /* a copy, which nothing is written to */

/* The state of a queue, in cache lines of its worker's. */
static struct queue {
	_Alignas(LINES) uint64_t *made;
	uint32_t number, next;
} queues[MOST_QUEUES];

/* The same permutation as shuffle in bench/flows.go. */
static inline uint32_t mix(uint32_t i)
{
	i = i * 0x9e3779b1u & order.mask;
	i ^= i >> order.half;
	i = i * 0x4c957f2du & order.mask;
	return i ^ i >> order.half;
}

static inline uint32_t next_flow(struct queue *q)
{
	uint32_t flow = q->next;

	if (++q->next == order.flows)
		q->next = 0;
	if (order.mask != 0)
		do
			flow = mix(flow);
		while (flow >= order.flows);
	return flow * order.queues + q->number;
}

/* RFC 1624, equation 3, for fields that were zero. */
static inline void add_to(uint8_t *checksum, uint32_t change)
{
	uint16_t old;

	memcpy(&old, checksum, 2);
	change += (uint16_t)~rte_be_to_cpu_16(old);
	change = (change & 0xffff) + (change >> 16);
	change = (change & 0xffff) + (change >> 16);
	old = rte_cpu_to_be_16(~change & 0xffff);
	if (old == 0)
		old = 0xffff;
	memcpy(checksum, &old, 2);
}

static inline void write_frame(uint8_t *frame, uint32_t flow)
{
	uint32_t address = order.first + flow % order.hosts;
	uint16_t port = order.first_port + flow / order.hosts;
	uint32_t change = (address >> 16) + (address & 0xffff);
	uint32_t wide = rte_cpu_to_be_32(address);
	uint16_t narrow = rte_cpu_to_be_16(port);

	memcpy(frame, order.bytes, 64);
	memcpy(frame + order.address, &wide, 4);
	memcpy(frame + order.port, &narrow, 2);
	if (order.ip_sum != 0)
		add_to(frame + order.ip_sum, change);
	add_to(frame + order.sum, change + port);
}

static uint16_t fill(uint16_t port, uint16_t queue, struct rte_mbuf *packets[], uint16_t n,
		     uint16_t most, void *own)
{
	struct queue *q = own;

	(void)port, (void)queue, (void)most;
	for (uint16_t i = 0; i < n; i++) {
		packets[i]->data_len = packets[i]->pkt_len = order.length;
		write_frame(rte_pktmbuf_mtod(packets[i], uint8_t *), next_flow(q));
	}
	__atomic_store_n(q->made, *q->made + n, __ATOMIC_RELAXED);
	return n;
}

/* Reads the order. The frame's buffer holds at least 64 bytes, whatever the length. */
static int take_order(void)
{
	const char *file = getenv("FULCRUM_SYNTH");
	int fd = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
	struct order *shared;

	if (fd < 0)
		return -1;
	shared = mmap(NULL, sizeof(order), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (shared == MAP_FAILED)
		return -1;
	memcpy(&order, shared, sizeof(order));
	if (order.queues < 1 || order.queues > MOST_QUEUES)
		return -1;
	for (uint32_t i = 0; i < order.queues; i++)
		queues[i] = (struct queue){&shared->made[i].packets, i, 0};
	return 0;
}

/* Has every queue filled. A program with another number of queues would get other packets. */
static int fill_queues(uint16_t port)
{
	struct rte_eth_dev_info info;
	int status = rte_eth_dev_info_get(port, &info);

	if (status != 0)
		return status;
	if (info.nb_rx_queues != order.queues) {
		fprintf(stderr, "synth: the port has %u queues, not %u\n", info.nb_rx_queues, order.queues);
		return -EINVAL;
	}
	for (uint32_t i = 0; i < order.queues; i++)
		if (!rte_eth_add_rx_callback(port, i, fill, &queues[i]))
			return -ENOTSUP;
	return 0;
}

__attribute__((visibility("default"))) int rte_eth_dev_start(uint16_t port)
{
	int (*start)(uint16_t) = (int (*)(uint16_t))dlsym(RTLD_NEXT, "rte_eth_dev_start");
	int status = start(port);

	if (status != 0 || queues[0].made)
		return status;
	if (take_order() != 0) {
		fprintf(stderr, "synth: FULCRUM_SYNTH names no file with an order\n");
		return -EINVAL;
	}
	/* The packets are for this port. */
	rte_eth_macaddr_get(port, (struct rte_ether_addr *)order.bytes);
	return fill_queues(port);
}
