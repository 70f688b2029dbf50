/* The PVH entry: 32-bit protected mode, no paging, EBX = struct hvm_start_info (physical).
 * Builds the hand-over tables (4 GiB at their physical addresses, the first GiB also at
 * KERNEL_BASE) and continues in long mode in pvh_main(). */
    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 4, 18          /* name size, desc size, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long pvh_start

    .section .boot, "ax"
    .code32
    .globl pvh_start
pvh_start:
    cli
    cld
    mov %ebx, %esi
    mov $boot_stack_end, %esp

    mov $boot_pml4, %edi            /* clear the tables */
    mov $(boot_stack - boot_pml4) / 4, %ecx
    xor %eax, %eax
    rep stosl

    movl $boot_pdpt + 3, boot_pml4
    movl $boot_pdpt + 3, boot_pml4 + 256 * 8   /* DIRECT_BASE */
    movl $boot_pdpt_high + 3, boot_pml4 + 511 * 8
    movl $boot_pd + 3, boot_pdpt_high + 510 * 8
    mov $boot_pd + 3, %eax
    mov $boot_pdpt, %edi
    mov $4, %ecx
1:  mov %eax, (%edi)
    add $0x1000, %eax
    add $8, %edi
    loop 1b

    mov $boot_pd, %edi
    mov $0x83, %eax                 /* present, writable, 2 MiB */
    mov $2048, %ecx
2:  mov %eax, (%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 2b

    mov $boot_pml4, %eax
    mov %eax, %cr3
    mov %cr4, %eax
    or $0x20, %eax                  /* PAE */
    mov %eax, %cr4
    mov $0xc0000080, %ecx           /* EFER.LME */
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000001, %eax
    mov %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $8, $3f

    .code64
3:  mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov %esi, %edi
    mov $kernel_boot_stack_end, %rsp
    xor %ebp, %ebp
    mov $pvh_main, %rax
    call *%rax

    .balign 8
boot_gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_gdt_pointer:
    .word 23
    .long boot_gdt

    .section .bootbss, "aw", @nobits
    .balign 4096
boot_pml4:      .skip 4096
boot_pdpt:      .skip 4096
boot_pdpt_high: .skip 4096
boot_pd:        .skip 4 * 4096
boot_stack:     .skip 1024
boot_stack_end:

/* The 64-bit entry of other loaders: RDI = struct boot_info, tables as boot_info.h says. They find
 * it by a note of our own. */
    .section .note.pvh, "a", @note
    .balign 4
    .long 5, 8, 1           /* name size, desc size, type: see boot/efi/load.c */
    .asciz "Blkh"
    .balign 4
    .quad kernel_entry

    .text
    .globl kernel_entry
kernel_entry:
    mov $kernel_boot_stack_end, %rsp
    xor %ebp, %ebp
    call kernel_main

    .section .note.GNU-stack,"",@progbits
