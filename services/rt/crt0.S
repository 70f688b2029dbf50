/* The first instructions of every program: the kernel enters here with a zeroed stack of its
 * own choice in RSP, 16-byte aligned. */
    .section .text.start, "ax"
    .globl program_start
program_start:
    xor %ebp, %ebp
    call program_main
    xor %edi, %edi
    call sys_exit
    .section .note.GNU-stack,"",@progbits
