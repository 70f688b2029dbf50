/* AMD SVM behind virt.h. The CPU's features decide what is used; the least that works is SVM with
 * nested paging, which is what QEMU's TCG has. */
#include "lib/x86/asm.h"
#include "lib/x86/decode.h"
#include "lib/x86/exceptions.h"
#include "arch/x86/guest_walk.h"
#include "lib/x86/regs.h"
#include "arch/x86/svm/svm.h"
#include "arch/x86/virt.h"
#include "lib/string.h"

#define IOPM_ORDER  2u /* 12 KiB */
#define MSRPM_ORDER 1u
#define PAT_RESET   0x0007040600070406ull
#define DR6_RESET   0xffff0ff0ull
#define DR7_RESET   0x400ull
#define CR0_INIT    0x60000010ull

struct svm_cpu {
    hpa_t host_state; /* VMSAVE area of the host */
    uint64_t generation;
    uint32_t next_asid;
};

static hpa_t iopm, msrpm;
static struct svm_cpu svm_cpus[HOST_CPUS_MAX];
struct svm_check_limits svm_limits;

uint64_t svm_run(uint64_t vmcb_pa, uint64_t *gpr);

/* ---- start ---- */

const char *virt_missing(void)
{
    if (!cpu_features.has_svm)
        return "this CPU reports no SVM (AMD-V): use an AMD CPU, switch SVM on in the firmware's "
               "setup, or give QEMU -cpu max";
    if (!cpu_features.has_npt)
        return "this CPU has SVM without nested paging: use an AMD CPU of family 10h or newer";
    if (rdmsr(MSR_VM_CR) & VM_CR_SVMDIS)
        return "the firmware has switched SVM off: switch it on in its setup (SVM Mode)";
    return NULL;
}

#define MSR_READ  1u
#define MSR_WRITE 2u

static void pass_msr(uint8_t *map, uint32_t msr, unsigned accesses)
{
    uint32_t index = msr < 0x2000 ? msr : (msr & 0x1fff) + (msr >> 16 == 0xc000 ? 0x2000 : 0x4000);

    map[index / 4] = (uint8_t)(map[index / 4] & ~(accesses << (index % 4 * 2)));
}

/* Writes of addresses are checked by the caller of virt_run(): TCG takes any, and a real CPU then
 * refuses to run the guest. */
enum err virt_init(enum err (*take)(unsigned order, hpa_t *out))
{
    static const uint32_t addresses[] = {
        MSR_FS_BASE, MSR_GS_BASE,      MSR_KERNEL_GS_BASE, MSR_LSTAR,
        MSR_CSTAR,   MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,
    };
    static const uint32_t others[] = { MSR_STAR, MSR_SFMASK, MSR_SYSENTER_CS };
    enum err err = take(IOPM_ORDER, &iopm);

    if (!err)
        err = take(MSRPM_ORDER, &msrpm);
    if (err)
        return err;
    memset(direct_map(iopm), 0xff, PAGE_BYTES << IOPM_ORDER);
    memset(direct_map(msrpm), 0xff, PAGE_BYTES << MSRPM_ORDER);
    for (unsigned i = 0; i < array_count(addresses); i++)
        pass_msr(direct_map(msrpm), addresses[i], MSR_READ);
    for (unsigned i = 0; i < array_count(others); i++)
        pass_msr(direct_map(msrpm), others[i], MSR_READ | MSR_WRITE);
    svm_limits.asid_count = cpu_features.asid_count;
    svm_limits.cr4_reserved = ~(uint64_t)0x00770fff;
    svm_limits.efer_reserved = ~(uint64_t)0xfd01;
    return OK;
}

enum err virt_init_cpu(struct cpu *cpu, hpa_t pages)
{
    struct svm_cpu *s = &svm_cpus[cpu->id];

    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    wrmsr(MSR_VM_HSAVE_PA, pages.v);
    s->host_state.v = pages.v + PAGE_BYTES;
    s->generation = 1;
    s->next_asid = 1;
    cpu->virt = s;
    __asm__ volatile("vmsave %0" : : "a"(s->host_state.v) : "memory");
    return OK;
}

