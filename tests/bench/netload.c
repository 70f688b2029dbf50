/* The load of the network benchmarks, inside two Linux guests: one serves, the other asks.
 *
 *     netload serve                     answers until it is killed
 *     netload ping HOST COUNT           64-byte datagrams there and back, one at a time
 *     netload burst HOST COUNT          bursts of 32 datagrams, the last of which is answered
 *     netload stream HOST KIB           one TCP stream
 *
 * It prints NETLOAD-DONE when it is done. Frames have 64 bytes: 14 Ethernet, 20 IPv4, 8 UDP, 22 ours. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT          7000
#define PAYLOAD_BYTES 22
#define BURST         32
#define CHUNK_BYTES   65536

static void check(int is_good, const char *what)
{
    if (is_good)
        return;
    perror(what);
    printf("NETLOAD-FAILED %s\n", what);
    exit(1);
}

static struct sockaddr_in address(const char *host)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT) };

    check(!host || inet_pton(AF_INET, host, &a.sin_addr) == 1, "address");
    return a;
}

static int open_socket(int type, const char *host)
{
    struct sockaddr_in a = address(host);
    int on = 1, s = socket(AF_INET, type, 0);

    check(s >= 0, "socket");
    check(!setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), "setsockopt");
    check(!(host ? connect(s, (void *)&a, sizeof(a)) : bind(s, (void *)&a, sizeof(a))),
          host ? "connect" : "bind");
    return s;
}

static void serve_datagrams(void)
{
    int s = open_socket(SOCK_DGRAM, NULL);
    char bytes[PAYLOAD_BYTES];
    struct sockaddr_in from;

    for (;;) {
        socklen_t n = sizeof(from);

        if (recvfrom(s, bytes, sizeof(bytes), 0, (void *)&from, &n) > 0 && bytes[0])
            sendto(s, bytes, sizeof(bytes), 0, (void *)&from, n);
    }
}

static void serve_streams(void)
{
    static char bytes[CHUNK_BYTES];
    int s = open_socket(SOCK_STREAM, NULL);

    check(!listen(s, 1), "listen");
    for (;;) {
        int c = accept(s, NULL, NULL);

        while (read(c, bytes, sizeof(bytes)) > 0)
            ;
        check(write(c, "k", 1) == 1, "write");
        close(c);
    }
}

/* @burst datagrams, the last of which wants an answer. */
static void ask(int s, int burst)
{
    char bytes[PAYLOAD_BYTES] = { 0 };

    for (int i = 0; i < burst; i++) {
        bytes[0] = i == burst - 1;
        check(send(s, bytes, sizeof(bytes), 0) == sizeof(bytes), "send");
    }
    check(recv(s, bytes, sizeof(bytes), 0) == sizeof(bytes), "recv");
}

static void stream(const char *host, long kib)
{
    static char bytes[CHUNK_BYTES];
    int s = open_socket(SOCK_STREAM, host);

    for (long left = kib * 1024; left > 0; left -= CHUNK_BYTES)
        check(write(s, bytes, CHUNK_BYTES) == CHUNK_BYTES, "write");
    shutdown(s, SHUT_WR);
    check(read(s, bytes, 1) == 1, "read");
    close(s);
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "serve")) {
        if (!fork())
            serve_streams();
        serve_datagrams();
    }
    check(argc == 4, "usage: netload serve|ping|burst|stream HOST COUNT");
    if (!strcmp(argv[1], "stream")) {
        stream(argv[2], atol(argv[3]));
    } else {
        int s = open_socket(SOCK_DGRAM, argv[2]), burst = strcmp(argv[1], "burst") ? 1 : BURST;

        for (long i = 0; i < atol(argv[3]); i += burst)
            ask(s, burst);
    }
    puts("NETLOAD-DONE");
    return 0;
}
