// tests/support_eval.c -- evaluates a graph directly, in double.
#include "tests/support_eval.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "ir/base/map.h"
#include "ir/node_map.h"
#include "ir/random.h"
#include "tests/support_exact.h"

static EvalTensor **eval_block(const Eval *e, const IrBlock *b, EvalTensor *const *in);

// ---- tensors ------------------------------------------------------------------------------------

static EvalTensor *tensor(const Eval *e, IrDtype dtype, int rank, const int64_t *shape) {
    EvalTensor *t = arena_new(e->arena, EvalTensor);
    *t = (EvalTensor){.dtype = dtype, .rank = rank, .n = 1};
    for (int i = 0; i < rank; i++) {
        t->shape[i] = shape[i];
        t->n *= shape[i];
    }
    t->x = arena_array(e->arena, double, t->n);
    return t;
}

EvalTensor *eval_zeros(const Eval *e, const IrType *t) {
    int64_t shape[IR_MAX_RANK];
    for (int i = 0; i < t->rank; i++)
        shape[i] = ir_dim_eval(t->dims[i], e->dims);
    return tensor(e, t->dtype, t->rank, shape);
}

// Position of element `i` along each axis.
static void unravel(const EvalTensor *t, int64_t i, int64_t *at) {
    for (int k = t->rank - 1; k >= 0; k--) {
        at[k] = i % t->shape[k];
        i /= t->shape[k];
    }
}

static int64_t ravel(const EvalTensor *t, const int64_t *at) {
    int64_t i = 0;
    for (int k = 0; k < t->rank; k++)
        i = i * t->shape[k] + at[k];
    return i;
}

static int64_t clamp(int64_t i, int64_t last) {
    return i > last ? (last < 0 ? 0 : last) : i < 0 ? 0 : i;
}

// Row `i` of axis 0, sharing the numbers.
static EvalTensor *row(const Eval *e, const EvalTensor *t, int64_t i) {
    EvalTensor *r = arena_new(e->arena, EvalTensor);
    *r = (EvalTensor){.dtype = t->dtype, .rank = t->rank - 1, .n = 1};
    for (int k = 1; k < t->rank; k++) {
        r->shape[k - 1] = t->shape[k];
        r->n *= t->shape[k];
    }
    r->x = t->x + i * r->n;
    return r;
}

static int64_t row_size(const EvalTensor *t) {
    int64_t n = 1;
    for (int k = 1; k < t->rank; k++)
        n *= t->shape[k];
    return n;
}

static double convert(IrDtype from, IrDtype to, double x) {
    if (to == IR_BOOL)
        return x != 0;
    if (to == IR_I32 && ir_dtype_is_real(from))
        return isnan(x) ? 0 : fmax(INT32_MIN, fmin(INT32_MAX, trunc(x))) + 0.0; // no -0
    return x;
}

// Two numbers under a reduction.
static double combine(IrOp op, IrDtype dtype, double x, double y) {
    if (op == IR_OP_sum)
        return dtype == IR_I32 ? exact_wrap((int64_t)x + (int64_t)y) : x + y;
    if (x != x || y != y)
        return NAN;
    return op == IR_OP_reduce_max ? fmax(x, y) : fmin(x, y);
}

// ---- leaves -------------------------------------------------------------------------------------

static const char *join(const Eval *e, const char *prefix, const char *name) {
    if (!prefix || !*prefix)
        return name ? name : "";
    return name && *name ? arena_printf(e->arena, "%s.%s", prefix, name) : prefix;
}

static uint64_t loop_key(const char *name, int64_t index) {
    return ir_random_loop(map_hash_str(name ? name : ""), index);
}

