// codegen/ref_nest.c -- the loops of a kernel call: stages, sweeps, stores.
//
// The loops go over the parallel axes and, in sweeps, over the reduced ones. The innermost axis of
// one of the two is the vector axis: its indices are taken REF_WIDTH at a time. Which one is a
// matter of speed alone.
#include "codegen/ref.h"

// ---- indices ------------------------------------------------------------------------------------

static int64_t axis_first(const RefFrame *f, int axis) {
    return axis == 0 && f->plan->n_parallel ? f->lo : 0;
}

static int64_t axis_end(const RefFrame *f, int axis) {
    return axis == 0 && f->plan->n_parallel ? f->hi : f->extents[axis];
}

bool ref_first(RefFrame *f, int first, int end) {
    bool any = true;
    for (int a = first; a < end; a++) {
        f->index[a] = axis_first(f, a);
        any = any && f->index[a] < axis_end(f, a);
    }
    return any;
}

bool ref_next(RefFrame *f, int first, int end) {
    for (int a = end - 1; a >= first; a--) {
        if (++f->index[a] < axis_end(f, a))
            return true;
        f->index[a] = axis_first(f, a);
    }
    return false;
}

// Puts the vector at index `at` of its axis.
static void place_vector(RefFrame *f, int64_t at) {
    int64_t left = axis_end(f, f->vector) - at;
    f->index[f->vector] = at;
    f->n = left < REF_WIDTH ? (int)left : REF_WIDTH;
}

// The last axis, if it is reduced and long enough; then the parallel indices are taken one by one.
// Adding to memory must go in order of all indices, which only that order of loops does.
static int choose_vector(const RefFrame *f) {
    const RefPlan *p = f->plan;
    int inner = p->n_parallel - 1, last = p->kernel->n_axes - 1;
    if (last == inner || p->kernel->product.present)
        return inner;
    if (inner < 0 || p->accumulates_in_sweep)
        return last;
    int64_t n_inner = axis_end(f, inner) - axis_first(f, inner);
    return f->extents[last] >= (n_inner < REF_WIDTH ? n_inner : REF_WIDTH) ? last : inner;
}

// ---- one parallel index, or a vector of them
// ------------------------------------------------------

// Evaluates the scalars of `list`; unless the row is new, only those that differ along the vector.
static void evaluate_list(RefFrame *f, const RefList *list, bool new_row) {
    for (int i = 0; i < list->n; i++) {
        int scalar = list->scalars[i];
        if (!new_row && !(f->plan->axes[scalar] >> f->vector & 1))
            continue;
        if (f->plan->kernel->scalars[scalar].kind == IR_SCALAR_PRODUCT)
            ref_product(f, scalar);
        else
            ref_scalar(f, scalar);
    }
}

static void store_list(const RefFrame *f, const RefList *list) {
    const IrKernel *k = f->plan->kernel;
    for (int i = 0; i < list->n; i++) {
        const IrStore *s = &k->stores[list->scalars[i]];
        ref_store(f, &f->stores[list->scalars[i]], s->accumulate, s->scalar, f->n);
    }
}

static RefAcc *acc_of(const RefFrame *f, int scalar) {
    return &f->accs[f->plan->reduce_number[scalar]];
}

// What a sweep does at an index of the reduced axes. `at` is its row-major number.
static void sweep_index(RefFrame *f, const RefStage *stage, bool vector_is_last, int64_t at,
                        bool new_row) {
    const IrKernel *k = f->plan->kernel;
    int64_t j = k->n_axes > f->plan->n_parallel ? f->index[k->n_axes - 1] : 0;

    evaluate_list(f, &stage->varying, new_row);
    for (int i = 0; i < stage->reduces.n; i++) {
        int scalar = stage->reduces.scalars[i], in = k->scalars[scalar].in[0];
        ref_reduce_add(acc_of(f, scalar), &k->scalars[scalar], k->scalars[in].dtype, &f->regs[in],
                       vector_is_last, j, at, f->n);
    }
    store_list(f, &stage->stores_sweep);
}

// Goes over all reduced axes, whose extents are not 0.
static void sweep_indices(RefFrame *f, const RefStage *stage, bool vector_is_last) {
    int first = f->plan->n_parallel, end = f->plan->kernel->n_axes;
    int64_t at = 0;
    if (!vector_is_last) {
        do {
            sweep_index(f, stage, false, at++, true);
        } while (ref_next(f, first, end));
        return;
    }
    do {
        for (int64_t j = 0; j < f->extents[end - 1]; j += f->n) {
            place_vector(f, j);
            sweep_index(f, stage, true, at, j == 0);
            at += f->n;
        }
    } while (ref_next(f, first, end - 1));

    f->index[end - 1] = 0;
    f->n = 1;
}

static void sweep(RefFrame *f, const RefStage *stage) {
    const IrKernel *k = f->plan->kernel;
    bool vector_is_last = f->vector >= f->plan->n_parallel;

    for (int i = 0; i < stage->reduces.n; i++)
        ref_reduce_begin(acc_of(f, stage->reduces.scalars[i]),
                         &k->scalars[stage->reduces.scalars[i]]);
    if (ref_first(f, f->plan->n_parallel, k->n_axes))
        sweep_indices(f, stage, vector_is_last);
    for (int i = 0; i < stage->reduces.n; i++) {
        int scalar = stage->reduces.scalars[i];
        RefReg *out = &f->regs[scalar];
        ref_reduce_end(acc_of(f, scalar), &k->scalars[scalar], vector_is_last, out, f->n);
        if (vector_is_last)
            ref_splat(out, k->scalars[scalar].dtype);
    }
}

static void run_stages(RefFrame *f, bool new_row) {
    const RefPlan *p = f->plan;
    for (int i = 0; i < p->n_stages; i++) {
        evaluate_list(f, &p->stages[i].steady, new_row);
        if (p->stages[i].has_sweep)
            sweep(f, &p->stages[i]);
        store_list(f, &p->stages[i].stores_steady);
    }
}

// The parallel axes but for the vector axis stand at a new index.
static void run_row(RefFrame *f) {
    if (f->vector < 0 || f->vector >= f->plan->n_parallel) {
        f->n = 1;
        run_stages(f, true);
        return;
    }
    int64_t first = axis_first(f, f->vector), end = axis_end(f, f->vector);
    for (int64_t at = first; at < end; at += f->n) {
        place_vector(f, at);
        run_stages(f, at == first);
    }
}

// Whether the product's axes m and n stand at their first indices: a new batch begins.
static bool new_batch(const RefFrame *f) {
    const IrProduct *p = &f->plan->kernel->product;
    for (int a = p->n_batch; a < p->n_batch + p->n_m; a++)
        if (f->index[a] != axis_first(f, a))
            return false;
    return true;
}

void ref_frame_run(RefFrame *f, int64_t lo, int64_t hi) {
    const RefPlan *p = f->plan;
    f->lo = lo;
    f->hi = hi;
    if (!ref_first(f, 0, p->n_parallel))
        return;
    f->vector = choose_vector(f);
    f->n = 1;
    f->blas = NULL;
    for (int a = p->n_parallel; a < p->kernel->n_axes; a++)
        f->index[a] = 0;
    evaluate_list(f, &p->constant, true);

    int n_outer = f->vector >= 0 && f->vector < p->n_parallel ? f->vector : p->n_parallel;
    do {
        if (f->use_blas && p->kernel->product.present && new_batch(f))
            ref_product_blas(f);
        run_row(f);
        if (n_outer < p->n_parallel)
            f->index[n_outer] = axis_first(f, n_outer);
    } while (ref_next(f, 0, n_outer));
}
