#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include "shim.h"

// rte_eal_init pins the calling thread and makes it the main lcore. The thread belongs to the Go
// scheduler, so both are undone: afterwards it must be an ordinary thread again.
int fulcrum_eal_init(int argc, char **argv)
{
	cpu_set_t before;
	int rc;

	rc = pthread_getaffinity_np(pthread_self(), sizeof(before), &before);
	if (rc != 0)
		return -rc;
	fulcrum_log_take_terminal();
	rte_errno = 0;
	rc = rte_eal_init(argc, argv);
	fulcrum_log_return_terminal();
	pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
	RTE_PER_LCORE(_lcore_id) = LCORE_ID_ANY;
	if (rc >= 0)
		return 0;
	return rte_errno > 0 ? -rte_errno : -1;
}

int fulcrum_thread_register(void)
{
	return rte_thread_register() == 0 ? 0 : -rte_errno;
}