static void set_segment(struct svm_segment *s, uint16_t selector, uint16_t attributes,
                        uint32_t limit, uint64_t base)
{
    *s = (struct svm_segment){ selector, attributes, limit, base };
}

static void reset_state(struct vmcb *c)
{
    uint16_t data = SEGMENT_PRESENT | SEGMENT_CODE_OR_DATA | 3;

    set_segment(&c->cs, 0xf000, SEGMENT_PRESENT | SEGMENT_CODE_OR_DATA | 0xb, 0xffff, 0xffff0000);
    set_segment(&c->ds, 0, data, 0xffff, 0);
    c->es = c->ss = c->fs = c->gs = c->ds;
    set_segment(&c->gdtr, 0, 0, 0xffff, 0);
    set_segment(&c->idtr, 0, 0, 0xffff, 0);
    set_segment(&c->ldtr, 0, SEGMENT_PRESENT | 2, 0xffff, 0);
    set_segment(&c->tr, 0, SEGMENT_PRESENT | 0xb, 0xffff, 0);
    c->cr0 = CR0_INIT;
    c->cr2 = c->cr3 = 0;
    c->cr4 = CR4_MCE;
    c->cpl = 0;
    c->rsp = c->rax = 0;
    c->efer = EFER_SVME;
    c->rflags = RFLAGS_FIXED;
    c->rip = 0xfff0;
    c->dr6 = DR6_RESET;
    c->dr7 = DR7_RESET;
    c->g_pat = PAT_RESET;
}

void virt_vcpu_init(struct virt_vcpu *v, hpa_t page, hpa_t nested_root)
{
    struct vmcb *c = direct_map(page);

    v->vmcb = c;
    v->vmcb_pa = page;
    c->intercept_cr_reads = 1u << 4;            /* MCE is ours, and always set */
    c->intercept_cr_writes = 1u << 4 | 1u << 8; /* CR4: reserved bits; CR8: see the facts on TCG */
    c->intercept_exceptions = SVM_STARVING_EXCEPTIONS | 1u << VECTOR_MC;
    c->intercept3 = SVM_INTERCEPT_INTR | SVM_INTERCEPT_NMI | SVM_INTERCEPT_SMI |
                    SVM_INTERCEPT_INIT | SVM_INTERCEPT_RDPMC | SVM_INTERCEPT_CPUID |
                    SVM_INTERCEPT_INVD | SVM_INTERCEPT_HLT | SVM_INTERCEPT_INVLPGA |
                    SVM_INTERCEPT_IOIO | SVM_INTERCEPT_MSR | SVM_INTERCEPT_TASK_SWITCH |
                    SVM_INTERCEPT_FERR | SVM_INTERCEPT_SHUTDOWN;
    c->intercept4 = SVM_INTERCEPT_VMRUN | SVM_INTERCEPT_VMMCALL | SVM_INTERCEPT_VMLOAD |
                    SVM_INTERCEPT_VMSAVE | SVM_INTERCEPT_STGI | SVM_INTERCEPT_CLGI |
                    SVM_INTERCEPT_SKINIT | SVM_INTERCEPT_WBINVD | SVM_INTERCEPT_MONITOR |
                    SVM_INTERCEPT_MWAIT | SVM_INTERCEPT_XSETBV;
    c->iopm = iopm.v;
    c->msrpm = msrpm.v;
    c->nested_control = SVM_NESTED_PAGING;
    c->nested_cr3 = nested_root.v;
    c->vintr = SVM_VINTR_MASKING;
    virt_reset(v);
}

void virt_reset(struct virt_vcpu *v)
{
    struct vmcb *c = v->vmcb;

    reset_state(c);
    for (unsigned i = 0; i < array_count(v->gpr); i++)
        v->gpr[i] = 0;
    v->gpr[REG_RDX] = 0x600; /* what a CPU leaves there: its family */
    v->rip = c->rip;
    v->has_guest_mce = false;
    v->asid_cpu = NULL; /* a fresh ASID at the next entry */
    c->event = 0;
    c->shadow = 0;
    virt_request_window(v, false);
    virt_intercept_iret(v, false);
}

