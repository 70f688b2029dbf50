#include "kernel/emulate.h"
#include "lib/x86/decode_access.h"
#include "arch/x86/guest_walk.h"
#include "kernel/log.h"
#include "kernel/mmio.h"
#include "kernel/partition.h"
#include "kernel/vcpu.h"
#include "lib/x86/regs.h"

struct emulation {
    struct vcpu *v;
    struct guest_paging paging;
    const struct access *a;
    uint64_t *gpr; /* the vCPU's, with RSP put in its place; it goes back by virt_set_gpr() */
    gpa_t exit_gpa;
    uint64_t linear; /* of the memory operand */
    gpa_t gpa;       /* likewise */
    bool is_split;   /* it lies on two pages */
    bool is_faulted; /* a page fault is on its way to the guest */
};

/* ---- the instruction, and where it points ---- */

/* NULL: none that is served. */
static const struct access *decode(struct vcpu *v, const uint64_t bytes[2], unsigned n)
{
    unsigned slot = (v->virt.rip >> 2 ^ v->virt.rip >> 4) % array_count(v->emulate_cache.entries);
    enum code_size code = virt_code_size(&v->virt);
    struct access *a = &v->emulate_cache.entries[slot].access;
    uint64_t *key = v->emulate_cache.entries[slot].bytes;

    if (likely(key[0] == bytes[0] && key[1] == bytes[1] && a->code == code && a->length))
        return a;
    a->length = 0;
    if (access_decode((const uint8_t *)bytes, n, code, a))
        return NULL;
    key[0] = bytes[0];
    key[1] = bytes[1];
    return a;
}

static bool begin(struct emulation *e, struct vcpu *v)
{
    uint64_t bytes[2] = { 0 };
    unsigned n;

    e->v = v;
    e->paging = virt_paging(&v->virt);
    n = guest_fetch_instruction(&e->paging, virt_linear_rip(&v->virt), (uint8_t *)bytes);
    e->gpr = v->virt.gpr;
    e->gpr[REG_RSP] = virt_gpr(&v->virt, REG_RSP);
    e->a = decode(v, bytes, n);
    return e->a;
}

static uint64_t address_of(const struct emulation *e, const struct access_memory *m)
{
    if (e->a->code == CODE_64 && m->segment < SEGMENT_FS)
        return access_address(e->a, m, e->gpr, e->v->virt.rip, 0).v;
    return access_address(e->a, m, e->gpr, e->v->virt.rip,
                          virt_segment_base(&e->v->virt, m->segment))
        .v;
}

static void undefined(struct vcpu *v)
{
    virt_inject_exception(&v->virt, VECTOR_UD, false, 0);
}

static bool is_in_exit_page(const struct emulation *e, uint64_t linear, gpa_t *gpa)
{
    return guest_translate(&e->paging, linear, gpa) == OK &&
           (gpa->v & ~PAGE_MASK) == (e->exit_gpa.v & ~PAGE_MASK);
}

/* Whether the operand at @m, or the end of it on a second page, is what the exit was about. Where
 * there is one page and one operand its offset tells: the CPU has walked the guest's tables. */
static bool is_exit_at(struct emulation *e, const struct access_memory *m)
{
    gpa_t last;

    e->linear = address_of(e, m);
    e->is_split = (e->linear & PAGE_MASK) + e->a->width > PAGE_BYTES;
    if (!e->is_split && e->a->operation != ACCESS_MOVS) {
        e->gpa = e->exit_gpa;
        return (e->linear & PAGE_MASK) == (e->exit_gpa.v & PAGE_MASK);
    }
    return is_in_exit_page(e, e->linear, &e->gpa) ||
           (e->is_split && is_in_exit_page(e, e->linear + e->a->width - 1, &last));
}

/* ---- guest memory on the other side of a string instruction ---- */

/* False: a page fault for the guest is on its way. What is there but is no RAM is the bus. */
static bool load(struct emulation *e, uint64_t linear, uint64_t *value)
{
    uint8_t bytes[8] = { 0 };

    for (unsigned i = 0; i < e->a->width; i++) {
        uint32_t error;
        gpa_t gpa;

        if (guest_translate_for(&e->paging, linear + i, virt_access_rights(&e->v->virt, false),
                                &gpa, &error)) {
            virt_inject_page_fault(&e->v->virt, linear + i, error);
            return false;
        }
        if (!guest_read_window(gpa, &bytes[i], 1))
            bytes[i] = (uint8_t)mmio_read(e->v, gpa, 1);
    }
    __builtin_memcpy(value, bytes, sizeof(*value));
    return true;
}

