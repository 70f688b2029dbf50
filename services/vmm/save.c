/* Guest memory is copied piece by piece, each mapped for as long as it takes: the tables of so large
 * a mapping would be paid for by every VM, saved or not. */
#include "services/vmm/save.h"
#include "lib/string.h"
#include "services/rt/sys.h"
#include "services/vmm/loader/loader.h"
#include "services/vmm/services.h"

#define PIECE_BYTES MIB(4)

struct records { /* of the vmm's part of an image, copied */
    struct vmm_config machine;
    struct record_uart uart;
    struct record_rtc rtc;
};

/* ---- guest memory ---- */

/* Where byte @offset of the guest's memory is, as the image has it. */
static gpa_t gpa_at(const struct guest_memory *m, uint64_t offset)
{
    return (gpa_t){ offset < m->low_bytes ? offset : GUEST_HIGH_START + offset - m->low_bytes };
}

static enum err copy_piece(struct machine *m, handle_t image, uint64_t from, uint64_t offset,
                           uint64_t bytes, unsigned prot)
{
    void *at;
    enum err err = sys_region_map(image, from + offset, bytes, prot, &at);

    if (err)
        return err;
    if (prot & PROT_WRITE)
        err = guest_read(&m->memory, gpa_at(&m->memory, offset), at, bytes);
    else
        err = guest_write(&m->memory, gpa_at(&m->memory, offset), at, bytes);
    sys_unmap(at);
    return err;
}

/* Between the guest and @image from byte @from on; with PROT_WRITE to the image. */
static enum err copy_memory(struct machine *m, handle_t image, uint64_t from, unsigned prot)
{
    uint64_t total = m->memory.low_bytes + m->memory.high_bytes, piece;
    enum err err = OK;

    for (uint64_t at = 0; !err && at < total; at += piece) {
        uint64_t end = at < m->memory.low_bytes ? m->memory.low_bytes : total;

        piece = min(PIECE_BYTES, end - at);
        err = copy_piece(m, image, from, at, piece, prot);
    }
    return err;
}

/* ---- saving ---- */

static void put_devices(struct machine *m, struct image_writer *w)
{
    struct record_uart uart;
    struct record_rtc rtc;

    mutex_lock(&m->devices_lock);
    vuart_save(&m->uart, &uart);
    vrtc_save(&m->rtc, &rtc);
    mutex_unlock(&m->devices_lock);
    image_put(w, RECORD_UART, &uart, sizeof(uart));
    image_put(w, RECORD_RTC, &rtc, sizeof(rtc));
}

/* The head is written last: without it there is no image. */
static enum err put_records(struct machine *m, struct services *s, uint8_t *at, uint64_t room,
                            struct vmm_saved *out)
{
    struct image_writer w = { .at = at, .capacity = room, .used = sizeof(struct image_head) };
    struct image_head head = { 0 };

    image_put(&w, RECORD_MACHINE, m->config, sizeof(*m->config));
    put_devices(m, &w);
    vmbus_save(s->vmbus, &w);
    services_save(s, &w);
    image_put(&w, RECORD_END, NULL, 0);
    if (w.err)
        return w.err;
    head.vmm_bytes = w.used - sizeof(head);
    enum err err = sys_partition_save(m->partition, at + w.used, room - w.used, &head.kernel_bytes);
    if (err)
        return err;
    image_seal(&head, m->config->memory_bytes, m->vcpu_count);
    image_summarise(at + sizeof(head), head.vmm_bytes + head.kernel_bytes, out);
    memcpy(at, &head, sizeof(head));
    return OK;
}

enum err machine_save(struct machine *m, struct services *s, handle_t image, struct vmm_saved *out)
{
    uint64_t room = image_memory_offset(m->vcpu_count);
    void *at;
    enum err err = machine_is_paused(m) ? OK : ERR_STATE;

    *out = (struct vmm_saved){ 0 };
    if (!err)
        err = copy_memory(m, image, room, PROT_READ | PROT_WRITE);
    if (!err)
        err = sys_region_map(image, 0, room, PROT_READ | PROT_WRITE, &at);
    if (err)
        return err;
    err = put_records(m, s, at, room, out);
    sys_unmap(at);
    return err;
}

/* ---- restoring ---- */

/* The first of the vmm's records, in their order; moves *@offset behind them. */
static enum err take_records(const uint8_t *at, uint64_t bytes, struct records *out,
                             uint64_t *offset)
{
    const struct {
        enum record_type type;
        void *to;
        uint64_t bytes;
    } wanted[] = { { RECORD_MACHINE, &out->machine, sizeof(out->machine) },
                   { RECORD_UART, &out->uart, sizeof(out->uart) },
                   { RECORD_RTC, &out->rtc, sizeof(out->rtc) } };
    struct record r;

    *offset = 0;
    for (unsigned i = 0; i < array_count(wanted); i++)
        if (image_take(at, bytes, offset, &r, wanted[i].to, wanted[i].bytes) || r.instance ||
            r.type != wanted[i].type || r.bytes != wanted[i].bytes)
            return ERR_FORMAT;
    return OK;
}

