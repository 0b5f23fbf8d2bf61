#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "shim.h"

_Static_assert(RTE_PKTMBUF_HEADROOM >= 128, "ports.Headroom");

// Returns the mbuf of a packet with the changes that Go made. The packet has one segment. Receive
// flags would mean something else to a transmitting driver; the flags that say whose memory the
// buffer is must stay.
static inline struct rte_mbuf *mbuf_of(const struct fulcrum_packet *p)
{
	struct rte_mbuf *m = (struct rte_mbuf *)p->handle;

	m->data_off = p->offset;
	m->data_len = p->length;
	m->pkt_len = p->length;
	if (unlikely(m->ol_flags))
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

// Joins the segments of a packet, because the engine sees contiguous packets only. If that fails,
// it keeps the first segment and returns the flag that reports this.
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

	if (likely(ol_flags == 0))
		return 0;
	// RX_VLAN alone means that the tag is still in the packet, where the parser sees it.
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

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "describe()");

typedef uint64_t __attribute__((may_alias)) word;

// Go copies descriptions sixteen bytes at a time. A description written field by field, in narrow
// stores, would stall the copy until the stores have reached the cache. So it is put together in
// registers. The last word sets handovers to 0.
static inline void describe(struct rte_mbuf *m, struct fulcrum_packet *p, uint16_t flags,
			    uint16_t port, uint16_t queue)
{
	word *words = (word *)p;

	words[0] = (uintptr_t)m;
	words[1] = (uintptr_t)m->buf_addr;
	words[2] = m->data_off | (uint64_t)m->data_len << 16 | (uint64_t)m->buf_len << 32 |
		   (uint64_t)m->vlan_tci << 48;
	words[3] = m->hash.rss | (uint64_t)(flags | rx_flags(m->ol_flags)) << 32;
	words[4] = port | (uint64_t)queue << 16;
}

// Every packet has the given flags.
static inline void receive(uint16_t port, uint16_t queue, uint16_t index, uint16_t flags,
			   struct fulcrum_burst *rx)
{
	struct rte_mbuf *mbufs[FULCRUM_MAX_BURST];
	uint16_t n = rte_eth_rx_burst(port, queue, mbufs, FULCRUM_MAX_BURST);

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i];
		struct fulcrum_packet *p = &rx->packets[i];
		uint16_t more = 0;

		if (unlikely(m->nb_segs > 1))
			more = make_contiguous(m);
		// The parser reads the headers soon after this loop.
		rte_prefetch0(rte_pktmbuf_mtod(m, void *));
		describe(m, p, flags | more, index, queue);
	}
	rx->n = n;
}

void fulcrum_exchange(uint16_t port, uint16_t queue, uint16_t index, uint16_t flags,
		      struct fulcrum_burst *tx, struct fulcrum_burst *free,
		      struct fulcrum_burst *rx)
{
	if (tx && tx->n)
		transmit(port, queue, tx);
	if (free && free->n)
		release(free);
	if (rx)
		receive(port, queue, index, flags, rx);
}

bool fulcrum_alloc(struct rte_mempool *pool, uint16_t length, struct fulcrum_packet *packet)
{
	struct rte_mbuf *m;

	if (length > rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM)
		return false;
	m = rte_pktmbuf_alloc(pool);
	if (!m)
		return false;
	m->data_len = length;
	describe(m, packet, 0, 0, 0);
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
		mbufs[i]->data_len = length;
		describe(mbufs[i], &burst->packets[burst->n++], 0, index, queue);
	}
	return true;
}