// A draw that lists no loops is in the graph as written: all loops around count.
static void eval_draw(const Eval *e, const IrNode *n, EvalTensor *const *in, EvalTensor *y) {
    const IrAttrs *a = &n->attrs;
    uint64_t key = ir_random_key(e->seed, map_hash_str(join(e, e->prefix, a->name)));
    for (const EvalLoop *l = e->loops; l && a->n_loops == 0; l = l->outer)
        key += loop_key(l->name, l->index);
    for (int k = 0; k < n->n_in; k++)
        key += loop_key(a->loops[a->n_key_axes + k], (int64_t)in[k]->x[0]);

    int64_t per_key = 1;
    for (int k = a->n_key_axes; k < y->rank; k++)
        per_key *= y->shape[k];
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[IR_MAX_RANK];
        uint32_t w[4];
        uint64_t with_axes = key;
        unravel(y, i, at);
        for (int k = 0; k < a->n_key_axes; k++)
            with_axes += loop_key(a->loops[k], at[k]);
        ir_philox(with_axes, (uint64_t)(i % per_key), e->call, w);
        bool is_f64 = y->dtype == IR_F64;
        if (n->op == IR_OP_draw_normal)
            y->x[i] = is_f64 ? ir_normal_f64(w) : (double)ir_normal_f32(w);
        else
            y->x[i] = is_f64 ? ir_uniform_f64(w) : (double)ir_uniform_f32(w);
    }
}

static void eval_leaf(const Eval *e, const IrNode *n, EvalTensor *const *in, EvalTensor *y) {
    if (n->op == IR_OP_draw_normal || n->op == IR_OP_draw_uniform) {
        eval_draw(e, n, in, y);
        return;
    }
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[IR_MAX_RANK];
        unravel(y, i, at);
        if (n->op == IR_OP_const)
            y->x[i] = n->attrs.value;
        else if (n->op == IR_OP_iota)
            y->x[i] = (double)at[n->attrs.axis];
        else if (n->op == IR_OP_extent)
            y->x[i] = (double)ir_dim_eval(n->attrs.dim, e->dims);
        else
            ir_bug(n, "a leaf that the evaluator does not know");
    }
}

// ---- moves --------------------------------------------------------------------------------------

static void eval_concat(const IrNode *n, EvalTensor *const *in, EvalTensor *y) {
    int64_t from = 0;
    for (int k = 0; k < n->n_in; k++) {
        for (int64_t i = 0; i < in[k]->n; i++) {
            int64_t at[IR_MAX_RANK];
            unravel(in[k], i, at);
            at[n->attrs.axis] += from;
            y->x[ravel(y, at)] = in[k]->x[i];
        }
        from += in[k]->shape[n->attrs.axis];
    }
}

static void eval_rows(const IrNode *n, EvalTensor *const *in, EvalTensor *y) {
    if (n->op == IR_OP_scatter_add) {
        int64_t size = row_size(y);
        for (int64_t i = 0; i < in[0]->n && y->n > 0; i++) {
            int64_t to = clamp((int64_t)in[0]->x[i], y->shape[0] - 1);
            for (int64_t k = 0; k < size; k++) {
                double *sum = &y->x[to * size + k];
                *sum = combine(IR_OP_sum, y->dtype, *sum, in[1]->x[i * size + k]);
            }
        }
        return;
    }
    int64_t size = row_size(in[0]), rows = in[0]->shape[0];
    int64_t start =
        n->op == IR_OP_dynamic_slice ? clamp((int64_t)in[1]->x[0], rows - y->shape[0]) : 0;
    int64_t count = n->op == IR_OP_dynamic_slice ? y->shape[0] : in[1]->n;
    for (int64_t i = 0; i < count && rows > 0; i++) {
        int64_t from =
            n->op == IR_OP_dynamic_slice ? start + i : clamp((int64_t)in[1]->x[i], rows - 1);
        for (int64_t k = 0; k < size; k++)
            y->x[i * size + k] = in[0]->x[from * size + k];
    }
}

// Slices and pads: element by element of the part, which starts at `starts` of the whole.
static void eval_part(const Eval *e, const IrNode *n, EvalTensor *x, EvalTensor *y) {
    EvalTensor *part = n->op == IR_OP_pad ? x : y, *whole = n->op == IR_OP_pad ? y : x;
    for (int64_t i = 0; i < part->n; i++) {
        int64_t at[IR_MAX_RANK];
        unravel(part, i, at);
        for (int k = 0; k < part->rank; k++)
            at[k] += ir_dim_eval(n->attrs.starts[k], e->dims);
        if (n->op == IR_OP_pad)
            whole->x[ravel(whole, at)] = part->x[i];
        else
            part->x[i] = whole->x[ravel(whole, at)];
    }
}

