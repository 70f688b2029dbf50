/* The ways into the kernel and between threads. The kernel never reads through GS; SWAPGS is used
 * only to find the stack on SYSCALL, and undone at once. */

    .text
    .globl syscall_entry
    .balign 16
syscall_entry:
    swapgs
    mov %rsp, %gs:8
    mov %gs:0, %rsp
    pushq %gs:8
    swapgs
    push %rcx                   /* user RIP */
    push %r11                   /* user RFLAGS */
    sub $8, %rsp
    mov %r10, %rcx
    mov %rax, %r9
    cld
    call *trap_hooks + 40(%rip)
    add $8, %rsp
    pop %r11
    pop %rcx
    xor %edi, %edi              /* leave nothing of ours in the scratch registers */
    xor %esi, %esi
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    pop %rsp
    sysretq

    .globl enter_user
enter_user:
    mov %rdi, %rcx
    mov %rsi, %rsp
    mov %rdx, %rdi
    mov $0x202, %r11d
    xor %eax, %eax
    xor %ebx, %ebx
    xor %edx, %edx
    xor %esi, %esi
    xor %ebp, %ebp
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    sysretq

    .globl context_switch
context_switch:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret

    .globl context_start        /* a new thread: R12 = entry, R13 = argument */
context_start:
    mov %r13, %rdi
    call *%r12
    ud2

/* 256 stubs of 16 bytes. Vectors 8, 10-14, 17, 21, 29, 30 push an error code themselves. */
    .globl trap_stubs
    .balign 16
trap_stubs:
vector = 0
.rept 256
    .balign 16
    .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30
    .else
    push $0
    .endif
    push $vector
    jmp trap_common
vector = vector + 1
.endr

trap_common:
    push %rax
    push %rbx
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    cld
    mov %rsp, %rdi
    mov %rsp, %rbx
    and $~15, %rsp
    call trap_dispatch
    mov %rbx, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rbp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rbx
    pop %rax
    add $16, %rsp
    iretq

/* bool copy_fault_safe(to, from, bytes): 8 bytes at a time, then single ones. */
    .macro safe_copy name, before, after
    .globl \name
\name:
    \before
    mov %rdx, %rcx
    shr $3, %rcx
    jz 3f
1:  mov (%rsi), %rax
2:  mov %rax, (%rdi)
    add $8, %rsi
    add $8, %rdi
    dec %rcx
    jnz 1b
3:  and $7, %edx
    jz 6f
4:  mov (%rsi), %al
5:  mov %al, (%rdi)
    inc %rsi
    inc %rdi
    dec %edx
    jnz 4b
6:  \after
    mov $1, %eax
    ret
7:  \after
    xor %eax, %eax
    ret
    .pushsection .fixup, "a"
    .quad 1b, 7b, 2b, 7b, 4b, 7b, 5b, 7b
    .popsection
    .endm

    safe_copy copy_fault_safe, nop, nop
    safe_copy user_copy_smap, stac, clac

    .bss
    .balign 8192
    .globl kernel_boot_stack, kernel_boot_stack_end
kernel_boot_stack:
    .skip 8192
kernel_boot_stack_end:
    .globl boot_emergency_stacks
boot_emergency_stacks:
    .skip 3 * 8192

    .section .note.GNU-stack,"",@progbits
