/* How a payload starts: from the PVH or multiboot entry (32-bit, flat, paging off, EBX = start info)
 * to main() in 64-bit mode, with the first 4 GiB mapped one to one and an IDT that catches every
 * exception. With MULTIBOOT_FLAGS the file has a multiboot header in place of the PVH note. */
#ifndef MULTIBOOT_FLAGS
    .section .note.pvh, "a", @note
    .long 4, 4, 18              /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long start
#endif

    .section .start, "ax"
#ifdef MULTIBOOT_FLAGS
header:
    .long 0x1badb002, MULTIBOOT_FLAGS, -(0x1badb002 + MULTIBOOT_FLAGS)
    .long header, header, 0, payload_end, start /* heeded with flag 16 */
#endif
    .code32
    .globl start
start:
    movl %eax, start_eax
    movl %ebx, start_ebx
    movl $stack_top, %esp
    pushfl
    popl start_eflags
    movl %cr0, %eax
    movl %eax, start_cr0
    cli
    cld
    movl %ebx, %ebp
    /* Four page directories of 2 MiB pages. */
    xorl %ecx, %ecx
1:  movl %ecx, %eax
    shll $21, %eax
    orl $0x87, %eax
    movl %eax, directories(, %ecx, 8)
    incl %ecx
    cmpl $2048, %ecx
    jne 1b
    movl $directories + 0x07, %eax
    movl %eax, pointers
    addl $0x1000, %eax
    movl %eax, pointers + 8
    addl $0x1000, %eax
    movl %eax, pointers + 16
    addl $0x1000, %eax
    movl %eax, pointers + 24
    movl $pointers + 0x07, %eax
    movl %eax, top
    movl $top, %eax
    movl %eax, %cr3
    movl $0x20, %eax            /* CR4.PAE */
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax            /* EFER.LME, NXE */
    wrmsr
    movl $0x80000011, %eax      /* CR0.PG, ET, PE */
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $8, $start64

    .code64
start64:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    /* The IDT: 32 gates to the stubs below. */
    xorl %ecx, %ecx
    leaq idt(%rip), %rdi
    leaq stubs(%rip), %rsi
2:  movw %si, (%rdi)
    movl $0x8e000008, 2(%rdi)
    movl %esi, %eax
    shrl $16, %eax
    movw $0x8e00, 4(%rdi)
    movw %ax, 6(%rdi)
    addq $16, %rdi
    addq $16, %rsi
    incl %ecx
    cmpl $32, %ecx
    jne 2b
    lidt idt_pointer
    movl %ebp, %edi
    call payload_start
3:  hlt
    jmp 3b

    /* Each stub is 16 bytes; those without an error code push a zero. */
    .balign 16
stubs:
    .set vector, 0
    .rept 32
    .balign 16
    .if !((vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || \
          (vector == 29) || (vector == 30))
    pushq $0
    .endif
    pushq $vector
    jmp caught
    .set vector, vector + 1
    .endr
    .balign 16
caught:
    pushq %rax
    movq 8(%rsp), %rax
    movl %eax, fault_vector(%rip)
    movq 16(%rsp), %rax
    movl %eax, fault_error(%rip)
    movq 24(%rsp), %rax
    movq %rax, fault_rip(%rip)
    movq fault_resume(%rip), %rax
    testq %rax, %rax
    jz unexpected
    movq $0, fault_resume(%rip)
    movq %rax, 24(%rsp)
    popq %rax
    addq $16, %rsp
    iretq
unexpected:
    andq $-16, %rsp
    call payload_unexpected

    .globl gdt, idt, idt_pointer, top
    .section .rodata
    .balign 8
gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
    .word . - gdt - 1
    .quad gdt
idt_pointer:
    .word 256 * 16 - 1
    .quad idt

    .bss
    .balign 4096
top:
    .skip 4096
pointers:
    .skip 4096
directories:
    .skip 4 * 4096
idt:
    .skip 256 * 16
    .skip 16384
stack_top:
    .globl start_eax, start_ebx, start_eflags, start_cr0
start_eax:
    .skip 4
start_ebx:
    .skip 4
start_eflags:
    .skip 4
start_cr0:
    .skip 4
    .globl fault_vector, fault_error, fault_rip, fault_resume
fault_resume:
    .skip 8
fault_rip:
    .skip 8
fault_vector:
    .skip 4
fault_error:
    .skip 4