static bool can_store(struct emulation *e, uint64_t linear)
{
    for (unsigned i = 0; i < e->a->width; i++) {
        uint32_t error;
        gpa_t gpa;

        if (guest_translate_for(&e->paging, linear + i, virt_access_rights(&e->v->virt, true), &gpa,
                                &error)) {
            virt_inject_page_fault(&e->v->virt, linear + i, error);
            return false;
        }
    }
    return true;
}

/* After can_store(); a page that the guest has taken away since loses the bytes. */
static void store(struct emulation *e, uint64_t linear, uint64_t value)
{
    gpa_t gpa;

    for (unsigned i = 0; i < e->a->width; i++, value >>= 8) {
        uint8_t byte = (uint8_t)value;

        if (guest_translate(&e->paging, linear + i, &gpa) == OK &&
            !guest_write_window(gpa, &byte, 1))
            mmio_write(e->v, gpa, 1, byte);
    }
}

/* ---- the memory operand ---- */

static uint64_t read_memory(struct emulation *e)
{
    uint64_t value = 0;

    if (!e->is_split)
        return mmio_read(e->v, e->gpa, e->a->width);
    e->is_faulted |= !load(e, e->linear, &value);
    return value;
}

static void write_memory(struct emulation *e, uint64_t value)
{
    if (!e->is_split)
        mmio_write(e->v, e->gpa, e->a->width, value);
    else if (can_store(e, e->linear))
        store(e, e->linear, value);
    else
        e->is_faulted = true;
}

/* ---- string instructions: one element ---- */

static uint64_t cut(const struct emulation *e, uint64_t value)
{
    return value & (UINT64_MAX >> (64 - 8 * e->a->address_bytes));
}

static void set_index(struct emulation *e, unsigned reg, uint64_t value)
{
    uint64_t mask =
        e->a->address_bytes == 2 ? 0xffff : UINT64_MAX; /* 32 bits clear the upper half */

    virt_set_gpr(&e->v->virt, reg, (e->gpr[reg] & ~mask) | (cut(e, value) & mask));
}

static bool has_count(const struct emulation *e)
{
    return !e->a->repeat || cut(e, e->gpr[REG_RCX]);
}

/* Steps the index registers and the count; the instruction stays until the count is used up. */
static void end_element(struct emulation *e, bool has_source, bool has_destination)
{
    bool is_down = virt_rflags(&e->v->virt) & RFLAGS_DF;
    uint64_t step = is_down ? 0 - (uint64_t)e->a->width : e->a->width;

    if (has_source)
        set_index(e, REG_RSI, e->gpr[REG_RSI] + step);
    if (has_destination)
        set_index(e, REG_RDI, e->gpr[REG_RDI] + step);
    if (e->a->repeat)
        set_index(e, REG_RCX, e->gpr[REG_RCX] - 1);
    if (!e->a->repeat || !cut(e, e->gpr[REG_RCX]))
        virt_skip(&e->v->virt, e->a->length);
}

static void move_string(struct emulation *e)
{
    uint64_t value, to = address_of(e, &e->a->memory);

    if (!can_store(e, to) || !load(e, address_of(e, &e->a->source), &value))
        return;
    store(e, to, value);
    end_element(e, true, true);
}

static void access_string(struct emulation *e)
{
    bool is_store = e->a->operation == ACCESS_STOS;

    if (is_store) {
        write_memory(e, access_operand(e->a, e->gpr));
    } else {
        access_set_register(e->a, e->gpr, read_memory(e));
        virt_set_gpr(&e->v->virt, REG_RAX, e->gpr[REG_RAX]);
    }
    if (!e->is_faulted)
        end_element(e, !is_store, is_store);
}

/* ---- the others ---- */

static void set_register(struct emulation *e, uint64_t value)
{
    access_set_register(e->a, e->gpr, value);
    virt_set_gpr(&e->v->virt, e->a->reg, e->gpr[e->a->reg]); /* it may be RSP */
}

