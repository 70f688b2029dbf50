/* Whether the daemon is there is asked by a copy over what every Linux has, without leave to
 * overwrite: the daemon says that the file exists, and does nothing; without a daemon the driver
 * says that it failed. */
#include "services/vmm/vsp/fcopy.h"
#include "lib/string.h"
#include "lib/utf16.h"

#define PROBE_NS       (60 * NS_PER_SECOND)
#define PROBE_AGAIN_NS (5 * NS_PER_SECOND)
#define SILENT_NS      (40 * NS_PER_SECOND) /* the guest gives up after 30 */
#define PIECE_BYTES    6144u
#define FLAG_OVERWRITE 1u
#define FLAG_MAKE_PATH 2u
#define STATUS_EXISTS  0x80070050u
#define STATUS_FULL    0x80070070u

enum operation { FCOPY_START, FCOPY_WRITE, FCOPY_COMPLETE, FCOPY_CANCEL };

struct head {
    uint32_t operation;
    struct guid ids[2];
} PACKED;

struct start {
    struct head head;
    uint16_t name[FCOPY_NAME_UNITS], folder[FCOPY_NAME_UNITS];
    uint32_t flags;
    uint64_t bytes;
} PACKED;
static_assert(sizeof(struct start) == 36 + 520 + 520 + 4 + 8, "struct hv_start_fcopy");

struct piece { /* the data follow, always as many */
    struct head head;
    uint32_t padding;
    uint64_t offset;
    uint32_t bytes;
} PACKED;

static struct fcopy *fcopy_of(struct ic *ic)
{
    return container_of(ic, struct fcopy, ic);
}

static enum err send(struct fcopy *f, enum operation operation, const struct ring_part *parts,
                     unsigned count)
{
    enum err err = ic_request(&f->ic, parts, count);

    if (!err)
        f->sent = operation;
    return err;
}

/* Name and folder of @path apart. The folder ends with its '/': Linux's daemon makes only those
 * folders of a path behind which there is one (source: tools/hv/hv_fcopy_daemon.c,
 * hv_fcopy_create_file). */
static enum err split(const char *path, uint16_t *name, uint16_t *folder)
{
    char head[FCOPY_NAME_UNITS * 3];
    size_t cut = 0, n = strlen(path);

    for (size_t i = 0; i < n; i++)
        if (path[i] == '/')
            cut = i;
    if (path[0] != '/' || cut + 1 >= n || cut + 1 >= sizeof(head))
        return ERR_ARGUMENT;
    memcpy(head, path, cut + 1);
    head[cut + 1] = 0;
    return utf8_to_utf16(path + cut + 1, name, FCOPY_NAME_UNITS) &&
                   utf8_to_utf16(head, folder, FCOPY_NAME_UNITS)
               ? OK
               : ERR_ARGUMENT;
}

static enum err send_start(struct fcopy *f, const char *path, uint32_t flags)
{
    static struct start s;
    struct ring_part part = { &s, sizeof(s) };

    memset(&s, 0, sizeof(s));
    s.head.operation = FCOPY_START;
    s.flags = flags;
    s.bytes = f->bytes;
    enum err err = split(path, (void *)((uint8_t *)&s + offsetof(struct start, name)),
                         (void *)((uint8_t *)&s + offsetof(struct start, folder)));
    return err ? err : send(f, FCOPY_START, &part, 1);
}

enum err fcopy_start(struct fcopy *f, const char *path, const uint8_t *data, uint64_t bytes)
{
    if (f->ic.state != IC_READY || f->is_copying || f->ic.is_waiting)
        return ERR_STATE;
    f->data = data;
    f->bytes = bytes;
    f->offset = 0;
    f->result = OK;
    enum err err = send_start(f, path, FLAG_OVERWRITE | FLAG_MAKE_PATH);
    f->is_copying = !err;
    return err;
}

static void finish(struct fcopy *f, enum err err)
{
    if (!f->is_copying)
        return;
    f->is_copying = false;
    f->data = NULL;
    f->done(f->ctx, err);
}

static enum err send_piece(struct fcopy *f)
{
    static const uint8_t zeros[PIECE_BYTES];
    uint32_t n = (uint32_t)min((uint64_t)PIECE_BYTES, f->bytes - f->offset);
    struct piece p = { .head = { .operation = FCOPY_WRITE }, .offset = f->offset, .bytes = n };
    struct ring_part parts[] = { { &p, sizeof(p) },
                                 { f->data + f->offset, n },
                                 { zeros, PIECE_BYTES - n } };
    enum err err = send(f, FCOPY_WRITE, parts, array_count(parts));

