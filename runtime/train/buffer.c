// runtime/train/buffer.c -- rows that one stage makes and later stages of the iteration use.
#include "runtime/train/buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

RtBuffer *rt_buffer_new(void) {
    RtBuffer *b = calloc(1, sizeof *b);

    if (!b)
        arena_out_of_memory(sizeof *b);
    return b;
}

void rt_buffer_free(RtBuffer *b) {
    if (!b)
        return;
    for (int i = 0; i < b->n_columns; i++)
        free(b->columns[i].data);
    arena_free(&b->arena);
    free(b);
}

// Room for `rows` rows of a column, which has memory even where there are none.
static void resize(RtBufferColumn *c, int64_t rows) {
    size_t bytes = (size_t)rows * c->row_bytes;

    c->data = realloc(c->data, bytes ? bytes : 1);
    if (!c->data)
        arena_out_of_memory(bytes);
}

int rt_buffer_add(RtBuffer *b, const char *name, IrDtype dtype, int rank, int64_t width) {
    RtBufferColumn c = {.name = arena_strdup(&b->arena, name),
                        .dtype = dtype,
                        .rank = rank,
                        .width = rank == 1 ? 1 : width};

    c.row_bytes = (size_t)c.width * ir_dtype_size(dtype);
    resize(&c, b->cap);
    arena_push(&b->arena, b->columns, b->n_columns, b->cap_columns, c);
    return b->n_columns - 1;
}

int rt_buffer_find(const RtBuffer *b, const char *name) {
    for (int i = 0; i < b->n_columns; i++)
        if (strcmp(b->columns[i].name, name) == 0)
            return i;
    return -1;
}

void rt_buffer_ensure(RtBuffer *b, int64_t rows) {
    if (rows <= b->cap)
        return;
    b->cap = rows;
    for (int i = 0; i < b->n_columns; i++)
        resize(&b->columns[i], rows);
}

void rt_buffer_put(RtBuffer *b, int column, int64_t first, int64_t n, const double *values) {
    const RtBufferColumn *c = &b->columns[column];
    int64_t at = first * c->width, count = n * c->width;

    assert(first + n <= b->cap);
    for (int64_t i = 0; i < count; i++) {
        switch (c->dtype) {
        case IR_F32:
            ((float *)c->data)[at + i] = (float)values[i];
            break;
        case IR_F64:
            ((double *)c->data)[at + i] = values[i];
            break;
        case IR_I32:
            ((int32_t *)c->data)[at + i] = (int32_t)values[i];
            break;
        default:
            ((bool *)c->data)[at + i] = values[i] != 0;
        }
    }
}

void rt_buffer_copy(RtBuffer *b, int column, int64_t first, int64_t n, const void *data) {
    const RtBufferColumn *c = &b->columns[column];

    assert(first + n <= b->cap);
    memcpy(c->data + (size_t)first * c->row_bytes, data, (size_t)n * c->row_bytes);
}