static void eval_move(const Eval *e, const IrNode *n, EvalTensor *const *in, EvalTensor *y) {
    switch ((int)n->op) {
    case IR_OP_concat:
        eval_concat(n, in, y);
        return;
    case IR_OP_dynamic_slice:
    case IR_OP_gather:
    case IR_OP_scatter_add:
        eval_rows(n, in, y);
        return;
    case IR_OP_slice:
    case IR_OP_pad:
        eval_part(e, n, in[0], y);
        return;
    }
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[IR_MAX_RANK], from[IR_MAX_RANK];
        unravel(y, i, at);
        if (n->op == IR_OP_cast) {
            y->x[i] = convert(in[0]->dtype, y->dtype, in[0]->x[i]);
        } else if (n->op == IR_OP_select) {
            y->x[i] = in[0]->x[i] != 0 ? in[1]->x[i] : in[2]->x[i];
        } else if (n->op == IR_OP_stop_gradient || n->op == IR_OP_sample || n->op == IR_OP_reshape) {
            y->x[i] = in[0]->x[i];
        } else if (n->op == IR_OP_transpose) {
            for (int k = 0; k < y->rank; k++)
                from[n->attrs.axes[k]] = at[k];
            y->x[i] = in[0]->x[ravel(in[0], from)];
        } else if (n->op == IR_OP_broadcast) {
            for (int k = 0; k < in[0]->rank; k++)
                from[k] = at[n->attrs.axes[k]];
            y->x[i] = in[0]->x[ravel(in[0], from)];
        } else {
            ir_bug(n, "a move that the evaluator does not know");
        }
    }
}

// ---- reductions and products --------------------------------------------------------------------

static void eval_reduce(const IrNode *n, const EvalTensor *x, EvalTensor *y) {
    double nothing = n->op == IR_OP_sum ? 0 : n->op == IR_OP_reduce_max ? -INFINITY : INFINITY;
    if (y->dtype == IR_I32 && n->op != IR_OP_sum)
        nothing = n->op == IR_OP_reduce_max ? INT32_MIN : INT32_MAX;
    for (int64_t i = 0; i < y->n; i++)
        y->x[i] = nothing;
    for (int64_t i = 0; i < x->n; i++) {
        int64_t at[IR_MAX_RANK], to[IR_MAX_RANK];
        int rank = 0;
        unravel(x, i, at);
        for (int k = 0; k < x->rank; k++) {
            bool is_reduced = false;
            for (int j = 0; j < n->attrs.n_axes; j++)
                is_reduced |= n->attrs.axes[j] == k;
            if (!is_reduced)
                to[rank++] = at[k];
        }
        double *sum = &y->x[ravel(y, to)];
        *sum = combine(n->op, y->dtype, *sum, x->x[i]);
    }
}

static void eval_argmax(const EvalTensor *x, EvalTensor *y) {
    int64_t size = x->shape[x->rank - 1];
    for (int64_t i = 0; i < y->n; i++) {
        int64_t best = 0;
        for (int64_t k = 1; k < size; k++) {
            double a = x->x[i * size + best], b = x->x[i * size + k];
            if (a == a && (b > a || b != b))
                best = k;
        }
        y->x[i] = (double)best;
    }
}

// Whether `a` stands before `b`; NaN is the largest.
static bool comes_before(double a, double b, bool smallest) {
    if (a != a || b != b)
        return smallest ? a == a && b != b : a != a && b == b;
    return smallest ? a < b : a > b;
}

// A stable sort by insertion, of which the first are kept.
static void eval_top_k(const Eval *e, const IrNode *n, const EvalTensor *x, EvalTensor *y) {
    int64_t size = x->shape[x->rank - 1], count = y->shape[y->rank - 1];
    int64_t *order = arena_array(e->arena, int64_t, size + 1);
    for (int64_t row = 0; row < (count ? y->n / count : 0); row++) {
        const double *at = &x->x[row * size];
        for (int64_t i = 0; i < size; i++) {
            int64_t k = i;
            for (; k > 0 && comes_before(at[i], at[order[k - 1]], n->attrs.reverse); k--)
                order[k] = order[k - 1];
            order[k] = i;
        }
        for (int64_t i = 0; i < count && size > 0; i++)
            y->x[row * count + i] = (double)order[i < size ? i : size - 1];
    }
}

