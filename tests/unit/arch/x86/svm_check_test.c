// SOURCES: arch/x86/svm/svm_check.c
#include "arch/x86/svm/svm_check.h"
#include "lib/x86/regs.h"
#include "tests/unit/test.h"

static const struct svm_check_limits limits = { ~0x770fffull, ~0xfd01ull, 16 };
static struct vmcb v;

static void good(void)
{
    memset(&v, 0, sizeof(v));
    v.intercept4 = SVM_INTERCEPT_VMRUN;
    v.intercept_exceptions = 1u << VECTOR_DB | 1u << VECTOR_AC;
    v.asid = 1;
    v.efer = EFER_SVME;
    v.cr0 = CR0_ET;
}

#define EXPECT_BROKEN(part)                        \
    do {                                           \
        const char *rule = svm_check(&v, &limits); \
        EXPECT(rule);                              \
        EXPECT_HAS(rule, part);                    \
    } while (0)

TEST(a_good_vmcb_passes)
{
    good();
    EXPECT(!svm_check(&v, &limits));
}

TEST(each_broken_rule_is_named)
{
    good(), v.efer = 0;
    EXPECT_BROKEN("SVME");
    good(), v.cr0 |= CR0_NW;
    EXPECT_BROKEN("CR0.NW");
    good(), v.cr0 |= 1ull << 40;
    EXPECT_BROKEN("CR0[63:32]");
    good(), v.cr0 |= CR0_PG;
    EXPECT_BROKEN("CR0.PE");
    good(), v.cr4 = 1ull << 15;
    EXPECT_BROKEN("CR4");
    good(), v.efer |= 1ull << 20;
    EXPECT_BROKEN("EFER");
    good(), v.efer |= EFER_LME, v.cr0 |= CR0_PG | CR0_PE;
    EXPECT_BROKEN("CR4.PAE");
    good(), v.efer |= EFER_LME, v.cr0 |= CR0_PG | CR0_PE,
        v.cr4 = CR4_PAE, v.cs.attributes = SEGMENT_LONG | SEGMENT_BIG;
    EXPECT_BROKEN("CS.L");
    good(), v.dr6 = 1ull << 32;
    EXPECT_BROKEN("DR6");
    good(), v.dr7 = 1ull << 32;
    EXPECT_BROKEN("DR7");
    good(), v.asid = 0;
    EXPECT_BROKEN("ASID");
    good(), v.asid = 16;
    EXPECT_BROKEN("ASID");
    good(), v.intercept4 = 0;
    EXPECT_BROKEN("VMRUN");
    good(), v.intercept_exceptions = 1u << VECTOR_DB;
    EXPECT_BROKEN("#AC");
    good(), v.intercept_exceptions = 1u << VECTOR_AC;
    EXPECT_BROKEN("#DB");
    good(), v.event = SVM_EVENT_VALID | 1u << 8;
    EXPECT_BROKEN("EVENTINJ");
    good(), v.event = SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | 2;
    EXPECT_BROKEN("vector 2");
    good(), v.msrpm = 0x123;
    EXPECT_BROKEN("MSRPM");
    good(), v.tlb_control = 2;
    EXPECT_BROKEN("TLB_CONTROL");
}
