// runtime/exec/state.c -- parameters, states and optimiser states of a world, once, by name.
#include "runtime/exec/state.h"

#include <stdlib.h>
#include <string.h>

static RtDtype dtype_of(IrDtype dtype) {
    switch (dtype) {
    case IR_F32:
        return RT_F32;
    case IR_F64:
        return RT_F64;
    case IR_I32:
        return RT_I32;
    case IR_BOOL:
        return RT_BOOL;
    case IR_DTYPE_COUNT:
        break;
    }
    diag_bug("state entry without a dtype");
}

static RtState *state_alloc(void) {
    RtState *s = calloc(1, sizeof *s);

    if (!s)
        diag_bug("out of memory");
    return s;
}

// Gives every entry its place in one block.
static void place_entries(RtState *s) {
    size_t total = 0;

    for (int i = 0; i < s->n; i++)
        total += (s->tensors[i].bytes + 63) / 64 * 64;
    s->memory = rt_memory_new(total);
    memset(s->memory.data, 0, total);

    char *at = s->memory.data;
    for (int i = 0; i < s->n; i++) {
        s->tensors[i].data = at;
        at += (s->tensors[i].bytes + 63) / 64 * 64;
        map_put(&s->names, &s->arena, s->tensors[i].name, &s->tensors[i]);
    }
}

RtState *rt_state_new(const IrFunction *init) {
    RtState *s = state_alloc();

    s->n = init->body->n_results;
    s->tensors = arena_array(&s->arena, RtTensor, s->n);
    s->roles = arena_array(&s->arena, IrRole, s->n);
    for (int i = 0; i < s->n; i++) {
        const IrType *type = &init->body->results[i]->types[0];
        RtTensor *t = &s->tensors[i];

        *t = (RtTensor){.name = arena_strdup(&s->arena, init->outputs[i].name),
                        .dtype = dtype_of(type->dtype),
                        .rank = type->rank};
        t->bytes = rt_dtype_size(t->dtype);
        for (int k = 0; k < type->rank; k++) {
            if (!ir_dim_is_const(type->dims[k], &t->shape[k]))
                diag_bug("the initial value of '%s' has a shape that is not static", t->name);
            t->bytes *= (size_t)t->shape[k];
        }
        s->roles[i] = init->outputs[i].role;
    }
    place_entries(s);
    return s;
}

RtState *rt_state_clone(const RtState *from) {
    RtState *s = state_alloc();

    s->n = from->n;
    s->tensors = arena_array(&s->arena, RtTensor, s->n);
    s->roles = arena_array(&s->arena, IrRole, s->n);
    for (int i = 0; i < s->n; i++) {
        s->tensors[i] = from->tensors[i];
        s->tensors[i].name = arena_strdup(&s->arena, from->tensors[i].name);
        s->roles[i] = from->roles[i];
    }
    place_entries(s);
    rt_state_copy(s, from, "");
    return s;
}

void rt_state_free(RtState *s) {
    if (!s)
        return;
    rt_memory_free(&s->memory);
    arena_free(&s->arena);
    free(s);
}

RtTensor *rt_state_find(const RtState *s, const char *name) {
    return map_get(&s->names, name);
}

void rt_state_copy(RtState *to, const RtState *from, const char *prefix) {
    size_t len = strlen(prefix);

    for (int i = 0; i < to->n; i++)
        if (strncmp(to->tensors[i].name, prefix, len) == 0)
            memcpy(to->tensors[i].data, from->tensors[i].data, to->tensors[i].bytes);
}

int64_t rt_state_count(const RtState *s, const char *prefix) {
    size_t len = strlen(prefix);
    int64_t count = 0;

    for (int i = 0; i < s->n; i++)
        if (s->roles[i] == IR_ROLE_PARAM && strncmp(s->tensors[i].name, prefix, len) == 0)
            count += rt_tensor_elements(&s->tensors[i]);
    return count;
}
