// codegen/ref_scalar.c -- one scalar for a vector of indices; loads and stores.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "codegen/ref.h"
#include "ir/random.h"

// ---- addresses ----------------------------------------------------------------------------------

// Element of the vector's first index, before the indirect row; *stride leads to the next one.
static int64_t first_element(const RefFrame *f, const RefAddress *a, int64_t *stride) {
    int64_t at = a->offset;
    for (int i = 0; i < f->plan->kernel->n_axes; i++)
        at += f->index[i] * a->strides[i];
    *stride = f->vector >= 0 ? a->strides[f->vector] : 0;
    return at;
}

// Whether the address of element i can be read: its guard holds, and its rows are not none. Adds
// the indirect row to *at.
static bool resolve(const RefFrame *f, const RefAddress *a, int i, int64_t *at) {
    if (a->of->guard >= 0 && !f->regs[a->of->guard].b[i])
        return false;
    if (a->of->indirect < 0)
        return true;
    int64_t row = f->regs[a->of->indirect].i[i];
    row = row > a->last ? a->last : row;
    *at += (row < 0 ? 0 : row) * a->row_stride;
    return a->last >= 0;
}

static void check_element(const RefFrame *f, const RefAddress *a, int64_t at) {
#ifndef NDEBUG
    const RefArg *arg = &f->args[a->of->arg];
    if (at >= arg->lo && at < arg->hi)
        return;
    const IrKernelCall *c = f->call;
    diag_bug("kernel '%s' (%s, %s:%d): argument %d, element %" PRId64
             " is outside of its buffer, %" PRId64 " .. %" PRId64,
             f->plan->kernel->name, c->path ? c->path : "no path",
             c->loc.file ? c->loc.file->path : "?", c->loc.line, a->of->arg, at, arg->lo,
             arg->hi - 1);
#else
    (void)f, (void)a, (void)at;
#endif
}

void ref_check(const RefFrame *f, const RefAddress *a, int axis) {
    int64_t stride, at = first_element(f, a, &stride);
    int64_t along = axis >= 0 ? (f->extents[axis] - 1) * a->strides[axis] : 0;
    check_element(f, a, at);
    check_element(f, a, at + along);
    check_element(f, a, at + (f->n - 1) * stride);
    check_element(f, a, at + (f->n - 1) * stride + along);
}

static bool is_direct(const RefAddress *a) {
    return a->of->guard < 0 && a->of->indirect < 0;
}

// ---- loads and stores ---------------------------------------------------------------------------

// Copies n elements `step` bytes apart. The sizes are spelt out so that each loop is a simple one.
static void copy_in(RefReg *out, const char *from, ptrdiff_t step, size_t size, int n) {
    if (step == (ptrdiff_t)size) {
        memcpy(out, from, size * (size_t)n);
        return;
    }
    for (int i = 0; i < n; i++, from += step)
        if (size == 4)
            memcpy(&out->f[i], from, 4);
        else if (size == 8)
            memcpy(&out->d[i], from, 8);
        else
            memcpy(&out->b[i], from, 1);
}

static void copy_out(char *to, const RefReg *in, ptrdiff_t step, size_t size, int n) {
    if (step == (ptrdiff_t)size) {
        memcpy(to, in, size * (size_t)n);
        return;
    }
    for (int i = 0; i < n; i++, to += step)
        if (size == 4)
            memcpy(to, &in->f[i], 4);
        else if (size == 8)
            memcpy(to, &in->d[i], 8);
        else
            memcpy(to, &in->b[i], 1);
}

void ref_load(const RefFrame *f, const RefAddress *a, RefReg *out, int n) {
    int64_t stride, at = first_element(f, a, &stride);
    const char *base = f->args[a->of->arg].base;
    int64_t size = (int64_t)a->size;

    if (is_direct(a)) {
        check_element(f, a, at);
        check_element(f, a, at + (n - 1) * stride);
        copy_in(out, base + at * size, (ptrdiff_t)(stride * size), a->size, n);
        return;
    }
    memset(out, 0, a->size * (size_t)n);
    for (int i = 0; i < n; i++, at += stride) {
        int64_t element = at;
        if (!resolve(f, a, i, &element))
            continue;
        check_element(f, a, element);
        memcpy((char *)out + (size_t)i * a->size, base + element * size, a->size);
    }
}

