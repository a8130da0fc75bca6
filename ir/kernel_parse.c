// ir/kernel_parse.c -- reading a kernel's text (written by ir/schedule_print.c).
#include <inttypes.h>

#include "ir/kernel_build.h"
#include "ir/schedule_text.h"

static void read_args(TextReader *r, IrKernel *k) {
    text_expect(r, "args");
    text_expect(r, "[");
    while (!r->failed && !text_accept(r, "]")) {
        if (k->n_args)
            text_expect(r, ",");
        IrDtype dtype = text_dtype(r);
        bool written = text_accept(r, "out");
        if (!written)
            text_expect(r, "in");
        ir_kernel_add_arg(k, dtype, written);
    }
}

static void read_axes(TextReader *r, IrKernel *k) {
    text_expect(r, "axes");
    text_expect(r, "[");
    bool reduced = false;
    while (!r->failed && !text_accept(r, "]")) {
        bool bar = !reduced && text_accept(r, "|");
        reduced = reduced || bar;
        if (k->n_axes && !bar)
            text_expect(r, ",");
        if (k->n_axes == IR_MAX_AXES)
            text_error(r, "a kernel has at most %d axes", IR_MAX_AXES);
        IrDim *extent = text_dim(r, k->dims);
        if (!r->failed)
            ir_kernel_add_axis(k, extent, reduced);
    }
}

static int read_scalar_ref(TextReader *r, int limit) {
    text_expect(r, "s");
    return text_index(r, limit, "scalar before this one, s");
}

// "a0[4 + 16*i0 + 2*row(s1, d0 - 1)] if s2"
static IrAddress read_address(TextReader *r, IrKernel *k) {
    text_expect(r, "a");
    IrAddress a = ir_address(text_index(r, k->n_args, "argument a"));
    text_expect(r, "[");
    a.offset = text_sum(r, k->dims, "i", k->n_axes, a.strides, &a);
    text_expect(r, "]");
    if (text_accept(r, "if"))
        a.guard = read_scalar_ref(r, INT32_MAX);
    return a;
}

static int read_count(TextReader *r, const char *name) {
    text_expect(r, name);
    text_expect(r, "=");
    return text_index(r, IR_MAX_AXES + 1, "number of axes");
}

static void read_product(TextReader *r, IrKernel *k) {
    IrProduct *p = &k->product;
    p->present = true;
    p->dtype = text_dtype(r);
    p->n_batch = read_count(r, "batch");
    p->n_m = read_count(r, "m");
    p->n_n = read_count(r, "n");
    p->n_k = read_count(r, "k");
    p->lhs = read_address(r, k);
    text_expect(r, ",");
    p->rhs = read_address(r, k);
    if (!r->failed && (p->n_batch + p->n_m + p->n_n != ir_kernel_n_parallel(k) ||
                       p->n_batch + p->n_m + p->n_n + p->n_k != k->n_axes))
        text_error(r, "the product's axes are not those of the kernel");
}

static int read_number(TextReader *r, const IrKernel *k) {
    text_expect(r, "n");
    return text_index(r, k->n_ints, "integer argument n");
}

// "n0(i0: n1, i2: n3)[4 + 16*i1]"
static void read_draw(TextReader *r, IrKernel *k, IrScalar *s) {
    s->kind = IR_SCALAR_DRAW;
    s->number = read_number(r, k);
    if (text_accept(r, "(")) {
        do {
            if (s->n_key_axes == IR_MAX_AXES)
                text_error(r, "a draw has at most %d key axes", IR_MAX_AXES);
            if (r->failed)
                return;
            text_expect(r, "i");
            s->key_axes[s->n_key_axes] = text_index(r, k->n_axes, "axis i");
            text_expect(r, ":");
            s->key_ints[s->n_key_axes++] = read_number(r, k);
        } while (text_accept(r, ","));
        text_expect(r, ")");
    }
    text_expect(r, "[");
    s->dim = text_sum(r, k->dims, "i", k->n_axes, s->draw_strides, NULL);
    text_expect(r, "]");
}

// An operation by its name: a MAP row, a reduction or a draw.
static void read_operation(TextReader *r, IrKernel *k, IrScalar *s) {
    TextReader before = *r;
    const char *name = text_name(r);
    s->op = ir_op_find(name);
    if (s->op == IR_OP_draw_normal || s->op == IR_OP_draw_uniform) {
        read_draw(r, k, s);
        return;
    }
    bool reduces = s->op == IR_OP_sum || s->op == IR_OP_reduce_max || s->op == IR_OP_reduce_min ||
                   s->op == IR_OP_argmax;
    s->kind = reduces ? IR_SCALAR_REDUCE : IR_SCALAR_MAP;
    if (!reduces && (s->op == IR_OP_COUNT || ir_op_info[s->op].kind != IR_KIND_MAP)) {
        *r = before;
        text_error(r, "'%s' is no operation of kernels", name);
        return;
    }
    for (int i = 0; i < ir_scalar_n_in(s); i++) {
        if (i)
            text_expect(r, ",");
        s->in[i] = read_scalar_ref(r, k->n_scalars);
    }
}

