/* Where the other CPUs of a payload start: 16-bit code, copied to TRAMPOLINE (a page below 1 MiB), on
 * to 64-bit mode with the first CPU's tables, a stack of its own, and smp_entered(). */
#define TRAMPOLINE 0x8000
#define AT(label)  (TRAMPOLINE + label - trampoline_begin)

    .section .rodata
    .globl trampoline_begin, trampoline_end
    .balign 16
trampoline_begin:
    .code16
    cli
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl AT(low_pointer)
    movl $0x20, %eax            /* CR4.PAE */
    movl %eax, %cr4
    movl $top, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax            /* EFER.LME, NXE */
    wrmsr
    movl $0x80000011, %eax      /* CR0.PG, ET, PE */
    movl %eax, %cr0
    ljmpl $8, $smp_start64
    .balign 8
low_pointer:
    .word 3 * 8 - 1
    .long gdt
trampoline_end:

    .text
    .code64
smp_start64:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    lidt idt_pointer
    movl $1, %edi
    lock xaddl %edi, smp_next(%rip)
    movl %edi, %eax
    shll $12, %eax              /* stacks of 4 KiB, upwards from smp_stacks */
    leaq smp_stacks(%rip), %rsp
    addq %rax, %rsp
    xorl %ebp, %ebp
    call smp_entered
1:  hlt
    jmp 1b

    .data
    .balign 4
smp_next:
    .long 1

    .bss
    .balign 4096
smp_stacks:
    .skip 64 * 4096
