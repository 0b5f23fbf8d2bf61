/*
 * libfulcrum-ipvs.so lets unmodified ipvsadm and keepalived drive Fulcrum instead of the kernel's
 * IPVS. Preloaded (LD_PRELOAD), it replaces functions that both programs call:
 *
 *   genl_ctrl_resolve   asks the kernel for a generic netlink family. For "IPVS" the socket becomes
 *                       a connection to the director, which speaks the same messages.
 *   fopen, fopen64      of /proc/net/ip_vs_conn reads the director's sessions as they come.
 *
 * All other families and files go to the real functions. FULCRUM_IPVS is the path of the director's
 * socket; without it the library does nothing.
 *
 * A request that gets no answer is answered here by an error message, as the kernel would: for
 * keepalived 2.2.7 a request that cannot be sent is done, and when it cannot receive it tries for
 * ever.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* Children of the program have this library too. Weak, these may be missing where libnl is. */
#pragma weak nl_cb_overwrite_recv
#pragma weak nl_cb_overwrite_send
#pragma weak nl_cb_put
#pragma weak nl_socket_get_cb
#pragma weak nl_socket_get_fd
#pragma weak nlmsg_hdr

enum {
	IPVS_FAMILY = 0x20, /* type of the messages that are the kernel's */
	SESSIONS = 0x21,    /* type of the list of sessions, which is Fulcrum's own */
	LIST_SESSIONS = 1,  /* the only command of that type */
	DATAGRAM = 16384,   /* bytes of a datagram of that list, at most */
	PATIENCE = 10,      /* seconds that the director may take for an answer */
	TRIES = 10,         /* to connect: a director that restarts is away for a moment */
	PAUSE = 50 * 1000,  /* microseconds between them */
};

/* This thread's last request, and why it cannot be answered: an errno, or 0. */
static __thread struct nlmsghdr asked;
static __thread int problem;

static const char *director(void)
{
	const char *path = secure_getenv("FULCRUM_IPVS");

	return path && *path ? path : NULL;
}

/* complain prints the reason of a failure, as libnl has no error code for most of them. */
static void complain(int reason)
{
	dprintf(STDERR_FILENO, "libfulcrum-ipvs: no answer from the director at %s: %s\n", director(),
		strerror(reason));
}

/* new_socket returns a socket without connection, which never blocks for long, or -1. */
static int new_socket(void)
{
	const struct timeval patience = {.tv_sec = PATIENCE};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	}
	return fd;
}

/* dial returns a connection to the director, or -1 with errno. */
static int dial(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int tries, fd, err = ENAMETOOLONG;

	if (strlen(director()) < sizeof(to.sun_path)) {
		strcpy(to.sun_path, director());
		err = ECONNREFUSED;
	}
	for (tries = 0; tries < TRIES && (err == ECONNREFUSED || err == ENOENT); tries++) {
		if (tries)
			usleep(PAUSE);
		fd = new_socket();
		if (fd < 0)
			return -1;
		if (!connect(fd, (struct sockaddr *)&to, sizeof(to)))
			return fd;
		err = errno == EAGAIN ? ETIMEDOUT : errno; /* it listens, but accepts nobody */
		close(fd);
	}
	errno = err;
	return -1;
}

/* replace puts the socket by in the place of fd, whose number the program knows. */
static int replace(int fd, int by)
{
	int done = by < 0 ? -1 : dup3(by, fd, O_CLOEXEC);
	int err = errno;

	if (by >= 0)
		close(by);
	errno = err;
	return done < 0 ? -1 : 0;
}

/* receive returns the length of the next datagram, or -1 with errno. Signals do not end it. */
static ssize_t receive(int fd, void *to, size_t size, int flags)
{
	ssize_t n;

	do
		n = recv(fd, to, size, flags | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (!n)
		errno = ECONNRESET;
	else if (n < 0 && errno == EAGAIN)
		errno = ETIMEDOUT;
	return n ? n : -1;
}

/* send_request is libnl's way to send for the family IPVS. It connects if there is no connection,
 * or none any more: then the director has not got the request, and it may be sent again. */
static int send_request(struct nl_sock *sk, struct nl_msg *msg)
{
	const struct nlmsghdr *h = nlmsg_hdr(msg);
	int fd = nl_socket_get_fd(sk);
	ssize_t n = send(fd, h, h->nlmsg_len, MSG_NOSIGNAL);

	if (n < 0 && (errno == ENOTCONN || errno == EPIPE || errno == ECONNRESET)) {
		n = replace(fd, dial());
		if (!n)
			n = send(fd, h, h->nlmsg_len, MSG_NOSIGNAL);
	}
	problem = n < 0 ? errno : 0;
	asked = *h;
	return h->nlmsg_len; /* receive_answer tells of a problem */
}

/* deny makes the answer to a request that has a problem. */
static int deny(unsigned char **buf)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} *answer = calloc(1, sizeof(*answer));

	if (!answer)
		return -NLE_NOMEM;
	answer->h.nlmsg_len = sizeof(*answer);
	answer->h.nlmsg_type = NLMSG_ERROR;
	answer->h.nlmsg_seq = asked.nlmsg_seq;
	answer->h.nlmsg_pid = asked.nlmsg_pid;
	/* libnl knows EAGAIN; errors that it does not know end up as "permission denied". */
	answer->e.error = problem == EACCES || problem == EPERM ? -EPERM : -EAGAIN;
	answer->e.msg = asked;
	*buf = (unsigned char *)answer;
	return sizeof(*answer);
}

/* receive_answer is libnl's way to receive for the family IPVS. The caller frees buf. A failure
 * ends the connection, so that a late answer is not taken for the next one. */
