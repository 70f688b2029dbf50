/* Reads the clock that the host gives the guest through time synchronisation, /dev/ptp0.
 *
 *    clock            prints it beside the system's own clock, both in ns since 1970
 *    clock exit N     prints both and waits until N ms later by the first, then ends the machine by a
 *                     write to port 0xF4: the host sees when that was by its own clock
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <time.h>
#include <unistd.h>

#define PORT_EXIT 0xf4

static uint64_t now(clockid_t clock)
{
    struct timespec t;

    if (clock_gettime(clock, &t)) {
        perror("clock: clock_gettime");
        exit(1);
    }
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
    int ptp = open("/dev/ptp0", O_RDONLY);
    clockid_t clock = (clockid_t)(((unsigned)~ptp << 3) | 3); /* Linux: FD_TO_CLOCKID */

    if (ptp < 0) {
        perror("clock: /dev/ptp0");
        return 1;
    }
    uint64_t start = now(clock), real = now(CLOCK_REALTIME);

    printf("CLOCK ptp %llu realtime %llu\n", (unsigned long long)start, (unsigned long long)real);
    fflush(stdout);
    if (argc < 3 || strcmp(argv[1], "exit"))
        return 0;
    if (iopl(3)) {
        perror("clock: iopl");
        return 1;
    }
    while (now(clock) < start + (uint64_t)atoi(argv[2]) * 1000000u)
        ;
    outb(0, PORT_EXIT);
    return 0;
}