static void add_one(char *to, const RefReg *in, int i, IrDtype dtype) {
    float f;
    double d;
    uint32_t u;
    switch (dtype) {
    case IR_F32:
        memcpy(&f, to, sizeof f);
        f += in->f[i];
        memcpy(to, &f, sizeof f);
        return;
    case IR_F64:
        memcpy(&d, to, sizeof d);
        d += in->d[i];
        memcpy(to, &d, sizeof d);
        return;
    case IR_I32:
        memcpy(&u, to, sizeof u);
        u += (uint32_t)in->i[i];
        memcpy(to, &u, sizeof u);
        return;
    case IR_BOOL:
    case IR_DTYPE_COUNT:
        break;
    }
    diag_bug("values of this type cannot be added");
}

void ref_store(const RefFrame *f, const RefAddress *a, bool accumulate, int scalar, int n) {
    int64_t stride, at = first_element(f, a, &stride);
    char *base = f->args[a->of->arg].base;
    const RefReg *in = &f->regs[scalar];
    int64_t size = (int64_t)a->size;

    if (is_direct(a) && !accumulate) {
        check_element(f, a, at);
        check_element(f, a, at + (n - 1) * stride);
        copy_out(base + at * size, in, (ptrdiff_t)(stride * size), a->size, n);
        return;
    }
    for (int i = 0; i < n; i++, at += stride) {
        int64_t element = at;
        if (!resolve(f, a, i, &element))
            continue;
        check_element(f, a, element);
        char *to = base + element * size;
        if (accumulate)
            add_one(to, in, i, f->plan->kernel->args[a->of->arg].dtype);
        else
            memcpy(to, (const char *)in + (size_t)i * a->size, a->size);
    }
}

// ---- scalars ------------------------------------------------------------------------------------

void ref_splat(RefReg *r, IrDtype dtype) {
    RefReg x = *r;
    for (int i = 1; i < REF_WIDTH; i++) {
        switch (dtype) {
        case IR_F32:
        case IR_I32:
            r->i[i] = x.i[0];
            break;
        case IR_F64:
            r->d[i] = x.d[0];
            break;
        case IR_BOOL:
            r->b[i] = x.b[0];
            break;
        case IR_DTYPE_COUNT:
            break;
        }
    }
}

double ref_number(const RefReg *r, IrDtype dtype, int i) {
    switch (dtype) {
    case IR_F32:
        return (double)r->f[i];
    case IR_F64:
        return r->d[i];
    case IR_I32:
        return r->i[i];
    case IR_BOOL:
        return r->b[i];
    case IR_DTYPE_COUNT:
        break;
    }
    return 0;
}

// Towards zero; beyond the range the nearest end of it; NaN is 0.
static int32_t to_i32(double x) {
    if (isnan(x))
        return 0;
    if (x >= 2147483647.0)
        return INT32_MAX;
    return x <= -2147483648.0 ? INT32_MIN : (int32_t)x;
}

void ref_put_number(RefReg *r, IrDtype dtype, int i, double x) {
    switch (dtype) {
    case IR_F32:
        r->f[i] = (float)x;
        return;
    case IR_F64:
        r->d[i] = x;
        return;
    case IR_I32:
        r->i[i] = to_i32(x);
        return;
    case IR_BOOL:
        r->b[i] = x != 0;
        return;
    case IR_DTYPE_COUNT:
        return;
    }
}

// Every f32 and i32 is a double, so that a cast through it rounds once.
static void cast(RefReg *out, IrDtype to, const RefReg *in, IrDtype from, int n) {
    for (int i = 0; i < n; i++)
        ref_put_number(out, to, i, ref_number(in, from, i));
}