// Axes of `x` that are neither batch nor contracted.
static int free_axes(const EvalTensor *x, const IrAttrs *a, const int *contract, int *out) {
    int n = 0;
    for (int k = a->n_batch; k < x->rank; k++) {
        bool is_contracted = false;
        for (int c = 0; c < a->n_contract; c++)
            is_contracted |= contract[c] == k;
        if (!is_contracted)
            out[n++] = k;
    }
    return n;
}

static void eval_dot(const IrNode *n, EvalTensor *const *in, EvalTensor *y) {
    const IrAttrs *a = &n->attrs;
    int lhs_free[IR_MAX_RANK], rhs_free[IR_MAX_RANK];
    int n_lhs = free_axes(in[0], a, a->lhs_axes, lhs_free);
    int n_rhs = free_axes(in[1], a, a->rhs_axes, rhs_free);
    int64_t depth = 1;
    for (int c = 0; c < a->n_contract; c++)
        depth *= in[0]->shape[a->lhs_axes[c]];

    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[IR_MAX_RANK], lhs[IR_MAX_RANK], rhs[IR_MAX_RANK];
        unravel(y, i, at);
        for (int k = 0; k < a->n_batch; k++)
            lhs[k] = rhs[k] = at[k];
        for (int k = 0; k < n_lhs; k++)
            lhs[lhs_free[k]] = at[a->n_batch + k];
        for (int k = 0; k < n_rhs; k++)
            rhs[rhs_free[k]] = at[a->n_batch + n_lhs + k];
        for (int64_t d = 0; d < depth; d++) {
            int64_t rest = d;
            for (int c = a->n_contract - 1; c >= 0; c--) {
                int64_t size = in[0]->shape[a->lhs_axes[c]];
                lhs[a->lhs_axes[c]] = rhs[a->rhs_axes[c]] = rest % size;
                rest /= size;
            }
            y->x[i] += in[0]->x[ravel(in[0], lhs)] * in[1]->x[ravel(in[1], rhs)];
        }
    }
}

// ---- control ------------------------------------------------------------------------------------

// Copies row `i` of `all` from `x`.
static void put_row(EvalTensor *all, int64_t i, const EvalTensor *x) {
    for (int64_t k = 0; k < x->n; k++)
        all->x[i * x->n + k] = x->x[k];
}

// Scans and maps, which carry nothing.
static EvalTensor **eval_loop(const Eval *e, const IrNode *n, EvalTensor *const *in) {
    const IrAttrs *a = &n->attrs;
    int64_t steps = ir_dim_eval(a->dim, e->dims);
    EvalTensor **out = arena_array(e->arena, EvalTensor *, n->n_types);
    EvalTensor **args = arena_array(e->arena, EvalTensor *, n->n_in + 1);
    for (int i = 0; i < n->n_types; i++)
        out[i] = i < a->n_carry ? in[a->n_captured + i] : eval_zeros(e, &n->types[i]);

    for (int64_t t = 0; t < steps && !(a->until && out[0]->x[0] != 0); t++) {
        int64_t step = a->reverse ? steps - 1 - t : t;
        EvalLoop loop = {.outer = e->loops, .index = step};
        loop.name = join(e, e->prefix, a->name);
        Eval inner = *e;
        inner.loops = &loop;
        for (int k = 0; k < n->n_in; k++) {
            int c = k - a->n_captured;
            args[k] = c < 0 ? in[k] : c < a->n_carry ? out[c] : row(e, in[k], step);
        }
        args[n->n_in] = tensor(e, IR_I32, 0, NULL);
        args[n->n_in]->x[0] = (double)step;
        EvalTensor **next = eval_block(&inner, n->body, args);
        for (int i = 0; i < n->n_types; i++) {
            if (i < a->n_carry)
                out[i] = next[i];
            else
                put_row(out[i], step, next[i]);
        }
    }
    return out;
}

