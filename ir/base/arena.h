// ir/base/arena.h -- memory with one lifetime.
//
// An arena hands out zeroed memory and takes all of it back at once. A zeroed struct is a valid
// empty one. Running out of memory ends the process with exit code 71 and a sentence.
#ifndef IR_BASE_ARENA_H
#define IR_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

typedef struct ArenaBlock ArenaBlock;

// A zeroed Arena is empty and ready for use.
typedef struct Arena {
    ArenaBlock *block; // newest block, or NULL
    size_t n_bytes;    // bytes handed out, for reports
} Arena;

// `size` zeroed bytes aligned for any type (16), owned by `a`. A size of 0 gives a unique pointer.
void *arena_alloc(Arena *a, size_t size);

// `n` zeroed elements of type T, owned by `a`.
#define arena_array(a, T, n) ((T *)arena_alloc_array((a), (size_t)(n), sizeof(T)))
#define arena_new(a, T)      arena_array(a, T, 1)
void *arena_alloc_array(Arena *a, size_t n, size_t size);

// A larger copy of the array `old` of `n_old` elements; the rest is zero. For growing arrays.
void *arena_grow(Arena *a, const void *old, size_t n_old, size_t n_new, size_t size);

// Appends to a growing array {T *items; int n; int cap} kept in three lvalues.
#define arena_push(a, items, n, cap, value)                                                 \
    do {                                                                                    \
        if ((n) == (cap)) {                                                                 \
            int cap_ = (cap) ? 2 * (cap) : 8;                                               \
            (items) = arena_grow((a), (items), (size_t)(n), (size_t)cap_, sizeof *(items)); \
            (cap) = cap_;                                                                   \
        }                                                                                   \
        (items)[(n)++] = (value);                                                           \
    } while (0)

// A copy of the `len` bytes at `s`, with a terminating NUL, owned by `a`.
char *arena_strndup(Arena *a, const char *s, size_t len);
char *arena_strdup(Arena *a, const char *s);

// Formatted text, owned by `a`.
char *arena_printf(Arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(Arena *a, const char *format, va_list args);

// Takes back everything `a` handed out, and keeps one block for reuse.
void arena_reset(Arena *a);

// Takes back everything and leaves `a` zeroed.
void arena_free(Arena *a);

// Ends the process with exit code 71 and a sentence; `size` is what could not be had.
_Noreturn void arena_out_of_memory(size_t size);

#endif
