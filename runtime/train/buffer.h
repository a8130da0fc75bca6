// runtime/train/buffer.h -- rows that one stage makes and later stages of the iteration use.
//
// A buffer is named columns of equally many rows, in the element types of programs: what an actor
// saw and did in real episodes, or what a program imagined. A stage declares its columns and how
// many rows they hold at most before any stage is bound, so that misfits are told early; each run
// of the stage fills them anew. No buffer outlives its iteration, so that no commit holds one.
#ifndef RUNTIME_TRAIN_BUFFER_H
#define RUNTIME_TRAIN_BUFFER_H

#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/ir.h"

typedef struct RtBufferColumn {
    const char *name;
    IrDtype dtype;
    int rank;         // 1: (rows); 2: (rows, width)
    int64_t width;    // elements of a row; 1 where rank is 1
    size_t row_bytes; // of them
    char *data;       // (cap, width)
} RtBufferColumn;

typedef struct RtBuffer {
    Arena arena; // owns the names
    RtBufferColumn *columns;
    int n_columns, cap_columns;
    int64_t rows; // that count
    int64_t cap;  // that fit
} RtBuffer;

// An empty buffer. The caller frees it with rt_buffer_free().
RtBuffer *rt_buffer_new(void);

// Frees the buffer. Accepts NULL.
void rt_buffer_free(RtBuffer *b);

// Adds a column, of rank 1 where `rank` is 1, and gives its number. The name is copied.
int rt_buffer_add(RtBuffer *b, const char *name, IrDtype dtype, int rank, int64_t width);

// The number of the column called `name`, or -1.
int rt_buffer_find(const RtBuffer *b, const char *name);

// Makes room for `rows` rows in all columns; those that are there stay.
void rt_buffer_ensure(RtBuffer *b, int64_t rows);

// Writes rows `first` .. `first` + n - 1 of a column from n x width numbers, converted to its
// element type. The rows must fit.
void rt_buffer_put(RtBuffer *b, int column, int64_t first, int64_t n, const double *values);

// The same from memory of the column's own element type.
void rt_buffer_copy(RtBuffer *b, int column, int64_t first, int64_t n, const void *data);

#endif