void virt_start_at(struct virt_vcpu *v, uint8_t vector)
{
    set_segment(&v->vmcb->cs, (uint16_t)(vector << 8), v->vmcb->cs.attributes, 0xffff,
                (uint64_t)vector << 12);
    v->rip = 0;
}

/* ---- running ---- */

/* Each vCPU gets a fresh ASID when it moves or must forget its translations; when a CPU has used
 * up its ASIDs it flushes all and begins a new generation. */
static void assign_asid(struct virt_vcpu *v, struct cpu *cpu)
{
    struct svm_cpu *s = cpu->virt;
    struct vmcb *c = v->vmcb;

    c->tlb_control = SVM_TLB_NOTHING;
    if (v->asid_cpu == cpu && v->asid_generation == s->generation) {
        if (!v->needs_flush)
            return;
        if (cpu_features.has_flush_by_asid) {
            c->tlb_control = SVM_TLB_FLUSH_ASID;
            v->needs_flush = false;
            return;
        }
    }
    if (s->next_asid >= cpu_features.asid_count) {
        s->generation++;
        s->next_asid = 1;
        c->tlb_control = SVM_TLB_FLUSH_ALL;
    }
    c->asid = s->next_asid++;
    v->asid_generation = s->generation;
    v->asid_cpu = cpu;
    v->needs_flush = false;
}

void virt_enter(struct virt_vcpu *v)
{
    struct cpu *cpu = this_cpu();

    __asm__ volatile("clgi; sti" : : : "memory"); /* GIF alone holds interrupts back now */
    assign_asid(v, cpu);
    __asm__ volatile("vmload %0" : : "a"(v->vmcb_pa.v) : "memory");
}

void virt_leave(struct virt_vcpu *v)
{
    struct svm_cpu *s = this_cpu()->virt;

    __asm__ volatile("vmsave %0" : : "a"(v->vmcb_pa.v) : "memory");
    __asm__ volatile("vmload %0" : : "a"(s->host_state.v) : "memory");
    __asm__ volatile("cli; stgi" : : : "memory");
}

void virt_load_msr(uint32_t msr, uint64_t value)
{
    wrmsr(msr, value);
}

#define KIND_COUNT 0x90u
/* By exit code; 0: other. */
static const uint8_t kinds[KIND_COUNT] = {
    [0x00 ... 0x3f] = EXIT_CONTROL_REGISTER + 1,
    [SVM_EXIT_EXCEPTION... SVM_EXIT_EXCEPTION + 31] = EXIT_EXCEPTION + 1,
    [SVM_EXIT_INTR... SVM_EXIT_INIT] = EXIT_INTERRUPT + 1,
    [SVM_EXIT_VINTR] = EXIT_INTERRUPT_WINDOW + 1,
    [SVM_EXIT_RDPMC] = EXIT_INSTRUCTION + 1,
    [SVM_EXIT_CPUID] = EXIT_CPUID + 1,
    [SVM_EXIT_INVD] = EXIT_INSTRUCTION + 1,
    [SVM_EXIT_IRET] = EXIT_IRET + 1,
    [SVM_EXIT_HLT] = EXIT_HLT + 1,
    [SVM_EXIT_INVLPGA] = EXIT_INSTRUCTION + 1,
    [SVM_EXIT_IOIO] = EXIT_IO + 1,
    [SVM_EXIT_MSR] = EXIT_MSR_READ + 1,
    [SVM_EXIT_SHUTDOWN] = EXIT_SHUTDOWN + 1,
    [SVM_EXIT_VMRUN] = EXIT_INSTRUCTION + 1,
    [SVM_EXIT_VMMCALL] = EXIT_HYPERCALL + 1,
    [0x82 ... 0x8c] = EXIT_INSTRUCTION + 1,
    [SVM_EXIT_XSETBV] = EXIT_XSETBV + 1,
};