static uint64_t sign_extended(uint64_t value, unsigned width)
{
    unsigned shift = 64 - 8 * width;

    return (uint64_t)((int64_t)(value << shift) >> shift);
}

static void compute(struct emulation *e)
{
    const struct access *a = e->a;
    uint64_t flags = virt_rflags(&e->v->virt), memory = read_memory(e);
    uint64_t operand = access_operand(a, e->gpr);
    uint64_t result = a->is_memory_first
                          ? access_compute(a->operation, a->width, memory, operand, &flags)
                          : access_compute(a->operation, a->width, operand, memory, &flags);

    if (a->operation != ACCESS_CMP && a->operation != ACCESS_TEST) {
        if (a->is_memory_first)
            write_memory(e, result);
        else
            set_register(e, result);
    }
    if (!e->is_faulted)
        virt_set_rflags(&e->v->virt, flags);
}

static void access_plainly(struct emulation *e)
{
    const struct access *a = e->a;
    uint64_t value;

    switch (a->operation) {
    case ACCESS_MOV:
        if (a->writes)
            write_memory(e, access_operand(a, e->gpr));
        else
            set_register(e, read_memory(e));
        break;
    case ACCESS_MOVZX: set_register(e, read_memory(e)); break;
    case ACCESS_MOVSX: set_register(e, sign_extended(read_memory(e), a->width)); break;
    case ACCESS_XCHG:
        value = read_memory(e);
        write_memory(e, access_operand(a, e->gpr));
        set_register(e, value);
        break;
    default: compute(e); break;
    }
    if (!e->is_faulted)
        virt_skip(&e->v->virt, a->length);
}

void emulate_access(struct vcpu *v)
{
    struct virt_fault fault = virt_fault_of(&v->virt);
    struct emulation e = { .exit_gpa = fault.gpa };

    /* A page table's entry from nowhere is all ones; so is a gate or a stack, of which the
     * instruction at RIP says nothing; and so is an instruction fetched there. */
    if (fault.is_walk || virt_is_delivering_exception(&v->virt)) {
        virt_inject_exception(&v->virt, VECTOR_GP, true, 0);
    } else if (fault.is_fetch || !begin(&e, v)) {
        undefined(v);
    } else if (e.a->operation == ACCESS_MOVS) {
        if (is_exit_at(&e, &e.a->memory) || is_exit_at(&e, &e.a->source))
            move_string(&e);
        else
            undefined(v);
    } else if (e.a->operation >= ACCESS_INS || !is_exit_at(&e, &e.a->memory) ||
               (fault.is_write && !e.a->writes)) {
        undefined(v);
    } else if (e.a->operation >= ACCESS_STOS) {
        access_string(&e);
    } else {
        access_plainly(&e);
    }
}

/* ---- string port I/O ---- */

static bool is_io_exit(const struct emulation *e, const struct virt_io *x)
{
    return e->a->operation == (x->is_in ? ACCESS_INS : ACCESS_OUTS) && e->a->width == x->width &&
           (uint16_t)e->gpr[REG_RDX] == x->port;
}

bool emulate_string_io(struct vcpu *v, struct vcpu_exit *io)
{
    struct virt_io x = virt_io_of(&v->virt);
    struct emulation e;

    *io = (struct vcpu_exit){
        .reason = VCPU_EXIT_IO, .is_write = !x.is_in, .width = x.width, .port = x.port
    };
    if (!begin(&e, v) || !is_io_exit(&e, &x)) {
        undefined(v);
        return false;
    }
    if (!has_count(&e)) {
        virt_skip(&v->virt, e.a->length);
        return false;
    }
    if (x.is_in) {
        v->is_string_read = can_store(&e, address_of(&e, &e.a->memory));
        return v->is_string_read;
    }
    if (!load(&e, address_of(&e, &e.a->memory), &io->value))
        return false;
    end_element(&e, true, false);
    return true;
}

void emulate_answer(struct vcpu *v, uint64_t value)
{
    struct emulation e;

    v->is_string_read = false;
    if (!begin(&e, v) || e.a->operation != ACCESS_INS)
        return; /* changed under our hands: the guest executes what is there now */
    store(&e, address_of(&e, &e.a->memory), value);
    end_element(&e, false, true);
}
