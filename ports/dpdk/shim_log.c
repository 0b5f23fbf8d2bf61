// DPDK's log goes to a ring in memory, because the terminal belongs to the director. An error
// takes the lines of the failed call from the ring.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <sys/types.h>

#include <rte_log.h>

#include "shim.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char ring[FULCRUM_LOG_SIZE];
static uint64_t written; // bytes ever written; the ring holds the last FULCRUM_LOG_SIZE of them
static FILE *stream;
static FILE *terminal_out, *terminal_err;

static ssize_t log_write(void *cookie, const char *text, size_t size)
{
	(void)cookie;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < size; i++)
		ring[written++ % FULCRUM_LOG_SIZE] = text[i];
	pthread_mutex_unlock(&lock);
	return size;
}

int fulcrum_log_open(void)
{
	cookie_io_functions_t functions = {.write = log_write};

	if (stream)
		return 0;
	stream = fopencookie(NULL, "w", functions);
	if (!stream)
		return -1;
	setvbuf(stream, NULL, _IONBF, 0);
	return rte_openlog_stream(stream);
}

uint64_t fulcrum_log_mark(void)
{
	uint64_t mark;

	pthread_mutex_lock(&lock);
	mark = written;
	pthread_mutex_unlock(&lock);
	return mark;
}

// Copies the text that was written since the mark and is still in the ring. If it does not fit,
// only its end is copied.
size_t fulcrum_log_since(uint64_t mark, char *text, size_t size)
{
	size_t n = 0;

	pthread_mutex_lock(&lock);
	if (written - mark > FULCRUM_LOG_SIZE)
		mark = written - FULCRUM_LOG_SIZE;
	if (written - mark > size)
		mark = written - size;
	while (mark < written)
		text[n++] = ring[mark++ % FULCRUM_LOG_SIZE];
	pthread_mutex_unlock(&lock);
	return n;
}

// rte_eal_init prints its usage and its fatal errors with stdio, not to the log. Go writes to file
// descriptors, so its own output is not lost meanwhile.
void fulcrum_log_take_terminal(void)
{
	terminal_out = stdout;
	terminal_err = stderr;
	stdout = stderr = stream;
}

void fulcrum_log_return_terminal(void)
{
	stdout = terminal_out;
	stderr = terminal_err;
}