/* One of VMBus or of a service, copied before it is looked at. *@type: what it was. */
static enum err restore_service(struct services *s, const uint8_t *at, uint64_t bytes,
                                uint64_t *offset, uint32_t *type)
{
    const struct gpadl_ops *memory = &s->vmbus->server.ops->memory;
    struct record r;
    enum err err = image_peek(at, bytes, *offset, &r);

    if (err)
        return err;
    *type = r.type;
    if (r.type == RECORD_END)
        return image_take(at, bytes, offset, &r, NULL, 0);
    void *copy = memory->allocate(s->vmbus, max(r.bytes, 1u));
    if (!copy)
        return ERR_MEMORY;
    err = image_take(at, bytes, offset, &r, copy, r.bytes);
    if (!err)
        err = r.type == RECORD_SERVICE || r.type == RECORD_NETVSP
                  ? services_restore(s, &r, copy)
                  : vmbus_restore(s->vmbus, &r, copy);
    memory->release(s->vmbus, copy, r.bytes);
    return err;
}

/* Those of VMBus and its services, up to the end, and nothing behind it. */
static enum err restore_services(struct services *s, const uint8_t *at, uint64_t bytes,
                                 uint64_t offset)
{
    uint32_t type = RECORD_VMBUS;
    enum err err = OK;

    while (!err && type != RECORD_END)
        err = restore_service(s, at, bytes, &offset, &type);
    return !err && offset != bytes ? ERR_FORMAT : err;
}

static bool is_of_machine(const struct machine *m, const struct vmm_config *saved,
                          const struct image_head *h)
{
    return saved->version == m->config->version && saved->memory_bytes == m->config->memory_bytes &&
           h->memory_bytes == saved->memory_bytes && saved->cpu_count == m->config->cpu_count &&
           saved->has_ioapic == m->config->has_ioapic &&
           h->memory_offset == image_memory_offset(saved->cpu_count);
}

static enum err restore_devices(struct machine *m, const struct records *r)
{
    mutex_lock(&m->devices_lock);
    enum err err = vuart_restore(&m->uart, &r->uart);

    if (!err)
        err = vrtc_restore(&m->rtc, &r->rtc);
    mutex_unlock(&m->devices_lock);
    return err;
}

/* Head and the vmm's own records, at @at, of an image of @bytes; moves *@offset behind them. */
static enum err restore_records(struct machine *m, const uint8_t *at, uint64_t bytes,
                                struct image_head *h, uint64_t *offset, const char **what)
{
    static struct records records; /* one machine; too large for the stack */
    enum err err = image_open(at, bytes, h);

    *what = "it has no good head";
    if (err)
        return err;
    *what = "the records of its devices are broken or of another version";
    err = take_records(at + sizeof(*h), h->vmm_bytes, &records, offset);
    if (err)
        return err;
    *what = "it is of a VM with other memory or CPUs";
    if (!is_of_machine(m, &records.machine, h))
        return ERR_FORMAT;
    *what = "the state of its devices cannot be";
    return restore_devices(m, &records);
}

/* The memory before the kernel's row, which puts the overlay pages over it, and before the rings,
 * whose indices are read from it. */
static enum err restore_all(struct machine *m, struct services *s, handle_t image,
                            const uint8_t *at, uint64_t bytes, const char **what)
{
    struct image_head head;
    uint64_t offset;
    enum err err = restore_records(m, at, bytes, &head, &offset, what);

    if (err)
        return err;
    *what = "its memory cannot be read";
    err = copy_memory(m, image, head.memory_offset, PROT_READ);
    if (err)
        return err;
    *what = "the records of VMBus and its services are broken";
    err = restore_services(s, at + sizeof(head), head.vmm_bytes, offset);
    if (err)
        return err;
    *what = "the kernel refuses the records of its vCPUs";
    return sys_partition_restore(m->partition, at + sizeof(head) + head.vmm_bytes,
                                 head.kernel_bytes);
}

enum err machine_restore(struct machine *m, struct services *s, handle_t image, uint64_t bytes,
                         struct loader_failure *why)
{
    uint64_t room = image_memory_offset(m->vcpu_count);
    const char *what = "it is too short";
    void *at;
    enum err err = bytes > room ? OK : ERR_FORMAT;

    if (!err)
        err = sys_region_map(image, 0, room, PROT_READ, &at);
    if (err)
        return loader_fail(why, err, "vm forget", "the image cannot be restored: %s", what);
    err = restore_all(m, s, image, at, bytes, &what);
    sys_unmap(at);
    if (err)
        return loader_fail(why, err, "vm forget, and save it again",
                           "the image cannot be restored: %s", what);
    return OK;
}
