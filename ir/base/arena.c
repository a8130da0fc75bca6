// ir/base/arena.c -- memory with one lifetime.
//
// Blocks form a list with the newest first. An allocation bumps the newest block; a large one gets
// a block of its own behind it, so that the room left in the newest block is not lost.
#include "ir/base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/exits.h"

enum { ALIGN = 16, FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };

struct ArenaBlock {
    _Alignas(ALIGN) ArenaBlock *next;
    size_t used, cap;
    _Alignas(ALIGN) unsigned char data[];
};

_Noreturn void arena_out_of_memory(size_t size) {
    fprintf(stderr, "out of memory: %zu more bytes were needed\n", size);
    exit(EXIT_SYSTEM);
}

static ArenaBlock *new_block(size_t cap) {
    ArenaBlock *b = cap <= SIZE_MAX / 2 ? malloc(sizeof *b + cap) : NULL;
    if (!b)
        arena_out_of_memory(cap);
    b->next = NULL;
    b->used = 0;
    b->cap = cap;
    return b;
}

// A block with room for `need` bytes, linked into `a`.
static ArenaBlock *add_block(Arena *a, size_t need) {
    ArenaBlock *newest = a->block;
    size_t cap = newest ? newest->cap * 2 : FIRST_BLOCK;
    if (cap > LARGEST_BLOCK)
        cap = LARGEST_BLOCK;

    if (newest && need > cap / 4) {
        ArenaBlock *own = new_block(need);
        own->next = newest->next;
        newest->next = own;
        return own;
    }

    ArenaBlock *b = new_block(need > cap ? need : cap);
    b->next = newest;
    a->block = b;
    return b;
}

void *arena_alloc(Arena *a, size_t size) {
    if (size > SIZE_MAX / 2)
        arena_out_of_memory(size);
    size_t need = size ? (size + ALIGN - 1) / ALIGN * ALIGN : ALIGN;

    ArenaBlock *b = a->block;
    if (!b || b->cap - b->used < need)
        b = add_block(a, need);
    void *p = b->data + b->used;
    b->used += need;
    a->n_bytes += size;
    return memset(p, 0, need);
}

void *arena_alloc_array(Arena *a, size_t n, size_t size) {
    if (size && n > SIZE_MAX / 2 / size)
        arena_out_of_memory(SIZE_MAX);
    return arena_alloc(a, n * size);
}

void *arena_grow(Arena *a, const void *old, size_t n_old, size_t n_new, size_t size) {
    void *p = arena_alloc_array(a, n_new, size);
    size_t n_kept = n_old < n_new ? n_old : n_new;
    if (old && n_kept)
        memcpy(p, old, n_kept * size);
    return p;
}

char *arena_strndup(Arena *a, const char *s, size_t len) {
    if (len > SIZE_MAX / 2)
        arena_out_of_memory(len);
    char *copy = arena_alloc(a, len + 1);
    if (len)
        memcpy(copy, s, len);
    return copy;
}

char *arena_strdup(Arena *a, const char *s) {
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(Arena *a, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(a, format, args);
    va_end(args);
    return text;
}

char *arena_vprintf(Arena *a, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (len < 0)
        return arena_strdup(a, "");

    char *text = arena_alloc(a, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, args);
    return text;
}

// Frees `b` and all blocks after it.
static void free_blocks(ArenaBlock *b) {
    while (b) {
        ArenaBlock *next = b->next;
        free(b);
        b = next;
    }
}

void arena_reset(Arena *a) {
    if (a->block) {
        free_blocks(a->block->next);
        a->block->next = NULL;
        a->block->used = 0;
    }
    a->n_bytes = 0;
}

void arena_free(Arena *a) {
    free_blocks(a->block);
    *a = (Arena){0};
}