static uint32_t kind_of(uint64_t code)
{
    if (likely(code < KIND_COUNT && kinds[code]))
        return kinds[code] - 1u;
    return code == SVM_EXIT_NPF                 ? EXIT_NESTED_PAGE_FAULT
           : (uint32_t)code == SVM_EXIT_INVALID ? EXIT_INVALID
                                                : EXIT_OTHER;
}

/* TCG lets a guest into states that a real CPU refuses to run: there it ends the same way. */
static bool is_refused(struct virt_vcpu *v)
{
    v->broken_rule = svm_check(v->vmcb, &svm_limits);
    if (v->broken_rule)
        v->exit = (struct virt_exit){ EXIT_INVALID, SVM_EXIT_INVALID, 0, 0 };
    return v->broken_rule;
}

#define VINTR_OFFER                                                 \
    (SVM_VINTR_IRQ | SVM_VINTR_PRIORITY_15 | SVM_VINTR_IGNORE_TPR | \
     0xffull << SVM_VINTR_VECTOR_SHIFT)

/* An interrupt is offered as a pending one rather than injected: QEMU 10's TCG delivers an injected
 * one a second time when it next leaves its loop, whatever the guest's IF says. Not when a window is
 * asked for too, which takes the same field. Returns what was offered, or 0. */
static NOINLINE uint32_t offer_interrupt(struct vmcb *c)
{
    uint32_t event = c->event;

    if ((event & SVM_EVENT_TYPE) != SVM_EVENT_INTERRUPT || (c->vintr & SVM_VINTR_IRQ))
        return 0;
    c->event = 0;
    c->vintr |= SVM_VINTR_IRQ | SVM_VINTR_PRIORITY_15 | SVM_VINTR_IGNORE_TPR |
                (uint64_t)(event & SVM_EVENT_VECTOR) << SVM_VINTR_VECTOR_SHIFT;
    return event;
}

/* What was not taken goes the way of an event whose delivery exited. */
static void withdraw_interrupt(struct vmcb *c, uint32_t event)
{
    if (c->vintr & SVM_VINTR_IRQ)
        c->exit_int_info = event;
    c->vintr &= ~VINTR_OFFER;
}

void virt_run(struct virt_vcpu *v)
{
    struct vmcb *c = v->vmcb;
    uint32_t offered = 0;

    c->rax = v->gpr[REG_RAX];
    c->rip = v->rip;
    if (IS_DEBUG && is_refused(v))
        return;
    if (unlikely(c->event))
        offered = offer_interrupt(c);
    svm_run(v->vmcb_pa.v, v->gpr);
    if (unlikely(offered))
        withdraw_interrupt(c, offered);
    v->gpr[REG_RAX] = c->rax;
    v->rip = c->rip;
    c->tlb_control = SVM_TLB_NOTHING;
    c->event = 0;
    v->exit.code = (uint32_t)c->exit_code;
    v->exit.info1 = c->exit_info1;
    v->exit.info2 = c->exit_info2;
    v->exit.kind = kind_of(c->exit_code);
    v->exit.kind += v->exit.kind == EXIT_MSR_READ && c->exit_info1;
}

/* ---- instructions ---- */

#define WANT2(a, b)           \
    {                         \
        { a, b }, 2, false, 0 \
    }
#define WANT3(a, b, c)           \
    {                            \
        { a, b, c }, 3, false, 0 \
    }

