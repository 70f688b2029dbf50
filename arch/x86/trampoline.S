/* Copied to a page below 1 MiB. A started CPU arrives in real mode with CS = page >> 4; it goes
 * straight to long mode with the kernel's tables and jumps to the entry that smp.c left here. */
    .section .rodata
    .globl trampoline_start, trampoline_end, trampoline_data
    .balign 16
    .code16
trampoline_start:
    cli
    cld
    mov %cs, %ax
    mov %ax, %ds
    xor %ebx, %ebx
    mov %ax, %bx
    shl $4, %ebx                            /* EBX = physical address of this page */
    lea (trampoline_gdt - trampoline_start)(%ebx), %eax
    mov %eax, trampoline_gdt_pointer - trampoline_start + 2
    lea (trampoline_long - trampoline_start)(%ebx), %eax
    mov %eax, trampoline_far - trampoline_start
    lgdtl trampoline_gdt_pointer - trampoline_start
    mov %cr4, %eax
    or $0xa0, %eax                          /* PAE, PGE */
    mov %eax, %cr4
    mov trampoline_data - trampoline_start, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %eax                         /* LME */
    or trampoline_data - trampoline_start + 24, %eax  /* NXE where the CPU has it */
    wrmsr
    mov %cr0, %eax
    and $0x9fffffff, %eax                   /* caches on */
    or $0x80010001, %eax                    /* PG, WP, PE */
    mov %eax, %cr0
    ljmpl *trampoline_far - trampoline_start

    .code64
trampoline_long:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov (trampoline_data - trampoline_start + 8)(%rbx), %rsp
    mov (trampoline_data - trampoline_start + 16)(%rbx), %rax
    xor %ebp, %ebp
    call *%rax

    .balign 8
trampoline_gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
trampoline_gdt_pointer:
    .word 23
    .long 0
trampoline_far:
    .long 0
    .word 8
    .balign 8
trampoline_data:                            /* CR3, stack, entry, EFER bits */
    .quad 0, 0, 0, 0
trampoline_end:

    .section .note.GNU-stack,"",@progbits
