/* A saved VM as bytes: the head and the vmm's own records (lib/abi/record.h). Pure. The image is
 * foreign: who has once mapped it may still change it, so what is used is copied first. */
#pragma once
#include "lib/abi/record.h"
#include "lib/abi/vm_control.h"
#include "lib/err.h"

/* Appends records to @at; once ERR_FULL, it stays so. */
struct image_writer {
    uint8_t *at;
    uint64_t capacity, used;
    enum err err;
};
void image_put(struct image_writer *w, enum record_type type, const void *payload, uint64_t bytes);
/* The same for one of several: number @instance, its payload in two parts. */
void image_put_parts(struct image_writer *w, enum record_type type, unsigned instance,
                     const void *first, uint64_t first_bytes, const void *second,
                     uint64_t second_bytes);

/* Fills in what the head says about the layout, and its checksum. */
void image_seal(struct image_head *h, uint64_t memory_bytes, unsigned cpu_count);

/* Copies the head at @at, of an image of @bytes, to *@out. ERR_FORMAT: it is no whole image of this
 * version. */
enum err image_open(const void *at, uint64_t bytes, struct image_head *out) MUST_CHECK;

/* The head of the record at @offset of @bytes at @at. ERR_FORMAT: it is none. */
enum err image_peek(const uint8_t *at, uint64_t bytes, uint64_t offset, struct record *out)
    MUST_CHECK;

/* The next record at *@offset of @bytes at @at: its head to *@out, its payload to @payload, of
 * which there are @capacity bytes; moves *@offset behind it. ERR_FORMAT: it is none, or broken. */
enum err image_take(const uint8_t *at, uint64_t bytes, uint64_t *offset, struct record *out,
                    void *payload, uint64_t capacity) MUST_CHECK;

/* Adds the heads of the @bytes of records at @at to @out, by type. */
void image_summarise(const uint8_t *at, uint64_t bytes, struct vmm_saved *out);