static int receive_answer(struct nl_sock *sk, struct sockaddr_nl *from, unsigned char **buf,
			  struct ucred **creds)
{
	int fd = nl_socket_get_fd(sk);
	ssize_t n = 0;

	*from = (struct sockaddr_nl){.nl_family = AF_NETLINK};
	*buf = NULL;
	if (creds)
		*creds = NULL;
	if (!problem) {
		n = receive(fd, NULL, 0, MSG_PEEK);
		problem = n < 0 ? errno : n < NLMSG_HDRLEN ? EPROTO : 0;
	}
	if (!problem && !(*buf = malloc(n)))
		problem = ENOMEM;
	if (!problem)
		return receive(fd, *buf, n, 0);
	complain(problem);
	shutdown(fd, SHUT_RDWR);
	return deny(buf);
}

/* genl_ctrl_resolve turns the program's netlink socket into one for the director, without a
 * connection yet. It does not fail for want of a director: ipvsadm would turn to the kernel. */
EXPORT int genl_ctrl_resolve(struct nl_sock *sk, const char *name)
{
	int (*real)(struct nl_sock *, const char *);
	struct nl_cb *cb;

	if (!director() || strcmp(name, "IPVS")) {
		real = dlsym(RTLD_NEXT, "genl_ctrl_resolve");
		return real ? real(sk, name) : -NLE_OPNOTSUPP;
	}
	if (replace(nl_socket_get_fd(sk), new_socket()))
		return -NLE_BAD_SOCK;
	cb = nl_socket_get_cb(sk);
	nl_cb_overwrite_send(cb, send_request);
	nl_cb_overwrite_recv(cb, receive_answer);
	nl_cb_put(cb);
	return IPVS_FAMILY;
}

/* A list of sessions while the program reads it. text is what is left of the last message, next
 * is the one after it, with left bytes of the datagram. */
struct list {
	int fd, left, done;
	size_t length; /* of text */
	const char *text;
	struct nlmsghdr *next, datagram[DATAGRAM / sizeof(struct nlmsghdr)];
};

/* next_message fetches a message and returns 0, or an errno. */
static int next_message(struct list *l)
{
	struct nlmsghdr *h;

	if (l->left <= 0) {
		l->left = receive(l->fd, l->datagram, sizeof(l->datagram), 0);
		l->next = l->datagram;
		if (l->left < 0)
			return errno;
	}
	h = l->next;
	if (l->left > (int)sizeof(l->datagram) || !NLMSG_OK(h, (unsigned int)l->left))
		return EPROTO;
	l->next = NLMSG_NEXT(h, l->left);
	if (h->nlmsg_type == NLMSG_ERROR && NLMSG_PAYLOAD(h, 0) >= sizeof(int))
		return *(int *)NLMSG_DATA(h) < 0 ? -*(int *)NLMSG_DATA(h) : EPROTO;
	l->done = h->nlmsg_type == NLMSG_DONE;
	if (!l->done && (h->nlmsg_type != SESSIONS || NLMSG_PAYLOAD(h, 0) < GENL_HDRLEN))
		return EPROTO;
	l->text = (const char *)NLMSG_DATA(h) + GENL_HDRLEN;
	l->length = l->done ? 0 : NLMSG_PAYLOAD(h, GENL_HDRLEN);
	return 0;
}

/* read_list is the stream's way to read. A list that breaks off ends with a complaint, and not with
 * an error: ipvsadm reads until the end of the file, and tries for ever after an error. */
static ssize_t read_list(void *list, char *to, size_t size)
{
	struct list *l = list;
	int err;

	while (!l->length && !l->done) {
		err = next_message(l);
		if (err) {
			complain(err);
			l->done = 1;
		}
	}
	if (size > l->length)
		size = l->length;
	memcpy(to, l->text, size);
	l->text += size;
	l->length -= size;
	return size;
}

static int close_list(void *list)
{
	close(((struct list *)list)->fd);
	free(list);
	return 0;
}

/* open_list asks for the sessions and awaits the first message: the director may refuse. */
static FILE *open_list(void)
{
	const struct {
		struct nlmsghdr h;
		struct genlmsghdr g;
	} request = {
		{sizeof(request), SESSIONS, NLM_F_REQUEST | NLM_F_ACK | NLM_F_DUMP, 1, getpid()},
		{.cmd = LIST_SESSIONS, .version = 1},
	};
	const cookie_io_functions_t ways = {.read = read_list, .close = close_list};
	struct list *l = calloc(1, sizeof(*l));
	FILE *file;
	int err;

	if (!l)
		return NULL;
	l->fd = dial();
	if (l->fd < 0 || send(l->fd, &request, sizeof(request), MSG_NOSIGNAL) < 0)
		err = errno;
	else
		err = next_message(l);
	if (!err && (file = fopencookie(l, "r", ways)))
		return file;
	err = err ? err : errno;
	complain(err);
	close_list(l);
	errno = err;
	return NULL;
}

/* open_file opens the list of sessions, or another file by the real function of that name. */
static FILE *open_file(const char *name, const char *path, const char *mode)
{
	FILE *(*real)(const char *, const char *);

	if (director() && !strcmp(path, "/proc/net/ip_vs_conn") && *mode == 'r')
		return open_list();
	real = dlsym(RTLD_NEXT, name);
	return real ? real(path, mode) : NULL;
}

EXPORT FILE *fopen(const char *path, const char *mode)
{
	return open_file("fopen", path, mode);
}

EXPORT FILE *fopen64(const char *path, const char *mode)
{
	return open_file("fopen64", path, mode);
}
