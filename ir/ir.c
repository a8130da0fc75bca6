// ir/ir.c -- types, functions, blocks and nodes.
#include "ir/ir.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/base/exits.h"
#include "ir/text.h"

// ---- types --------------------------------------------------------------------------------------

static const struct {
    const char *name;
    size_t size;
} dtypes[IR_DTYPE_COUNT] = {
    [IR_F32] = {"f32", 4},
    [IR_F64] = {"f64", 8},
    [IR_I32] = {"i32", 4},
    [IR_BOOL] = {"bool", 1},
};

IrType ir_type(IrDtype dtype, int rank, IrDim *const *dims) {
    assert(rank >= 0 && rank <= IR_MAX_RANK);
    IrType t = {.dtype = dtype, .rank = rank};
    for (int i = 0; i < rank; i++)
        t.dims[i] = dims[i];
    return t;
}

IrType ir_scalar(IrDtype dtype) {
    return (IrType){.dtype = dtype};
}

bool ir_dims_equal(const IrType *a, const IrType *b) {
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i])
            return false;
    }
    return true;
}

bool ir_type_equal(const IrType *a, const IrType *b) {
    return a->dtype == b->dtype && ir_dims_equal(a, b);
}

IrDim *ir_type_count(IrDims *ds, const IrType *t) {
    IrDim *count = ir_dim_const(ds, 1);
    for (int i = 0; i < t->rank; i++)
        count = ir_dim_mul(ds, count, t->dims[i]);
    return count;
}

size_t ir_dtype_size(IrDtype dtype) {
    return dtypes[dtype].size;
}

const char *ir_dtype_name(IrDtype dtype) {
    return dtypes[dtype].name;
}

bool ir_dtype_is_real(IrDtype dtype) {
    return dtype == IR_F32 || dtype == IR_F64;
}

void ir_type_print(Buf *b, const IrType *t) {
    buf_printf(b, "%s[", ir_dtype_name(t->dtype));
    for (int i = 0; i < t->rank; i++) {
        buf_puts(b, i ? "," : "");
        ir_dim_print(b, t->dims[i]);
    }
    buf_puts(b, "]");
}

const char *ir_role_name(IrRole role) {
    static const char *const names[IR_ROLE_COUNT] = {
        [IR_ROLE_INPUT] = "in",    [IR_ROLE_PARAM] = "p",       [IR_ROLE_STATE] = "s",
        [IR_ROLE_SETTING] = "set", [IR_ROLE_DRAW] = "draw",     [IR_ROLE_OUT] = "out",
        [IR_ROLE_GRAD] = "g",      [IR_ROLE_UPDATE] = "update",
    };
    return names[role];
}

// ---- functions and blocks -----------------------------------------------------------------------

IrBlock *ir_block_new(Arena *a) {
    return arena_new(a, IrBlock);
}

IrFunction *ir_function_new(Arena *a, IrDims *dims, const char *name) {
    IrFunction *f = arena_new(a, IrFunction);
    *f = (IrFunction){
        .arena = a, .dims = dims, .name = arena_strdup(a, name), .body = ir_block_new(a)};
    return f;
}

IrNode *ir_node_new(IrFunction *f, IrOp op, int n_in, IrNode *const *in) {
    IrNode *n = arena_new(f->arena, IrNode);
    n->op = op;
    n->id = f->n_nodes++;
    n->n_in = n_in;
    n->in = arena_array(f->arena, IrNode *, n_in);
    for (int i = 0; i < n_in; i++)
        n->in[i] = in[i];
    return n;
}

void ir_block_append(IrFunction *f, IrBlock *b, IrNode *n) {
    arena_push(f->arena, b->nodes, b->n, b->cap, n);
}

IrNode *ir_block_add_param(IrFunction *f, IrBlock *b, IrType type, const char *name, Loc loc) {
    IrNode *n = ir_node_new(f, IR_OP_input, 0, NULL);
    n->n_types = 1;
    n->types = arena_new(f->arena, IrType);
    n->types[0] = type;
    n->attrs.index = b->n_params;
    n->attrs.name = name ? arena_strdup(f->arena, name) : NULL;
    n->path = n->attrs.name;
    n->loc = loc;
    arena_push(f->arena, b->params, b->n_params, b->cap_params, n);
    return n;
}

void ir_block_add_result(IrFunction *f, IrBlock *b, IrNode *n) {
    arena_push(f->arena, b->results, b->n_results, b->cap_results, n);
}

// A slot with strings of its own, and the fields that its role does not use at rest.
static IrSlot own_slot(Arena *a, IrSlot slot) {
    slot.name = arena_strdup(a, slot.name ? slot.name : "");
    if (slot.role != IR_ROLE_UPDATE)
        slot.target = -1;
    return slot;
}

// Appends to `slots`, whose number is that of the block's parameters or results.
static void push_slot(IrFunction *f, IrSlot **slots, int n, int *cap, IrSlot slot) {
    if (n >= *cap) {
        *cap = n < 4 ? 8 : 2 * n;
        *slots = arena_grow(f->arena, *slots, (size_t)n, (size_t)*cap, sizeof **slots);
    }
    (*slots)[n] = own_slot(f->arena, slot);
}

IrNode *ir_add_input(IrFunction *f, IrType type, IrSlot slot, Loc loc) {
    push_slot(f, &f->inputs, f->body->n_params, &f->cap_inputs, slot);
    return ir_block_add_param(f, f->body, type, slot.name, loc);
}

void ir_add_output(IrFunction *f, IrNode *n, IrSlot slot) {
    push_slot(f, &f->outputs, f->body->n_results, &f->cap_outputs, slot);
    ir_block_add_result(f, f->body, n);
}

static int number_block(const IrBlock *b, int next) {
    for (int i = 0; i < b->n_params; i++)
        b->params[i]->id = next++;
    for (int i = 0; i < b->n; i++) {
        if (b->nodes[i]->body)
            next = number_block(b->nodes[i]->body, next);
        b->nodes[i]->id = next++;
    }
    return next;
}

void ir_renumber(IrFunction *f) {
    f->n_nodes = number_block(f->body, 0);
}

void ir_walk(IrBlock *b, void (*visit)(IrNode *n, IrBlock *in, void *data), void *data) {
    for (int i = 0; i < b->n; i++) {
        if (b->nodes[i]->body)
            ir_walk(b->nodes[i]->body, visit, data);
        visit(b->nodes[i], b, data);
    }
}

// ---- our own mistakes ---------------------------------------------------------------------------

void ir_bug(const IrNode *n, const char *format, ...) {
    Buf text = {0};
    buf_puts(&text, "internal error: ");
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    if (n) {
        buf_puts(&text, "\n  ");
        ir_print_node(&text, n);
        if (n->path)
            buf_printf(&text, "\n  at %s", n->path);
        if (n->loc.line && n->loc.file)
            buf_printf(&text, "\n  %s:%d:%d", n->loc.file->path, n->loc.line, n->loc.col);
    }
    fprintf(stderr, "%s\nThis is a bug of gssm; please report it with the model.\n",
            buf_text(&text));
    exit(EXIT_BUG);
}
