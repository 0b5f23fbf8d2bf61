/*
 * Asks for what each line of its input names, as keepalived does: over one socket for the family
 * IPVS all the time. "info" sends GET_INFO and prints what comes of it, "family NAME" resolves a
 * family by a socket of its own, "file PATH" counts the lines of a file.
 */
#include <linux/ip_vs.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int done, error;

static int on_end(struct nl_msg *msg, void *arg)
{
	(void)msg, (void)arg;
	done = 1;
	return NL_STOP;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	(void)from, (void)arg;
	done = 1;
	error = -e->error;
	return NL_STOP;
}

static struct nl_sock *connected(void)
{
	struct nl_sock *sk = nl_socket_alloc();

	if (!sk || genl_connect(sk) < 0)
		exit(1);
	return sk;
}

static void info(struct nl_sock *sk, int family)
{
	struct nl_msg *msg = nlmsg_alloc();
	int n = 0;

	if (!msg || !genlmsg_put(msg, NL_AUTO_PID, NL_AUTO_SEQ, family, 0, 0, IPVS_CMD_GET_INFO, 1) ||
	    nl_send_auto(sk, msg) < 0)
		exit(1);
	nlmsg_free(msg);
	done = error = 0;
	while (!done && n >= 0)
		n = nl_recvmsgs_default(sk);
	printf("%s\n", !done ? "nothing" : error ? strerror(error) : "ok");
}

static void count(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[256];
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		n++;
	printf("%d\n", f ? n : -1);
	if (f)
		fclose(f);
}

int main(void)
{
	struct nl_sock *sk = connected(), *other;
	int family = genl_ctrl_resolve(sk, IPVS_GENL_NAME);
	char line[256];

	nl_socket_modify_err_cb(sk, NL_CB_CUSTOM, on_error, NULL);
	nl_socket_modify_cb(sk, NL_CB_ACK, NL_CB_CUSTOM, on_end, NULL);
	setlinebuf(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (!strcmp(line, "info")) {
			info(sk, family);
		} else if (!strncmp(line, "family ", 7)) {
			other = connected();
			printf("%d\n", genl_ctrl_resolve(other, line + 7));
			nl_socket_free(other);
		} else if (!strncmp(line, "file ", 5)) {
			count(line + 5);
		}
	}
	nl_socket_free(sk);
	return 0;
}