static const struct decode_want *want_of(uint32_t code)
{
    static const struct decode_want cpuid_want = WANT2(0x0f, 0xa2), rdmsr_want = WANT2(0x0f, 0x32),
                                    wrmsr_want = WANT2(0x0f, 0x30),
                                    vmmcall_want = WANT3(0x0f, 0x01, 0xd9),
                                    xsetbv_want = WANT3(0x0f, 0x01, 0xd1),
                                    invd_want = WANT2(0x0f, 0x08), wbinvd_want = WANT2(0x0f, 0x09),
                                    hlt_want = { { 0xf4 }, 1, false, 0 },
                                    cr4_read_want = { { 0x0f, 0x20 }, 2, true, 4 },
                                    cr4_want = { { 0x0f, 0x22 }, 2, true, 4 },
                                    cr8_want = { { 0x0f, 0x22 }, 2, true, 8 };

    switch (code) {
    case SVM_EXIT_CPUID: return &cpuid_want;
    case SVM_EXIT_VMMCALL: return &vmmcall_want;
    case SVM_EXIT_HLT: return &hlt_want;
    case SVM_EXIT_XSETBV: return &xsetbv_want;
    case SVM_EXIT_INVD: return &invd_want;
    case SVM_EXIT_WBINVD: return &wbinvd_want;
    case SVM_EXIT_CR4_READ: return &cr4_read_want;
    case SVM_EXIT_CR4_WRITE: return &cr4_want;
    case SVM_EXIT_CR8_WRITE: return &cr8_want;
    case SVM_EXIT_MSR: return &rdmsr_want;
    case SVM_EXIT_MSR | 1u << 31: /* our own: a write */ return &wrmsr_want;
    default: return NULL;
    }
}

static unsigned decode(struct virt_vcpu *v, const struct decode_want *want, unsigned *reg)
{
    struct guest_paging paging = virt_paging(v);
    uint8_t bytes[16];
    unsigned n = guest_fetch_instruction(&paging, virt_linear_rip(v), bytes);

    return decode_match(bytes, n, svm_is_long_mode(v->vmcb), want, reg);
}

/* What match_plainly() knows: the bytes of an opcode, and how many they are. */
static const struct plain {
    uint32_t bytes, mask;
    unsigned length;
} plains[EXIT_KIND_COUNT] = {
    [EXIT_CPUID] = { 0xa20f, 0xffff, 2 },         [EXIT_MSR_READ] = { 0x320f, 0xffff, 2 },
    [EXIT_MSR_WRITE] = { 0x300f, 0xffff, 2 },     [EXIT_HLT] = { 0xf4, 0xff, 1 },
    [EXIT_HYPERCALL] = { 0xd9010f, 0xffffff, 3 },
};

/* The legacy prefixes that change nothing here. */
static bool is_idle_prefix(uint8_t b)
{
    return b == 0x66 || b == 0x67 || b == 0xf2 || b == 0xf3 || b == 0x2e || b == 0x3e;
}

/* The frequent case: 64-bit code, not across a page, at most four prefixes. Its length, or 0: look
 * closer. */
static inline unsigned match_plainly(const struct virt_vcpu *v)
{
    const struct plain *p = &plains[v->exit.kind];
    uint64_t bytes;

    if (!p->length || !svm_is_long_mode(v->vmcb) || !guest_peek_code(v->vmcb->cr3, v->rip, &bytes))
        return 0;
    if (likely((bytes & p->mask) == p->bytes))
        return p->length;
    for (unsigned i = 1; i <= 4 && is_idle_prefix((uint8_t)bytes); i++) {
        bytes >>= 8;
        if ((bytes & p->mask) == p->bytes)
            return p->length + i;
    }
    return 0;
}

static unsigned look_closer(struct virt_vcpu *v, unsigned *reg)
{
    uint32_t code = v->exit.code | (v->exit.kind == EXIT_MSR_WRITE ? 1u << 31 : 0);
    const struct decode_want *want = want_of(code);

    if (!want)
        return 0;
    if (cpu_features.has_nrip_save && v->vmcb->next_rip > v->rip &&
        (!want->has_register || cpu_features.has_decode_assists)) {
        *reg = (unsigned)(v->exit.info1 & 15);
        return (unsigned)(v->vmcb->next_rip - v->rip);
    }
    return decode(v, want, reg);
}

unsigned virt_instruction_length(struct virt_vcpu *v, unsigned *reg)
{
    unsigned length = cpu_features.has_nrip_save ? 0 : match_plainly(v);

    return likely(length) ? length : look_closer(v, reg);
}

