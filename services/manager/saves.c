#include "services/manager/saves.h"
#include "lib/abi/record.h"
#include "lib/string.h"
#include "services/rt/sys.h"

#define OBJECT_BYTES KIB(64) /* what the kernel keeps of a region, but its list of pages */

static struct save_table *table;
static handle_t root;

void saves_init(struct save_table *t, handle_t root_budget)
{
    table = t;
    root = root_budget;
}

unsigned save_slot(const struct save *s)
{
    return (unsigned)(s - table->saves);
}

const char *save_name(unsigned slot)
{
    return table->saves[slot].state != SAVE_FREE ? table->saves[slot].name : NULL;
}

struct save *save_find(const char *name)
{
    for (unsigned i = 0; i < SAVE_COUNT_MAX; i++)
        if (table->saves[i].state != SAVE_FREE && strcmp(table->saves[i].name, name) == 0)
            return &table->saves[i];
    return NULL;
}

struct save *save_of(const struct vm *vm)
{
    return vm->save >= 1 && vm->save <= SAVE_COUNT_MAX ? &table->saves[vm->save - 1] : NULL;
}

static struct save *find_free(void)
{
    for (unsigned i = 0; i < SAVE_COUNT_MAX; i++)
        if (table->saves[i].state == SAVE_FREE)
            return &table->saves[i];
    return NULL;
}

/* Forgotten first, then closed, as in vmm.c. */
static void drop(handle_t *h)
{
    handle_t old = *h;

    *h = HANDLE_NONE;
    if (old != HANDLE_NONE)
        sys_handle_close(old);
}

void save_forget(struct save *s)
{
    drop(&s->image);
    drop(&s->budget);
    s->state = SAVE_FREE;
}

/* The list of pages takes a power of two. */
static uint64_t budget_bytes(uint64_t bytes)
{
    return round_up(bytes + 2 * (bytes / PAGE_BYTES * sizeof(uint64_t)) + OBJECT_BYTES, PAGE_BYTES);
}

enum err save_begin(struct vm *vm, const char *name)
{
    struct save *s = find_free();

    if (!s)
        return ERR_FULL;
    memset(s, 0, sizeof(*s));
    string_copy(s->name, sizeof(s->name), name);
    string_copy(s->vm, sizeof(s->vm), vm->name);
    s->settings = vm->settings;
    s->nic_count = network_save_nics(vm, s->nics);
    s->bytes = image_bytes(vm->settings.memory_bytes, vm->settings.cpu_count);
    s->state = SAVE_BEING_MADE;
    enum err err = sys_budget_create(root, budget_bytes(s->bytes), &s->budget);
    if (!err)
        err = sys_image_create(s->budget, s->bytes, &s->image);
    if (err)
        save_forget(s);
    else
        vm->save = save_slot(s) + 1;
    return err;
}

void save_finish(struct vm *vm, const struct vmm_saved *records)
{
    struct save *s = save_of(vm);

    if (!s || s->state != SAVE_BEING_MADE)
        return;
    s->records = *records;
    s->records.type_count = min(s->records.type_count, VMM_RECORD_TYPES_MAX);
    s->saved_ns = sys_clock();
    s->state = SAVE_GOOD;
}

void save_end(struct vm *vm)
{
    struct save *s = save_of(vm);

    vm->save = 0;
    if (s && s->state == SAVE_BEING_MADE)
        save_forget(s);
}

/* ---- after a restart of the manager ---- */

static bool nics_are_good(const struct save *s)
{
    bool are_good = s->nic_count <= VMM_NICS_MAX;

    for (unsigned i = 0; are_good && i < s->nic_count; i++)
        are_good = nic_settings_are_good(&s->nics[i]) && s->nics[i].switch_name[0];
    return are_good;
}

static bool is_good(const struct save *s)
{
    return s->state < SAVE_STATE_END && s->name[0] && !s->name[sizeof(s->name) - 1] &&
           !s->vm[sizeof(s->vm) - 1] && s->records.type_count <= VMM_RECORD_TYPES_MAX &&
           vm_settings_are_good(&s->settings) && nics_are_good(s);
}

static bool is_being_made(const struct save *s)
{
    for (unsigned i = 0; i < VM_COUNT_MAX; i++) {
        const struct vm *vm = vm_at(i);

        if (vm && vm->machine.operation == OPERATION_SAVE && save_of(vm) == s)
            return true;
    }
    return false;
}

unsigned saves_adopt(void)
{
    unsigned dropped = 0;

    for (unsigned i = 0; i < SAVE_COUNT_MAX; i++) {
        struct save *s = &table->saves[i];

        if (s->state == SAVE_FREE || (is_good(s) && (s->state == SAVE_GOOD || is_being_made(s))))
            continue;
        save_forget(s);
        dropped++;
    }
    return dropped;
}

/* ---- as JSON ---- */

static const char *type_name(uint32_t type)
{
    static const char *const kernels[] = { "end", "partition", "ioapic", "msrs", "cpu",
                                           "fpu", "lapic",     "synic",  "page" };
    static const char *const vmms[] = { "machine",       "uart",  "rtc",     "vmbus",
                                        "vmbus-message", "gpadl", "channel", "service" };

    if (type < array_count(kernels))
        return kernels[type];
    return type - RECORD_MACHINE < array_count(vmms) ? vmms[type - RECORD_MACHINE] : "unknown";
}

static void summary(struct json *j, const struct save *s)
{
    json_field_string(j, "name", s->name);
    json_field_string(j, "vm", s->vm);
    json_field_number(j, "cpus", s->settings.cpu_count);
    json_field_number(j, "memory_bytes", s->settings.memory_bytes);
    json_field_number(j, "bytes", s->bytes);
    json_field_number(j, "age_ns", sys_clock() - s->saved_ns);
}

void save_show(struct json *j, const struct save *s)
{
    json_object_begin(j);
    summary(j, s);
    json_key(j, "records");
    json_list_begin(j);
    for (unsigned i = 0; i < s->records.type_count; i++) {
        json_object_begin(j);
        json_field_string(j, "type", type_name(s->records.types[i].type));
        json_field_number(j, "count", s->records.types[i].count);
        json_field_number(j, "bytes", s->records.types[i].bytes);
        json_field_number(j, "checksum", s->records.types[i].checksum);
        json_object_end(j);
    }
    json_list_end(j);
    json_object_end(j);
}

void saves_list(struct json *j)
{
    json_list_begin(j);
    for (unsigned i = 0; i < SAVE_COUNT_MAX; i++) {
        if (table->saves[i].state != SAVE_GOOD)
            continue;
        json_object_begin(j);
        summary(j, &table->saves[i]);
        json_object_end(j);
    }
    json_list_end(j);
}