static EvalTensor **eval_call(const Eval *e, const IrNode *n, EvalTensor *const *in) {
    Eval inner = *e;
    inner.prefix = join(e, e->prefix, n->path);
    return eval_block(&inner, n->callee->body, in);
}

// The body's first result with one element of one operand moved.
static double moved(const Eval *e, const IrBlock *body, EvalTensor **in, int k, int64_t i,
                    double by) {
    EvalTensor *was = in[k], *x = tensor(e, was->dtype, was->rank, was->shape);
    for (int64_t j = 0; j < x->n; j++)
        x->x[j] = was->x[j];
    x->x[i] += by;
    in[k] = x;
    double value = eval_block(e, body, in)[0]->x[0];
    in[k] = was;
    return value;
}

// Differences of fourth order: the error is near 1e-11, and gradients of gradients stay usable.
static EvalTensor **eval_grad(const Eval *e, const IrNode *n, EvalTensor *const *in) {
    const double h = 1e-3;
    int n_results = n->body->n_results;
    EvalTensor **out = arena_array(e->arena, EvalTensor *, n->n_types);
    EvalTensor **args = arena_array(e->arena, EvalTensor *, n->n_in);
    for (int k = 0; k < n->n_in; k++)
        args[k] = in[k];
    EvalTensor **results = eval_block(e, n->body, args);
    for (int i = 0; i < n_results; i++)
        out[i] = results[i];

    // nothing of the many evaluations is kept
    Arena scratch = {0};
    Eval inner = *e;
    inner.arena = &scratch;
    for (int w = 0; w < n->attrs.n_wrt; w++) {
        int k = n->attrs.wrt[w];
        EvalTensor *d = tensor(e, in[k]->dtype, in[k]->rank, in[k]->shape);
        for (int64_t i = 0; i < d->n; i++) {
            double near =
                moved(&inner, n->body, args, k, i, h) - moved(&inner, n->body, args, k, i, -h);
            double far = moved(&inner, n->body, args, k, i, 2 * h) -
                         moved(&inner, n->body, args, k, i, -2 * h);
            d->x[i] = (8 * near - far) / (12 * h);
            arena_reset(&scratch);
        }
        out[n_results + w] = d;
    }
    arena_free(&scratch);
    return out;
}

// ---- nodes and blocks ---------------------------------------------------------------------------

static void eval_map_op(const IrNode *n, EvalTensor *const *in, EvalTensor *y) {
    IrDtype dtype = ir_dtype_is_real(in[0]->dtype) ? IR_F64 : in[0]->dtype;
    for (int64_t i = 0; i < y->n; i++) {
        double x[3] = {0};
        for (int k = 0; k < n->n_in; k++)
            x[k] = in[k]->x[i];
        y->x[i] = exact_map(n->op, dtype, x);
    }
}

static EvalTensor *eval_node(const Eval *e, const IrNode *n, EvalTensor *const *in) {
    EvalTensor *y = eval_zeros(e, &n->types[0]);
    switch (ir_op_info[n->op].kind) {
    case IR_KIND_MAP:
        eval_map_op(n, in, y);
        break;
    case IR_KIND_LEAF:
        eval_leaf(e, n, in, y);
        break;
    case IR_KIND_MOVE:
        eval_move(e, n, in, y);
        break;
    case IR_KIND_REDUCE:
        eval_reduce(n, in[0], y);
        break;
    case IR_KIND_CONTRACT:
        eval_dot(n, in, y);
        break;
    case IR_KIND_ORDER:
        if (n->op == IR_OP_top_k)
            eval_top_k(e, n, in[0], y);
        else
            eval_argmax(in[0], y);
        break;
    case IR_KIND_CONTROL:
        ir_bug(n, "an operation that the evaluator does not know");
    }
    return y;
}

static EvalTensor **eval_control(const Eval *e, const IrNode *n, EvalTensor *const *in) {
    return n->op == IR_OP_call   ? eval_call(e, n, in)
           : n->op == IR_OP_grad ? eval_grad(e, n, in)
                                 : eval_loop(e, n, in);
}