static void select_elements(RefReg *out, IrDtype dtype, const RefReg *c, const RefReg *x,
                            const RefReg *y, int n) {
    size_t size = ir_dtype_size(dtype);
    for (int i = 0; i < n; i++) {
        const RefReg *from = c->b[i] ? x : y;
        memcpy((char *)out + size * (size_t)i, (const char *)from + size * (size_t)i, size);
    }
}

static void draw(const RefFrame *f, const IrScalar *s, const RefScalar *v, RefReg *out, int n) {
    int64_t element = v->dim;
    for (int a = 0; a < f->plan->kernel->n_axes; a++)
        element += f->index[a] * v->draw_strides[a];
    int64_t stride = f->vector >= 0 ? v->draw_strides[f->vector] : 0;

    for (int i = 0; i < n; i++, element += stride) {
        uint64_t key = f->ints[s->number];
        for (int j = 0; j < s->n_key_axes; j++) {
            int axis = s->key_axes[j];
            int64_t index = f->index[axis] + (axis == f->vector ? i : 0);
            key += ir_random_loop(f->ints[s->key_ints[j]], index);
        }
        uint32_t w[4];
        ir_philox(key, (uint64_t)element, f->draw_call, w);
        bool normal = s->op == IR_OP_draw_normal;
        if (s->dtype == IR_F32)
            out->f[i] = normal ? ir_normal_f32(w) : ir_uniform_f32(w);
        else
            out->d[i] = normal ? ir_normal_f64(w) : ir_uniform_f64(w);
    }
}

static void evaluate(const RefFrame *f, int scalar, int n) {
    const IrKernel *k = f->plan->kernel;
    const IrScalar *s = &k->scalars[scalar];
    const RefReg *in[3] = {&f->regs[s->in[0]], &f->regs[s->in[1]], &f->regs[s->in[2]]};
    RefReg *out = &f->regs[scalar];

    switch (s->kind) {
    case IR_SCALAR_LOAD:
        ref_load(f, &f->scalars[scalar].address, out, n);
        return;
    case IR_SCALAR_CONST:
        for (int i = 0; i < n; i++)
            ref_put_number(out, s->dtype, i, s->value);
        return;
    case IR_SCALAR_INDEX:
        for (int i = 0; i < n; i++)
            out->i[i] = (int32_t)(f->index[s->axis] + (s->axis == f->vector ? i : 0));
        return;
    case IR_SCALAR_EXTENT:
        for (int i = 0; i < n; i++)
            out->i[i] = (int32_t)f->scalars[scalar].dim;
        return;
    case IR_SCALAR_INT:
        for (int i = 0; i < n; i++)
            out->i[i] = (int32_t)(int64_t)f->ints[s->number];
        return;
    case IR_SCALAR_DRAW:
        draw(f, s, &f->scalars[scalar], out, n);
        return;
    case IR_SCALAR_MAP:
        ref_map_fn(s->op, k->scalars[s->in[0]].dtype)(out, in, n);
        return;
    case IR_SCALAR_SELECT:
        select_elements(out, s->dtype, in[0], in[1], in[2], n);
        return;
    case IR_SCALAR_CAST:
        cast(out, s->dtype, in[0], k->scalars[s->in[0]].dtype, n);
        return;
    case IR_SCALAR_REDUCE:
    case IR_SCALAR_PRODUCT:
    case IR_SCALAR_COUNT:
        break;
    }
    diag_bug("scalar %d of kernel '%s' is not evaluated by itself", scalar, k->name);
}

void ref_scalar(RefFrame *f, int scalar) {
    bool is_vector = f->vector >= 0 && f->plan->axes[scalar] >> f->vector & 1;
    evaluate(f, scalar, is_vector ? f->n : 1);
    if (!is_vector)
        ref_splat(&f->regs[scalar], f->plan->kernel->scalars[scalar].dtype);
}
