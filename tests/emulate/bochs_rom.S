// SPDX-License-Identifier: Apache-2.0
/*
 * All the firmware the emulated machine needs: a ROM that loads the disk into memory and starts a
 * Linux kernel by its PVH entry (32-bit, flat, no paging). No BIOS, no boot loader, nothing to
 * decompress: the start takes well under a second. bochs_disk.py writes the two words at 0xffe0.
 *
 * The disk goes to 0xff0000: 64 KiB with the kernel's start information at 0x1000, then the kernel
 * where it wants to lie, at 0x1000000.
 */
    .set DISK_ADDRESS, 0xff0000
    .set START_INFO, DISK_ADDRESS + 0x1000
    .set ROM_ADDRESS, 0xffff0000
    .set WORD_SECTORS, ROM_ADDRESS + 0xffe0 /* sectors to load, a multiple of 256 */
    .set WORD_ENTRY, ROM_ADDRESS + 0xffe4
    .set ATA_DATA, 0x1f0
    .set ATA_COUNT, 0x1f2
    .set ATA_STATUS, 0x1f7

    .text
    .code16
rom:
real_mode:
    cli
    lgdtl %cs:(gdt_register - rom)
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmpl $8, $(ROM_ADDRESS + flat_mode - rom)

    .code32
flat_mode:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    cld
    mov $DISK_ADDRESS, %edi
    xor %ebx, %ebx /* the next sector */

read_256_sectors:
    mov $ATA_COUNT, %edx
    mov $0, %al /* 256 */
    out %al, %dx
    mov %ebx, %eax
    inc %edx
    out %al, %dx
    shr $8, %eax
    inc %edx
    out %al, %dx
    shr $8, %eax
    inc %edx
    out %al, %dx
    inc %edx
    mov $0xe0, %al /* by number of sector, first drive */
    out %al, %dx
    inc %edx
    mov $0x20, %al /* read */
    out %al, %dx
read_sector:
    mov $ATA_STATUS, %edx
wait_for_data:
    in %dx, %al
    test $0x80, %al /* busy */
    jnz wait_for_data
    test $0x08, %al /* data */
    jz wait_for_data
    mov $ATA_DATA, %edx
    mov $256, %ecx
    rep insw
    inc %ebx
    test %bl, %bl
    jnz read_sector
    cmp WORD_SECTORS, %ebx
    jb read_256_sectors

    mov $START_INFO, %ebx
    jmp *WORD_ENTRY

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff /* code, 4 GiB */
    .quad 0x00cf93000000ffff /* data, 4 GiB */
gdt_register:
    .word gdt_register - gdt - 1
    .long ROM_ADDRESS + gdt - rom

    .org 0xfff0 /* where an x86 CPU starts */
    .code16
    jmp real_mode
    .org 0x10000