    if (!err)
        f->offset += n;
    return err;
}

static enum err send_head(struct fcopy *f, enum operation operation)
{
    struct head h = { .operation = (uint32_t)operation };
    struct ring_part part = { &h, sizeof(h) };

    return send(f, operation, &part, 1);
}

static enum err error_of(uint32_t status)
{
    return status == STATUS_FULL ? ERR_FULL : ERR_IO;
}

/* The guest removes what it has written so far. */
static void cancel(struct fcopy *f, enum err why)
{
    f->result = why;
    if (send_head(f, FCOPY_CANCEL))
        finish(f, why);
}

static void next(struct fcopy *f)
{
    enum err err = f->offset < f->bytes ? send_piece(f) : send_head(f, FCOPY_COMPLETE);

    if (err)
        finish(f, ERR_IO);
}

static void probed(struct fcopy *f, uint32_t status)
{
    bool is_there = status == IC_STATUS_OK || status == STATUS_EXISTS;

    f->is_probe = false;
    ic_set_refused(&f->ic, !is_there);
    f->ic.next_ns = ic_now(&f->ic) + (is_there ? PROBE_NS : PROBE_AGAIN_NS);
    if (status == IC_STATUS_OK)
        (void)!send_head(f, FCOPY_CANCEL);
}

static void started(struct fcopy *f, uint32_t status)
{
    if (status == IC_STATUS_OK)
        next(f);
    else
        finish(f, f->ic.was_refused ? ERR_UNSUPPORTED : error_of(status));
}

static void answered(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t n)
{
    struct fcopy *f = fcopy_of(ic);

    (void)body;
    (void)n;
    if (f->is_probe)
        probed(f, status);
    else if (!f->is_copying)
        return; /* of a copy that was given up */
    else if (f->sent == FCOPY_START)
        started(f, status);
    else if (f->sent == FCOPY_CANCEL)
        finish(f, f->result);
    else if (status != IC_STATUS_OK)
        cancel(f, error_of(status));
    else if (f->sent == FCOPY_COMPLETE)
        finish(f, OK);
    else
        next(f);
}

static void tick(struct ic *ic, uint64_t now)
{
    struct fcopy *f = fcopy_of(ic);

    ic->next_ns = now + PROBE_AGAIN_NS;
    if (f->is_copying || ic->is_waiting)
        return;
    f->bytes = 0;
    f->is_probe = send_start(f, "/proc", 0) == OK;
}

static void ready(struct ic *ic)
{
    ic->next_ns = ic_now(ic);
}

static void silent(struct ic *ic)
{
    finish(fcopy_of(ic), ERR_TIMED_OUT);
}

static void closed(struct ic *ic)
{
    struct fcopy *f = fcopy_of(ic);

    f->is_probe = false;
    finish(f, ERR_GONE);
}

/* A copy that was under way is not gone on with: its source is another host's. */
static void save(const struct ic *ic, uint64_t own[2])
{
    own[0] = container_of(ic, struct fcopy, ic)->is_probe;
}

static bool restore(struct ic *ic, const uint64_t own[2])
{
    fcopy_of(ic)->is_probe = own[0] == 1;
    return own[0] <= 1;
}

static const struct ic_kind kind = {
    .service = SERVICE_FCOPY,
    .type = 7,
    .class_id = { 0x34d14be3, 0xdee4, 0x41c8, { 0x9a, 0xe7, 0x6b, 0x17, 0x49, 0x77, 0xc1, 0x92 } },
    /* Hyper-V's own, unlike our other services': Linux's user-space daemon (6.10 and newer, source
     * tools/hv/hv_fcopy_uio_daemon.c, FCOPY_DEVICE_PATH) looks for the device by this name. */
    .instance_id = { 0xeb765408,
                     0x105f,
                     0x49b6,
                     { 0xb4, 0xaa, 0xc1, 0x23, 0xb6, 0x4d, 0x17, 0xd4 } },
    .frameworks = { { 1, 0 }, { 3, 0 } },
    .versions = { { 1, 1 } },
    .ready = ready,
    .answered = answered,
    .tick = tick,
    .silent = silent,
    .closed = closed,
    .save = save,
    .restore = restore,
};

void fcopy_init(struct fcopy *f, const struct ic_host *host, void (*done)(void *ctx, enum err err),
                void *ctx)
{
    *f = (struct fcopy){ .done = done, .ctx = ctx };
    ic_init(&f->ic, &kind, host);
    f->ic.silent_after_ns = SILENT_NS;
}