void virt_skip(struct virt_vcpu *v, unsigned length)
{
    v->rip += length;
    if (unlikely(!svm_is_long_mode(v->vmcb)))
        v->rip &= UINT32_MAX;
    v->vmcb->shadow = 0;
    if (unlikely(v->vmcb->rflags & RFLAGS_TF)) {
        v->vmcb->dr6 |= 1u << 14;
        virt_inject_exception(v, VECTOR_DB, false, 0);
    }
}

bool virt_step_over(struct virt_vcpu *v)
{
    unsigned reg, length = virt_instruction_length(v, &reg);

    if (likely(length))
        virt_skip(v, length);
    return length;
}

/* ---- events ---- */

/* The exception whose delivery the exit interrupted, if it was one: virt_resume_event() has put it
 * back. */
static bool is_delivering(const struct vmcb *c)
{
    return (c->event & SVM_EVENT_VALID) && (c->event & SVM_EVENT_TYPE) == SVM_EVENT_EXCEPTION;
}

bool virt_is_delivering_exception(const struct virt_vcpu *v)
{
    return is_delivering(v->vmcb);
}

void virt_inject_exception(struct virt_vcpu *v, unsigned vector, bool has_error, uint32_t error)
{
    struct vmcb *c = v->vmcb;
    enum combination how = is_delivering(c)
                               ? exceptions_combine(c->event & SVM_EVENT_VECTOR, vector)
                               : COMBINE_SERIALLY;

    if (how == COMBINE_SHUTDOWN) {
        c->event = 0;
        v->exit.kind = EXIT_SHUTDOWN;
        return;
    }
    if (how == COMBINE_DOUBLE_FAULT) {
        vector = VECTOR_DF;
        has_error = true;
        error = 0;
    }
    c->event = SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | vector |
               (has_error && (c->cr0 & CR0_PE) ? SVM_EVENT_HAS_ERROR : 0);
    c->event_error = error;
}

void virt_inject_interrupt(struct virt_vcpu *v, unsigned vector)
{
    v->vmcb->event = SVM_EVENT_VALID | SVM_EVENT_INTERRUPT | vector;
}

void virt_inject_nmi(struct virt_vcpu *v)
{
    v->vmcb->event = SVM_EVENT_VALID | SVM_EVENT_NMI | VECTOR_NMI;
}

void virt_intercept_iret(struct virt_vcpu *v, bool is_wanted)
{
    if (is_wanted)
        v->vmcb->intercept3 |= SVM_INTERCEPT_IRET;
    else
        v->vmcb->intercept3 &= ~SVM_INTERCEPT_IRET;
}

bool virt_has_event(const struct virt_vcpu *v)
{
    return v->vmcb->event & SVM_EVENT_VALID;
}

bool virt_interrupts_enabled(const struct virt_vcpu *v)
{
    return v->vmcb->rflags & RFLAGS_IF;
}

bool virt_is_interruptible(const struct virt_vcpu *v)
{
    return virt_interrupts_enabled(v) && !(v->vmcb->shadow & SVM_SHADOW) && !virt_has_event(v);
}

void virt_request_window(struct virt_vcpu *v, bool is_wanted)
{
    struct vmcb *c = v->vmcb;

    if (is_wanted) {
        c->vintr |= SVM_VINTR_IRQ | SVM_VINTR_PRIORITY_15 | SVM_VINTR_IGNORE_TPR;
        c->intercept3 |= SVM_INTERCEPT_VINTR;
    } else {
        c->vintr &= ~(SVM_VINTR_IRQ | SVM_VINTR_PRIORITY_15 | SVM_VINTR_IGNORE_TPR);
        c->intercept3 &= ~SVM_INTERCEPT_VINTR;
    }
}

void virt_resume_event(struct virt_vcpu *v)
{
    struct vmcb *c = v->vmcb;
    uint32_t type = c->exit_int_info & SVM_EVENT_TYPE;

    if (!(c->exit_int_info & SVM_EVENT_VALID) || virt_has_event(v) ||
        type == SVM_EVENT_SOFTWARE) /* INT n: RIP is still on it */
        return;
    c->event = (uint32_t)c->exit_int_info;
    c->event_error = (uint32_t)(c->exit_int_info >> 32);
    c->exit_int_info = 0;
}