static EvalTensor **eval_block(const Eval *e, const IrBlock *b, EvalTensor *const *in) {
    Arena scratch = {0};
    IrNodeMap values = {.arena = &scratch}; // EvalTensor *; EvalTensor ** of several results
    for (int i = 0; i < b->n_params; i++)
        ir_node_map_put(&values, b->params[i], in[i]);

    for (int i = 0; i < b->n; i++) {
        const IrNode *n = b->nodes[i];
        EvalTensor **args = arena_array(&scratch, EvalTensor *, n->n_in);
        if (n->op == IR_OP_get) {
            EvalTensor **results = ir_node_map_get(&values, n->in[0]);
            ir_node_map_put(&values, n, results[n->attrs.index]);
            continue;
        }
        for (int k = 0; k < n->n_in; k++)
            args[k] = ir_node_map_get(&values, n->in[k]);
        if (ir_has_results(n))
            ir_node_map_put(&values, n, eval_control(e, n, args));
        else
            ir_node_map_put(&values, n, eval_node(e, n, args));
    }

    EvalTensor **out = arena_array(e->arena, EvalTensor *, b->n_results);
    for (int i = 0; i < b->n_results; i++)
        out[i] = ir_node_map_get(&values, b->results[i]);
    arena_free(&scratch);
    return out;
}

EvalTensor **eval_function(const Eval *e, const IrFunction *f, EvalTensor *const *in) {
    return eval_block(e, f->body, in);
}

// ---- inputs and comparison ----------------------------------------------------------------------

EvalTensor **eval_random_inputs(const Eval *e, const IrFunction *f, uint64_t salt) {
    EvalTensor **in = arena_array(e->arena, EvalTensor *, f->body->n_params);
    for (int k = 0; k < f->body->n_params; k++) {
        in[k] = eval_zeros(e, &f->body->params[k]->types[0]);
        for (int64_t i = 0; i < in[k]->n; i++) {
            uint64_t bits =
                ir_random_mix(salt ^ ir_random_mix((uint64_t)k * 1000003 + (uint64_t)i));
            double u = (double)(bits >> 11) * 0x1p-53;
            if (in[k]->dtype == IR_I32)
                in[k]->x[i] = floor(4 * u);
            else if (in[k]->dtype == IR_BOOL)
                in[k]->x[i] = u < 0.5;
            else
                in[k]->x[i] = u < 0.5 ? -0.05 - 1.9 * u : 0.05 + 1.9 * (u - 0.5);
        }
    }
    return in;
}

void eval_store(const EvalTensor *t, void *to) {
    for (int64_t i = 0; i < t->n; i++) {
        switch (t->dtype) {
        case IR_F32:
            ((float *)to)[i] = (float)t->x[i];
            break;
        case IR_F64:
            ((double *)to)[i] = t->x[i];
            break;
        case IR_I32:
            ((int32_t *)to)[i] = (int32_t)t->x[i];
            break;
        case IR_BOOL:
            ((uint8_t *)to)[i] = t->x[i] != 0;
            break;
        case IR_DTYPE_COUNT:
            break;
        }
    }
}

void eval_load(EvalTensor *t, const void *from) {
    for (int64_t i = 0; i < t->n; i++) {
        switch (t->dtype) {
        case IR_F32:
            t->x[i] = ((const float *)from)[i];
            break;
        case IR_F64:
            t->x[i] = ((const double *)from)[i];
            break;
        case IR_I32:
            t->x[i] = ((const int32_t *)from)[i];
            break;
        case IR_BOOL:
            t->x[i] = ((const uint8_t *)from)[i];
            break;
        case IR_DTYPE_COUNT:
            break;
        }
    }
}

double eval_distance(const EvalTensor *x, const EvalTensor *y) {
    if (x->dtype != y->dtype || x->rank != y->rank || x->n != y->n)
        return INFINITY;
    for (int k = 0; k < x->rank; k++) {
        if (x->shape[k] != y->shape[k])
            return INFINITY;
    }
    double most = 0;
    for (int64_t i = 0; i < x->n; i++) {
        double a = x->x[i], b = y->x[i];
        if (a == b || (a != a && b != b))
            continue;
        double d = fabs(a - b) / fmax(1, fmax(fabs(a), fabs(b)));
        if (!(d <= most))
            most = d == d ? d : INFINITY;
    }
    return most;
}
