#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "shim.h"

_Static_assert(RTE_PKTMBUF_HEADROOM >= 128, "ports.Headroom");

// What Go changed about the packet goes back into the mbuf. Receive flags would mean something
// else to a transmitting driver; the flags that say whose memory the buffer is must stay.
static inline struct rte_mbuf *mbuf_of(const struct fulcrum_packet *p)
{
	struct rte_mbuf *m = (struct rte_mbuf *)p->handle;

	m->data_off = p->offset;
	m->data_len = p->length;
	m->pkt_len = p->length;
	m->nb_segs = 1;
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	return m;
}

static inline void transmit(uint16_t port, uint16_t queue, struct fulcrum_burst *tx)
{
	struct rte_mbuf *mbufs[FULCRUM_MAX_BURST];
	uint16_t sent;

	for (int64_t i = 0; i < tx->n; i++)
		mbufs[i] = mbuf_of(&tx->packets[i]);
	sent = rte_eth_tx_burst(port, queue, mbufs, tx->n);
	tx->n -= sent;
	if (tx->n > 0)
		memmove(tx->packets, tx->packets + sent, tx->n * sizeof(tx->packets[0]));
}

static inline void release(struct fulcrum_burst *burst)
{
	struct rte_mbuf *mbufs[FULCRUM_MAX_BURST];

	for (int64_t i = 0; i < burst->n; i++)
		mbufs[i] = (struct rte_mbuf *)burst->packets[i].handle;
	rte_pktmbuf_free_bulk(mbufs, burst->n);
	burst->n = 0;
}

// The engine sees contiguous packets only. Returns the flag that says where this failed.
static uint16_t make_contiguous(struct rte_mbuf *m)
{
	if (rte_pktmbuf_linearize(m) == 0)
		return 0;
	rte_pktmbuf_free(m->next);
	m->next = NULL;
	m->nb_segs = 1;
	m->pkt_len = m->data_len;
	return FULCRUM_RX_MULTI_SEGMENT;
}

static inline uint16_t rx_flags(uint64_t ol_flags)
{
	uint16_t flags = 0;

	// RX_VLAN alone says that there is a tag in the packet, which the parser sees itself.
	if (ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)
		flags |= FULCRUM_RX_VLAN;
	if (ol_flags & RTE_MBUF_F_RX_RSS_HASH)
		flags |= FULCRUM_RX_HASH;
	if ((ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_BAD)
		flags |= FULCRUM_RX_BAD_IP;
	if ((ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		flags |= FULCRUM_RX_BAD_L4;
	return flags;
}

static inline void describe(struct rte_mbuf *m, struct fulcrum_packet *p)
{
	p->handle = (uintptr_t)m;
	p->buffer = (uintptr_t)m->buf_addr;
	p->offset = m->data_off;
	p->length = m->data_len;
	p->room = m->buf_len;
	p->vlan = m->vlan_tci;
	p->hash = m->hash.rss;
	p->rx_flags = rx_flags(m->ol_flags);
	p->tx_flags = 0;
	p->port = 0;
	p->queue = 0;
	p->spare = 0;
}

static inline void receive(uint16_t port, uint16_t queue, uint16_t index, struct fulcrum_burst *rx)
{
	struct rte_mbuf *mbufs[FULCRUM_MAX_BURST];
	uint16_t n = rte_eth_rx_burst(port, queue, mbufs, FULCRUM_MAX_BURST);

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i];
		struct fulcrum_packet *p = &rx->packets[i];
		uint16_t flags = 0;

		if (unlikely(m->nb_segs > 1))
			flags = make_contiguous(m);
		// The parser reads the headers next, by the time this loop is through.
		rte_prefetch0(rte_pktmbuf_mtod(m, void *));
		describe(m, p);
		p->rx_flags |= flags;
		p->port = index;
		p->queue = queue;
	}
	rx->n = n;
}

void fulcrum_exchange(uint16_t port, uint16_t queue, uint16_t index,
		      struct fulcrum_burst *tx, struct fulcrum_burst *free,
		      struct fulcrum_burst *rx)
{
	if (tx && tx->n)
		transmit(port, queue, tx);
	if (free && free->n)
		release(free);
	if (rx)
		receive(port, queue, index, rx);
}

bool fulcrum_alloc(struct rte_mempool *pool, uint16_t length, struct fulcrum_packet *packet)
{
	struct rte_mbuf *m;

	if (length > rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM)
		return false;
	m = rte_pktmbuf_alloc(pool);
	if (!m)
		return false;
	describe(m, packet);
	packet->length = length;
	return true;
}

bool fulcrum_alloc_burst(struct rte_mempool *pool, uint16_t count, uint16_t length, uint16_t index,
			 uint16_t queue, struct fulcrum_burst *burst)
{
	struct rte_mbuf *mbufs[FULCRUM_MAX_BURST];

	if (length > rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM)
		return false;
	if (rte_pktmbuf_alloc_bulk(pool, mbufs, count) != 0)
		return false;
	for (uint16_t i = 0; i < count; i++) {
		struct fulcrum_packet *p = &burst->packets[burst->n++];

		describe(mbufs[i], p);
		p->length = length;
		p->port = index;
		p->queue = queue;
	}
	return true;
}
