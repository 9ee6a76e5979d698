/* Measures how long nginx works between two polls for events: preloaded into nginx, it writes a line "SUM LONGEST", in
 * nanoseconds of CPU time, to the file SLICES whenever nginx begins to wait. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

static long long
now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int
epoll_wait(int epoll, struct epoll_event *events, int most, int timeout)
{
    static int (*wait)(int, struct epoll_event *, int, int);
    static long long since, sum, longest;
    static FILE *file;
    const char *name;
    int found;

    if (wait == NULL) {
        wait = (int (*)(int, struct epoll_event *, int, int)) dlsym(RTLD_NEXT, "epoll_wait");
        name = getenv("SLICES");
        file = name ? fopen(name, "a") : NULL;
    }
    if (since) {
        long long slice = now() - since;

        sum += slice;
        longest = slice > longest ? slice : longest;
    }
    if (timeout != 0) {
        if (file) {
            fprintf(file, "%lld %lld\n", sum, longest);
            fflush(file);
        }
        sum = longest = 0;
    }
    found = wait(epoll, events, most, timeout);
    since = now();
    return found;
}