static void read_scalar_body(TextReader *r, IrKernel *k, IrScalar *s) {
    if (text_accept(r, "load")) {
        s->kind = IR_SCALAR_LOAD;
        s->address = read_address(r, k);
    } else if (text_accept(r, "const")) {
        s->kind = IR_SCALAR_CONST;
        s->value = text_double(r);
    } else if (text_accept(r, "index")) {
        s->kind = IR_SCALAR_INDEX;
        text_expect(r, "i");
        s->axis = text_index(r, k->n_axes, "axis i");
    } else if (text_accept(r, "extent")) {
        s->kind = IR_SCALAR_EXTENT;
        s->dim = text_dim(r, k->dims);
    } else if (text_accept(r, "int")) {
        s->kind = IR_SCALAR_INT;
        s->number = read_number(r, k);
    } else if (text_accept(r, "select")) {
        s->kind = IR_SCALAR_SELECT;
        for (int i = 0; i < 3; i++) {
            if (i)
                text_expect(r, ",");
            s->in[i] = read_scalar_ref(r, k->n_scalars);
        }
    } else if (text_accept(r, "cast")) {
        s->kind = IR_SCALAR_CAST;
        s->in[0] = read_scalar_ref(r, k->n_scalars);
    } else if (text_accept(r, "product")) {
        s->kind = IR_SCALAR_PRODUCT;
    } else {
        read_operation(r, k, s);
    }
}

// "s3 = add s1, s2 : f32"
static void read_scalar(TextReader *r, IrKernel *k) {
    IrScalar s = {.address = ir_address(0), .loc = text_loc(r)};
    text_expect(r, "s");
    if (text_index(r, INT32_MAX, "scalar") != k->n_scalars)
        text_error(r, "scalars are numbered in order: expected s%d", k->n_scalars);
    text_expect(r, "=");
    read_scalar_body(r, k, &s);
    text_expect(r, ":");
    s.dtype = text_dtype(r);
    if (!r->failed)
        arena_push(k->arena, k->scalars, k->n_scalars, k->cap_scalars, s);
}

static void read_store(TextReader *r, IrKernel *k) {
    IrStore s = {.address = read_address(r, k)};
    s.accumulate = text_accept(r, "+=");
    if (!s.accumulate)
        text_expect(r, "=");
    s.scalar = read_scalar_ref(r, k->n_scalars);
    if (!r->failed)
        arena_push(k->arena, k->stores, k->n_stores, k->cap_stores, s);
}

static bool comes_next(const TextReader *r, const char *word) {
    TextReader ahead = *r;
    return text_accept(&ahead, word);
}

static void read_body(TextReader *r, IrKernel *k) {
    if (text_accept(r, "dims"))
        while (!r->failed && !comes_next(r, "args"))
            ir_dim_var(k->dims, text_name(r), INT32_MAX, 0);
    read_args(r, k);
    if (text_accept(r, "ints"))
        k->n_ints = text_index(r, 1 << 16, "number of integers");
    read_axes(r, k);
    if (text_accept(r, "product"))
        read_product(r, k);
    while (!r->failed && !text_accept(r, "}")) {
        if (text_accept(r, "store"))
            read_store(r, k);
        else
            read_scalar(r, k);
    }
}

IrKernel *text_kernel(TextReader *r) {
    Loc loc = text_loc(r);
    IrKernel *k = ir_kernel_new(r->arena, text_quoted(r), loc);
    TextReader at_hash = *r;
    bool has_hash = text_accept(r, "hash");
    uint64_t hash = 0;
    if (has_hash) {
        text_expect(r, "=");
        hash = text_hash(r);
    }
    text_expect(r, "{");
    read_body(r, k);
    if (r->failed)
        return NULL;

    // an edited kernel must not pass for the one that it was
    k->hash = ir_kernel_hash(k);
    if (has_hash && hash != k->hash) {
        *r = at_hash;
        text_error(r, "the kernel's hash is %016" PRIx64 "; leave it out to have it computed",
                   k->hash);
        return NULL;
    }
    return k;
}
