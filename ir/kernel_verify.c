// ir/kernel_verify.c -- the rules of a kernel by itself.
#include <stdarg.h>

#include "ir/schedule.h"

typedef struct Check {
    const IrKernel *k;
    Buf *why;
    int n_wrong;
    int scalar; // that is being checked, -1: none
} Check;

static void wrong(Check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void wrong(Check *c, const char *format, ...) {
    buf_printf(c->why, "kernel '%s': ", c->k->name);
    if (c->scalar >= 0)
        buf_printf(c->why, "s%d: ", c->scalar);
    va_list args;
    va_start(args, format);
    buf_vprintf(c->why, format, args);
    va_end(args);
    buf_puts(c->why, "\n");
    c->n_wrong++;
}

// Whether scalar `i` is one that comes before `limit`.
static bool check_operand(Check *c, int i, int limit, const char *what) {
    if (i >= 0 && i < limit)
        return true;
    wrong(c, "%s is s%d, which does not come earlier", what, i);
    return false;
}

static void check_strides(Check *c, IrDim *const *strides) {
    for (int a = c->k->n_axes; a < IR_MAX_AXES; a++)
        if (strides[a])
            wrong(c, "it has a stride along axis %d of %d", a, c->k->n_axes);
}

// Scalars that the address uses come before `limit`.
static bool check_address(Check *c, const IrAddress *a, int limit) {
    const IrKernel *k = c->k;
    if (a->arg < 0 || a->arg >= k->n_args) {
        wrong(c, "it uses argument %d of %d", a->arg, k->n_args);
        return false;
    }
    if (!a->offset)
        wrong(c, "its address has no offset");
    check_strides(c, a->strides);
    if (a->guard >= 0 && check_operand(c, a->guard, limit, "the guard") &&
        k->scalars[a->guard].dtype != IR_BOOL)
        wrong(c, "the guard s%d is not bool", a->guard);
    if (a->indirect >= 0 && check_operand(c, a->indirect, limit, "the row") &&
        k->scalars[a->indirect].dtype != IR_I32)
        wrong(c, "the row s%d is not i32", a->indirect);
    if (a->indirect >= 0 && (!a->indirect_last || !a->indirect_stride))
        wrong(c, "its row has no last index or no stride");
    return true;
}

static void check_axes(Check *c) {
    const IrKernel *k = c->k;
    if (k->n_axes < 0 || k->n_axes > IR_MAX_AXES)
        wrong(c, "it has %d axes", k->n_axes);
    for (int a = 0; a < k->n_axes; a++) {
        if (!k->axes[a].extent)
            wrong(c, "axis %d has no extent", a);
        if (a >= ir_kernel_n_parallel(k) && !k->axes[a].reduced)
            wrong(c, "axis %d is parallel, but follows a reduced one", a);
    }
}

static void check_product(Check *c) {
    const IrKernel *k = c->k;
    const IrProduct *p = &k->product;
    int m = p->n_batch, n = m + p->n_m, end = n + p->n_n;
    if (end != ir_kernel_n_parallel(k) || end + p->n_k != k->n_axes) {
        wrong(c, "the product's axes are not those of the kernel");
        return;
    }
    if (!ir_dtype_is_real(p->dtype))
        wrong(c, "the product is not of reals");
    if (!check_address(c, &p->lhs, k->n_scalars) || !check_address(c, &p->rhs, k->n_scalars))
        return;
    if (k->args[p->lhs.arg].dtype != p->dtype || k->args[p->rhs.arg].dtype != p->dtype)
        wrong(c, "the product's operands have another type than the product");
    for (int a = n; a < end; a++)
        if (p->lhs.strides[a])
            wrong(c, "lhs moves along axis %d, one of n", a);
    for (int a = m; a < n; a++)
        if (p->rhs.strides[a])
            wrong(c, "rhs moves along axis %d, one of m", a);
}

static bool takes(IrMapResult result, IrDtype dtype) {
    switch (result) {
    case IR_RESULT_SAME:
        return dtype != IR_BOOL;
    case IR_RESULT_REAL:
        return ir_dtype_is_real(dtype);
    case IR_RESULT_INT:
        return dtype == IR_I32;
    case IR_RESULT_BOOL:
        return true;
    case IR_RESULT_LOGIC:
        return dtype == IR_BOOL;
    }
    return false;
}

static void check_map(Check *c, const IrScalar *s) {
    const IrOpInfo *info = &ir_op_info[s->op];
    if (info->kind != IR_KIND_MAP) {
        wrong(c, "%s is not elementwise", info->name);
        return;
    }
    IrDtype in = c->k->scalars[s->in[0]].dtype;
    for (int i = 1; i < info->n_in; i++)
        if (c->k->scalars[s->in[i]].dtype != in)
            wrong(c, "the operands of %s have different types", info->name);
    bool is_bool = info->result == IR_RESULT_BOOL || info->result == IR_RESULT_LOGIC;
    if (!takes(info->result, in) || s->dtype != (is_bool ? IR_BOOL : in))
        wrong(c, "%s of %s is not %s", info->name, ir_dtype_name(in), ir_dtype_name(s->dtype));
}

static void check_reduce(Check *c, const IrScalar *s) {
    IrDtype in = c->k->scalars[s->in[0]].dtype;
    bool is_argmax = s->op == IR_OP_argmax;
    if (!is_argmax && s->op != IR_OP_sum && s->op != IR_OP_reduce_max && s->op != IR_OP_reduce_min)
        wrong(c, "%s is no reduction", ir_op_info[s->op].name);
    if (in == IR_BOOL || s->dtype != (is_argmax ? IR_I32 : in))
        wrong(c, "%s of %s is not %s", ir_op_info[s->op].name, ir_dtype_name(in),
              ir_dtype_name(s->dtype));
    if (c->k->product.present)
        wrong(c, "a kernel with a product has no reduction");
    if (ir_kernel_n_parallel(c->k) == c->k->n_axes)
        wrong(c, "no axis is reduced");
}

static void check_draw(Check *c, const IrScalar *s) {
    const IrKernel *k = c->k;
    if (s->op != IR_OP_draw_normal && s->op != IR_OP_draw_uniform)
        wrong(c, "%s is no draw", ir_op_info[s->op].name);
    if (!ir_dtype_is_real(s->dtype))
        wrong(c, "a draw is not real");
    if (s->number < 0 || s->number >= k->n_ints)
        wrong(c, "its key is integer %d of %d", s->number, k->n_ints);
    check_strides(c, s->draw_strides);
    for (int i = 0; i < s->n_key_axes; i++)
        if (s->key_axes[i] < 0 || s->key_axes[i] >= k->n_axes || s->key_ints[i] < 0 ||
            s->key_ints[i] >= k->n_ints)
            wrong(c, "key axis %d is axis %d with integer %d", i, s->key_axes[i], s->key_ints[i]);
}

static void check_i32(Check *c, const IrScalar *s) {
    if (s->dtype != IR_I32)
        wrong(c, "it is not i32");
}

static void check_scalar(Check *c, int i) {
    const IrKernel *k = c->k;
    const IrScalar *s = &k->scalars[i];
    for (int j = 0; j < ir_scalar_n_in(s); j++)
        if (!check_operand(c, s->in[j], i, "an operand"))
            return;

    switch (s->kind) {
    case IR_SCALAR_LOAD:
        if (check_address(c, &s->address, i) && k->args[s->address.arg].dtype != s->dtype)
            wrong(c, "it is not of the argument's type");
        return;
    case IR_SCALAR_CONST:
    case IR_SCALAR_CAST:
        return;
    case IR_SCALAR_INDEX:
        check_i32(c, s);
        if (s->axis < 0 || s->axis >= k->n_axes)
            wrong(c, "it is the index of axis %d of %d", s->axis, k->n_axes);
        return;
    case IR_SCALAR_EXTENT:
        check_i32(c, s);
        if (!s->dim)
            wrong(c, "it is the value of no dim");
        return;
    case IR_SCALAR_INT:
        check_i32(c, s);
        if (s->number < 0 || s->number >= k->n_ints)
            wrong(c, "it is integer %d of %d", s->number, k->n_ints);
        return;
    case IR_SCALAR_DRAW:
        check_draw(c, s);
        return;
    case IR_SCALAR_MAP:
        check_map(c, s);
        return;
    case IR_SCALAR_SELECT:
        if (k->scalars[s->in[0]].dtype != IR_BOOL || k->scalars[s->in[1]].dtype != s->dtype ||
            k->scalars[s->in[2]].dtype != s->dtype)
            wrong(c, "the operands of select have other types than it needs");
        return;
    case IR_SCALAR_REDUCE:
        check_reduce(c, s);
        return;
    case IR_SCALAR_PRODUCT:
        if (!k->product.present || s->dtype != k->product.dtype)
            wrong(c, "the kernel has no product of this type");
        else if (k->product.lhs.guard >= i || k->product.lhs.indirect >= i ||
                 k->product.rhs.guard >= i || k->product.rhs.indirect >= i)
            wrong(c, "the product's guards and rows do not come earlier");
        return;
    case IR_SCALAR_COUNT:
        break;
    }
    wrong(c, "it is of no kind");
}

static void check_store(Check *c, const IrStore *s) {
    const IrKernel *k = c->k;
    if (!check_address(c, &s->address, k->n_scalars) ||
        !check_operand(c, s->scalar, k->n_scalars, "what is stored"))
        return;
    const IrKernelArg *arg = &k->args[s->address.arg];
    if (!arg->written)
        wrong(c, "it stores to argument %d, which is only read", s->address.arg);
    if (arg->dtype != k->scalars[s->scalar].dtype)
        wrong(c, "it stores s%d to argument %d of another type", s->scalar, s->address.arg);
    if (!s->accumulate && (s->address.guard >= 0 || s->address.indirect >= 0))
        wrong(c, "a store that does not add has a guard or an indirect row");
    if (k->product.present)
        for (int a = ir_kernel_n_parallel(k); a < k->n_axes; a++)
            if (s->address.strides[a])
                wrong(c, "a store of a product moves along the contracted axis %d", a);
}

bool ir_verify_kernel(const IrKernel *k, Buf *why) {
    Check c = {.k = k, .why = why, .scalar = -1};
    check_axes(&c);
    if (k->product.present)
        check_product(&c);
    for (int i = 0; i < k->n_scalars; i++) {
        c.scalar = i;
        check_scalar(&c, i);
    }
    c.scalar = -1;
    if (c.n_wrong == 0)
        for (int i = 0; i < k->n_stores; i++) {
            check_store(&c, &k->stores[i]);
            if (k->product.present && ir_kernel_varies(k, k->stores[i].scalar))
                wrong(&c, "it stores s%d, which varies along a contracted axis",
                      k->stores[i].scalar);
        }
    return c.n_wrong == 0;
}
