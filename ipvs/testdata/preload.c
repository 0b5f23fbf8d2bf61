/*
 * Has a program that uses libnl-genl reach the director at the socket FULCRUM_IPVS instead of the
 * kernel's family IPVS. It is the least that a test needs: the library for use is another one.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct nl_sock;
struct nl_msg;
struct nl_cb;
struct nlmsghdr;
struct sockaddr_nl;
struct ucred;

struct nlmsghdr *nlmsg_hdr(struct nl_msg *);
struct nl_cb *nl_socket_get_cb(const struct nl_sock *);
void nl_cb_put(struct nl_cb *);
void nl_cb_overwrite_send(struct nl_cb *, int (*)(struct nl_sock *, struct nl_msg *));
void nl_cb_overwrite_recv(struct nl_cb *, int (*)(struct nl_sock *, struct sockaddr_nl *,
	unsigned char **, struct ucred **));

enum { ROOM = 16384 };

static int director = -1;

static int to_director(struct nl_sock *sk, struct nl_msg *msg)
{
	struct nlmsghdr *h = nlmsg_hdr(msg);

	(void)sk;
	return send(director, h, *(unsigned int *)h, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int from_director(struct nl_sock *sk, struct sockaddr_nl *from, unsigned char **buf,
	struct ucred **creds)
{
	ssize_t n;

	(void)sk, (void)creds;
	memset(from, 0, 12);
	*buf = malloc(ROOM);
	n = recv(director, *buf, ROOM, 0);
	return n <= 0 ? -1 : (int)n;
}

int genl_connect(struct nl_sock *sk)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct nl_cb *cb = nl_socket_get_cb(sk);

	strncpy(to.sun_path, getenv("FULCRUM_IPVS"), sizeof(to.sun_path) - 1);
	director = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	nl_cb_overwrite_send(cb, to_director);
	nl_cb_overwrite_recv(cb, from_director);
	nl_cb_put(cb);
	return connect(director, (struct sockaddr *)&to, sizeof(to)) ? -1 : 0;
}

int genl_ctrl_resolve(struct nl_sock *sk, const char *name)
{
	(void)sk, (void)name;
	return 0x20;
}
