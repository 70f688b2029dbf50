/* The server's part of a saved VM: the connection, what of messages is on its way, GPADLs and
 * channels; not the services' state. Pure. */
#pragma once
#include "services/vmm/image.h"
#include "services/vmm/vmbus/server.h"

void server_save(const struct server *s, struct image_writer *w);

/* Takes one record of the server's types, in the order in which they were saved, into a server that
 * has its devices and no connection. ERR_FORMAT: it cannot be; ERR_UNSUPPORTED: not one of ours;
 * else why a ring cannot be mapped. */
enum err server_restore(struct server *s, const struct record *r, const void *payload) MUST_CHECK;
