/* The result of everything that can fail. OK is 0; the numbers cross the system-call boundary. */
#pragma once
#include "lib/compiler.h"

enum err {
    OK = 0,
    ERR_ARGUMENT,    /* a value that no caller may pass */
    ERR_HANDLE,      /* no such handle, or of another kind */
    ERR_RIGHTS,      /* the handle lacks a right */
    ERR_MEMORY,      /* the budget or the machine is exhausted */
    ERR_STATE,       /* not now: the object is in another state */
    ERR_TIMED_OUT,   /* the limit passed */
    ERR_EMPTY,       /* nothing there */
    ERR_FULL,        /* no room there */
    ERR_GUEST,       /* a guest wrote something that its protocol forbids */
    ERR_GONE,        /* the other side has ended */
    ERR_UNSUPPORTED, /* this build or this machine cannot */
    ERR_FORMAT,      /* bytes that are not what they claim to be */
    ERR_NOT_FOUND,
    ERR_EXISTS,
    ERR_IO, /* hardware does not answer as it should */
    ERR_COUNT,
};

/* The name of @err for logs, "ok" to "io". */
const char *err_name(enum err err);
