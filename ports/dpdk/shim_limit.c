// Go's runtime and the threads that it starts end the process with a dump of registers if the
// address space is too small for them, before any Go code could check it. This runs before both.
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

// A director of one worker takes more; with less, Go may fail before it comes to check.
#define LEAST_MIB 2048

__attribute__((constructor)) static void check_address_space(void)
{
	struct rlimit limit;
	char text[256];
	int n;

	if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
	    limit.rlim_cur >> 20 >= LEAST_MIB)
		return;
	n = snprintf(text, sizeof(text),
		"fulcrum: the address space is limited to %llu MiB, and at least %d MiB are needed: "
		"raise or remove the limit (ulimit -v, LimitAS= of the unit)\n",
		(unsigned long long)(limit.rlim_cur >> 20), LEAST_MIB);
	if (write(STDERR_FILENO, text, n) != n)
		_exit(2);
	_exit(1);
}
