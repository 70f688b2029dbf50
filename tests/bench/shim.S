/* Runs before a Linux kernel that is entered through its PVH note: prints 'ENTRY-TSC <hex>' on the
 * first UART and goes on to the kernel's own entry, all registers kept. It has no stack.
 * tests/bench/shim.py appends it to a copy of the kernel's file. */
#ifndef ENTRY
#define ENTRY 0
#endif
    .code32
    .globl _start
_start:
    movl %eax, kept_eax
    movl %ebx, kept_ebx
    movl %ecx, kept_ecx
    movl %edx, kept_edx
    movl %esi, kept_esi
    movl %edi, kept_edi
    rdtsc
    movl %eax, tsc
    movl %edx, tsc + 4
    /* Sixteen digits, the highest first. */
    movl $15, %ecx
1:  movl tsc, %eax
    andl $15, %eax
    movb digits(%eax), %al
    movb %al, number(%ecx)
    movl tsc + 4, %edx
    movl tsc, %eax
    shrdl $4, %edx, %eax
    shrl $4, %edx
    movl %eax, tsc
    movl %edx, tsc + 4
    decl %ecx
    jns 1b
    movl $text, %esi
2:  movw $0x3fd, %dx
3:  inb %dx, %al
    testb $0x20, %al
    jz 3b
    movw $0x3f8, %dx
    movb (%esi), %al
    outb %al, %dx
    incl %esi
    cmpl $text_end, %esi
    jne 2b
    movl kept_eax, %eax
    movl kept_ebx, %ebx
    movl kept_ecx, %ecx
    movl kept_edx, %edx
    movl kept_esi, %esi
    movl kept_edi, %edi
    jmp *entry

entry:
    .long ENTRY
tsc:
    .long 0, 0
kept_eax:
    .long 0
kept_ebx:
    .long 0
kept_ecx:
    .long 0
kept_edx:
    .long 0
kept_esi:
    .long 0
kept_edi:
    .long 0
digits:
    .ascii "0123456789abcdef"
text:
    .ascii "ENTRY-TSC "
number:
    .ascii "0000000000000000\r\n"
text_end:
