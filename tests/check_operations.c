// tests/check_operations.c -- every operation of ir/ops.def at all kinds of sizes and values:
// native code against the reference back end, and that against exact values (support_eval.c, whose
// elementwise operations are those of support_exact.c).
//
// An operation is applied to operands that come straight from memory, transposed, sliced, with
// strides, repeated or computed, and in maps and loops, all of which fusion may join with it. Sizes
// are numbers in one half of the tests, and bounded dims in the other. GSSM_TEST_LONG=1 tests all
// combinations of sizes; GSSM_TEST_OP=sum tests one operation alone.
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/random.h"
#include "tests/support_cases.h"
#include "tests/support_exact.h"
#include "tests/support_native.h"

static Arena arena;

static void setup(void) {
    arena = (Arena){0};
}

static void teardown(void) {
    arena_free(&arena);
}

// ---- sizes --------------------------------------------------------------------------------------

static const int64_t sizes[] = {0, 1, 2, 7, 8, 9, 16, 17, 65};
enum { N_SIZES = sizeof sizes / sizeof *sizes, MAX_SIZE = 65, MAX_STEPS = 3 };

// How many combinations of sizes for `rank` axes: all up to two axes; of three, each size of each
// axis beside a small one of the others, unless the test is long.
static int n_combinations(int rank) {
    int n = rank == 0 ? 1 : rank == 1 ? N_SIZES : N_SIZES * N_SIZES;
    return rank < 3 ? n : cases_are_long() ? n * N_SIZES : 3 * N_SIZES;
}

// Combination number i.
static void combination(int rank, int i, int64_t *out) {
    if (rank == 3 && !cases_are_long()) {
        int axis = i / N_SIZES, k = i % N_SIZES;
        for (int a = 0; a < 3; a++)
            out[a] = a == axis ? sizes[k] : sizes[1 + (k + a) % 4];
        return;
    }
    for (int a = 0; a < rank; a++, i /= N_SIZES)
        out[a] = sizes[i % N_SIZES];
}

// ---- graphs -------------------------------------------------------------------------------------

// Where an operand comes from, or where the operation stands.
typedef enum How {
    PLAIN,
    TRANSPOSED, // operands are transposed
    SLICED,     // they are the middle of something larger
    STRIDED,    // every third element
    SPREAD,     // they repeat along an axis
    PRODUCED,   // they are negated first
    CONSUMED,   // the result is negated
    MAPPED,     // in a map
    LOOPED,     // in a loop, which collects
    N_HOW
} How;

static const char *const how_names[] = {"plain",    "transposed", "sliced", "strided", "repeated",
                                        "produced", "consumed",   "mapped", "looped"};

// A function under construction, and which output is what.
typedef struct Graph {
    IrFunction *f;
    IrDims *dims;
    IrOp op;
    const CaseRow *row;
} Graph;

static IrNode *add_input(Graph *g, IrType t) {
    const char *name = arena_printf(&arena, "x%d", g->f->body->n_params);
    return ir_add_input(g->f, t, (IrSlot){.name = name}, (Loc){0});
}

static bool is_number(IrDtype t) {
    return t != IR_BOOL;
}

// An operand of type `t`, number k, from inputs of its own. NULL where it cannot come like this.
static IrNode *operand(Graph *g, IrBuilder *b, IrType t, int k, How how) {
    IrDim *one = ir_dim_const(g->dims, 1), *zero = ir_dim_const(g->dims, 0);
    IrDim *starts[IR_MAX_RANK];
    IrType from = t;
    int axes[IR_MAX_RANK];

    switch (how) {
    case TRANSPOSED:
        if (t.rank < 2)
            return NULL;
        for (int i = 0; i < t.rank; i++) {
            axes[i] = t.rank - 1 - i;
            from.dims[i] = t.dims[t.rank - 1 - i];
        }
        return ir_transpose(b, add_input(g, from), axes);
    case SLICED:
        if (t.rank == 0)
            return NULL;
        for (int i = 0; i < t.rank; i++) {
            starts[i] = one;
            from.dims[i] = ir_dim_add(g->dims, t.dims[i], ir_dim_const(g->dims, 2));
        }
        return ir_slice(b, add_input(g, from), starts, t.dims);
    case STRIDED: {
        IrType part = t;
        part.dims[part.rank++] = one;
        from = part;
        from.dims[t.rank] = ir_dim_const(g->dims, 3);
        for (int i = 0; i < t.rank; i++)
            starts[i] = zero;
        starts[t.rank] = one;
        IrNode *x = ir_slice(b, add_input(g, from), starts, part.dims);
        return ir_reshape(b, x, t.rank, t.dims);
    }
    case SPREAD: {
        if (t.rank == 0)
            return NULL;
        int left_out = k % 2 ? 0 : t.rank - 1;
        from.rank = 0;
        for (int i = 0; i < t.rank; i++) {
            if (i == left_out)
                continue;
            axes[from.rank] = i;
            from.dims[from.rank++] = t.dims[i];
        }
        return ir_broadcast(b, add_input(g, from), t.rank, t.dims, axes);
    }
    case PRODUCED:
        return is_number(t.dtype) ? ir_neg(b, add_input(g, t)) : add_input(g, t);
    case PLAIN:
    case CONSUMED:
    case MAPPED:
    case LOOPED:
    case N_HOW:
        break;
    }
    return add_input(g, t);
}

// The operation in the body of a map or loop over rows of its operands.
static IrNode *in_loop(Graph *g, IrBuilder *b, const CaseShape *s, int variant, int n,
                       const IrType *types, bool is_map) {
    IrDim *steps = ir_dim_var(g->dims, "H", MAX_STEPS, 0);
    IrBlock *body = ir_block_new(&arena);
    IrNode *in[CASES_MAX_INPUTS], *x[CASES_MAX_INPUTS];
    for (int k = 0; k < n; k++) {
        IrType t = {.dtype = types[k].dtype, .rank = types[k].rank + 1, .dims = {steps}};
        for (int i = 0; i < types[k].rank; i++)
            t.dims[i + 1] = types[k].dims[i];
        in[k] = add_input(g, t);
        x[k] = ir_block_add_param(g->f, body, types[k], NULL, (Loc){0});
    }
    ir_block_add_param(g->f, body, ir_scalar(IR_I32), NULL, (Loc){0});
    IrBuilder inside = {.fn = g->f, .block = body};
    ir_block_add_result(g->f, body, g->row->apply(&inside, g->op, s, variant, x));
    const char *name = arena_printf(&arena, "l%d", g->f->body->n);
    IrNode *loop = is_map ? ir_map_loop(b, body, steps, name, 0, n, in)
                          : ir_scan(b, body, steps, false, name, 0, 0, n, in);
    return ir_get(b, loop, 0);
}

// Whether the variant in this way is left to another dtype, unless the test is long.
static bool is_others(const Graph *g, const CaseShape *s, int variant, How how) {
    return how > TRANSPOSED && g->row->n_variants > 1 && !cases_are_long() &&
           (variant + (int)how + (int)s->dtype) % 2;
}

// Appends an output for one variant at one shape, in one way; does nothing where there is none.
static void add_output(Graph *g, const CaseShape *s, int variant, How how) {
    IrBuilder b = {.fn = g->f, .block = g->f->body};
    IrType types[CASES_MAX_INPUTS];
    IrNode *x[CASES_MAX_INPUTS], *y;
    int n = g->row->inputs(g->dims, g->op, s, variant, types);
    bool has_operands = how != PLAIN && how < CONSUMED;

    if (n < 0 || (n == 0 && has_operands) || is_others(g, s, variant, how))
        return;
    if (how == MAPPED || how == LOOPED) {
        y = in_loop(g, &b, s, variant, n, types, how == MAPPED);
    } else {
        for (int k = 0; k < n; k++) {
            x[k] = operand(g, &b, types[k], k, how);
            if (!x[k])
                x[k] = add_input(g, types[k]);
        }
        y = g->row->apply(&b, g->op, s, variant, x);
    }
    if (how == CONSUMED && !is_number(y->types[0].dtype))
        y = ir_logical_not(&b, y);
    else if (how == CONSUMED)
        y = ir_neg(&b, y);

    Buf name = {0};
    buf_printf(&name, "%s, variant %d, %s, ", ir_op_info[g->op].name, variant, how_names[how]);
    IrType t = case_type(s);
    ir_type_print(&name, &t);
    ir_add_output(g->f, y,
                  (IrSlot){.name = arena_strdup(&arena, buf_text(&name)), .role = IR_ROLE_OUT});
    buf_free(&name);
}

static Graph graph_new(IrOp op) {
    Graph g = {.op = op, .row = case_row(op), .dims = arena_new(&arena, IrDims)};
    g.dims->arena = &arena;
    g.f = ir_function_new(&arena, g.dims, "f");
    return g;
}

// ---- values -------------------------------------------------------------------------------------

// Ordinary numbers with many ties; others in between, which are no numbers, have no size or are
// infinite; also those that overflow soon.
typedef enum Values { ORDINARY, SPECIAL, LARGE, N_VALUES } Values;

static const double special[] = {0.0,    -0.0,  1,     -1,     INFINITY, -INFINITY, NAN, 1e-40,
                                 -1e-40, 1e-45, -1e-5, 1e-300, 5e-324,   FLT_MIN,   0.5, -0.5,
                                 2,      -2,    3,     17,     -17.25,   88,        -88, 0.1};
static const double huge[] = {1e30,    -1e30,    FLT_MAX, -FLT_MAX, 1e300, -1e300,
                              DBL_MAX, -DBL_MAX, 1e10,    -1e5,     1e38,  709};
static const double whole[] = {0, 1, -1, INT32_MAX, INT32_MIN, 65536, -65537, 100000, 64, 66};
enum {
    N_SPECIAL = sizeof special / sizeof *special,
    N_HUGE = sizeof huge / sizeof *huge,
    N_WHOLE = sizeof whole / sizeof *whole,
};

static double value(IrDtype dtype, Values values, double far, uint64_t bits) {
    uint64_t pick = bits >> 8 & 0xffff;
    bool edge = values != ORDINARY && (bits & 1);
    double u = (double)(bits >> 11) * 0x1p-53, x = 4 * u - 2;
    if (dtype == IR_BOOL)
        return (bits & 1) != 0;
    if (dtype == IR_I32)
        return edge ? whole[pick % N_WHOLE] : floor(72 * u) - 3;
    if (edge && values == LARGE && (bits & 2))
        x = huge[pick % N_HUGE];
    else if (edge)
        x = special[pick % N_SPECIAL];
    else if (bits & 4)
        x = floor(4 * x) / 4;
    if (far > 0 && isfinite(x))
        x = fmod(x, far);
    return dtype == IR_F32 ? (double)(float)x : x;
}

static EvalTensor **inputs_for(const Eval *e, const Graph *g, Values values, uint64_t salt) {
    bool is_map = ir_op_info[g->op].kind == IR_KIND_MAP;
    double far = is_map ? exact_row(g->op)->far : 0;
    EvalTensor **in = arena_array(e->arena, EvalTensor *, g->f->body->n_params + 1);
    for (int k = 0; k < g->f->body->n_params; k++) {
        in[k] = eval_zeros(e, &g->f->body->params[k]->types[0]);
        for (int64_t i = 0; i < in[k]->n; i++) {
            uint64_t bits =
                ir_random_mix(salt ^ ir_random_mix((uint64_t)k * 1000003 + (uint64_t)i));
            in[k]->x[i] = value(in[k]->dtype, values, far, bits);
        }
    }
    return in;
}

// ---- comparison ---------------------------------------------------------------------------------

static bool same(double x, double y) {
    return (x == y && signbit(x) == signbit(y)) || (isnan(x) && isnan(y));
}

// Units of the last place between x and y, of which infinities count as the next power of two.
static double ulps_between(double x, double y, bool wide) {
    int top = wide ? DBL_MAX_EXP : FLT_MAX_EXP;
    long double a = isinf(x) ? copysignl(ldexpl(1, top), x) : x;
    long double b = isinf(y) ? copysignl(ldexpl(1, top), y) : y;
    if (same(x, y))
        return 0;
    if (isnan(x) || isnan(y) || (x == 0 && y == 0))
        return INFINITY;
    if (fabsl(b) > ldexpl(1, top))
        b = copysignl(ldexpl(1, top), b);
    return exact_ulps(a, b, wide);
}

static double epsilon(IrDtype dtype) {
    return dtype == IR_F32 ? (double)FLT_EPSILON / 2 : DBL_EPSILON / 2;
}

// An element of the native result beside that of `ref`.
static bool native_is_right(const Graph *g, IrDtype dtype, double native, double ref) {
    bool wide = dtype == IR_F64;
    switch (g->row->bound) {
    case CASE_BITS:
    case CASE_TERMS:
        return same(native, ref);
    case CASE_EQUAL:
        return native == ref || same(native, ref);
    case CASE_ULPS: {
        const ExactRow *r = exact_row(g->op);
        if (r->rounded || !ir_dtype_is_real(dtype))
            return same(native, ref);
        return ulps_between(native, ref, wide) <= r->native_ulps[wide] + r->ref_ulps[wide] + 1;
    }
    case CASE_DRAWS:
        return fabs(native - ref) <= 4 * 8 * 2 * epsilon(dtype);
    case CASE_NEAR:
        return fabs(native - ref) <= (wide ? 1e-12 : 1e-5) * (1 + fabs(ref));
    }
    return false;
}

// An element of `ref` beside the exact one; `scale` is the sum of the sizes of its terms.
static bool ref_is_right(const Graph *g, IrDtype dtype, double ref, double exact, double scale,
                         Values values) {
    bool wide = dtype == IR_F64;
    double rounded = dtype == IR_F32 ? (double)(float)exact : exact;
    switch (g->row->bound) {
    case CASE_BITS:
    case CASE_DRAWS:
        return same(ref, rounded);
    case CASE_EQUAL:
        return ref == rounded || same(ref, rounded);
    case CASE_ULPS: {
        const ExactRow *r = exact_row(g->op);
        if (r->rounded || !ir_dtype_is_real(dtype))
            return same(ref, rounded);
        return ulps_between(ref, exact, wide) <= r->ref_ulps[wide] + (wide ? 0.5 : 0);
    }
    case CASE_TERMS:
        if (dtype == IR_I32)
            return ref == exact;
        if (isnan(scale))
            return isnan(ref);
        if (values == LARGE && !(fabs(scale) < (wide ? DBL_MAX : (double)FLT_MAX) / 8))
            return true; // the order of terms says what overflows
        if (isinf(scale))
            return ref == exact || (isnan(ref) && isnan(exact));
        return fabs(ref - exact) <= 70 * (epsilon(dtype) * fabs(scale) + (wide ? 5e-324 : 1.5e-45));
    case CASE_NEAR:
        return fabs(ref - exact) <= (wide ? 1e-8 : 1e-4) * (1 + fabs(exact));
    }
    return false;
}

// ---- running ------------------------------------------------------------------------------------

// The same graph of the sizes of its inputs' elements.
static EvalTensor **scales(const Eval *e, const Graph *g, EvalTensor *const *in) {
    EvalTensor **sizes_of = arena_array(e->arena, EvalTensor *, g->f->body->n_params + 1);
    for (int k = 0; k < g->f->body->n_params; k++) {
        sizes_of[k] = in[k];
        if (!ir_dtype_is_real(in[k]->dtype))
            continue;
        sizes_of[k] = eval_zeros(e, &g->f->body->params[k]->types[0]);
        for (int64_t i = 0; i < in[k]->n; i++)
            sizes_of[k]->x[i] = fabs(in[k]->x[i]);
    }
    return eval_function(e, g->f, sizes_of);
}

// (An assertion that holds costs a system call: the loops below have none.)

// Runs the graph at these dims and compares all elements of all outputs.
static void run_and_compare(Graph *g, Native *n, const int64_t *dims, Values values,
                            uint64_t salt) {
    Arena a = {0};
    Eval e = {.arena = &a, .dims = dims, .seed = 7, .call = salt};
    EvalTensor **in = inputs_for(&e, g, values, salt);
    EvalTensor **exact = eval_function(&e, g->f, in);
    EvalTensor **scale = g->row->bound == CASE_TERMS ? scales(&e, g, in) : exact;
    EvalTensor **ref = native_run(n, &e, true, in, 1);
    EvalTensor **native = native_run(n, &e, false, in, 1);
    EvalTensor **again = native_run(n, &e, false, in, 2 + (int)(salt % 2));

    Buf at = {0};
    for (int i = 0; i < g->dims->n_vars; i++)
        buf_printf(&at, " %s=%ld", g->dims->vars[i]->name, (long)dims[i]);
    for (int o = 0; o < g->f->body->n_results; o++) {
        const char *name = g->f->outputs[o].name;
        IrDtype dtype = exact[o]->dtype;
        for (int64_t i = 0; i < exact[o]->n; i++) {
            double x = native[o]->x[i], y = ref[o]->x[i], z = exact[o]->x[i];
            if (!same(x, again[o]->x[i]))
                ck_abort_msg("%s,%s, element %ld: threads change %.17g to %.17g", name,
                             buf_text(&at), (long)i, x, again[o]->x[i]);
            if (!native_is_right(g, dtype, x, y))
                ck_abort_msg(
                    "%s,%s, element %ld: native code gives %.17g, ref %.17g, exact is %.17g", name,
                    buf_text(&at), (long)i, x, y, z);
            if (!ref_is_right(g, dtype, y, z, scale[o]->x[i], values))
                ck_abort_msg("%s,%s, element %ld: ref gives %.17g, exact is %.17g", name,
                             buf_text(&at), (long)i, y, z);
        }
    }
    buf_free(&at);
    arena_free(&a);
}

// Whether the shape is left to the long test.
static bool is_too_large(const Graph *g, int rank, const int64_t *of_axes) {
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= of_axes[i];
    return g->row->most && count > g->row->most && !cases_are_long();
}

// Values of differences have no meaning at edges.
static Values values_for(const Graph *g, int i) {
    return g->row->bound == CASE_NEAR ? ORDINARY : (Values)(i % N_VALUES);
}

// ---- the tests ----------------------------------------------------------------------------------

static void at_bounded_sizes(IrOp op, IrDtype dtype, int rank) {
    static const char *const names[] = {"A", "B", "C"};
    static const int64_t fixed[] = {0, 7, 9};
    Graph g = graph_new(op);
    CaseShape s = {.dtype = dtype, .rank = rank};
    for (int i = 0; i < rank; i++)
        s.dims[i] = g.row->leading_only && i > 0 ? ir_dim_const(g.dims, fixed[i])
                                                 : ir_dim_var(g.dims, names[i], MAX_SIZE, 0);
    for (int v = 0; v < g.row->n_variants; v++)
        for (int how = 0; how < N_HOW; how++)
            add_output(&g, &s, v, (How)how);
    if (g.f->body->n_results == 0)
        return;

    Native n = native_open(&arena, g.f, true);
    int count = n_combinations(g.row->leading_only && rank > 1 ? 1 : rank);
    for (int i = 0; i < count; i++) {
        int64_t of_axes[CASES_MAX_RANK], dims[CASES_MAX_RANK + 1] = {0};
        combination(rank, i, of_axes);
        if (is_too_large(&g, rank, of_axes))
            continue;
        for (int k = 0; k < g.dims->n_vars; k++) {
            const char *name = g.dims->vars[k]->name;
            dims[k] = name[0] == 'H' ? i % (MAX_STEPS + 1) : of_axes[name[0] - 'A'];
        }
        run_and_compare(&g, &n, dims, values_for(&g, i), (uint64_t)i);
    }
    native_close(&n);
}

START_TEST(bounded_sizes_are_right) {
    const CaseRow *row = case_row((IrOp)_i);
    for (int t = 0; t < IR_DTYPE_COUNT; t++)
        for (int rank = row->least_rank; rank <= CASES_MAX_RANK; rank++)
            if (row->dtypes >> t & 1)
                at_bounded_sizes((IrOp)_i, (IrDtype)t, rank);
}
END_TEST

// Several sizes as numbers in one graph; each in one way, unless the test is long.
static void at_static_sizes(IrOp op, IrDtype dtype, int rank) {
    static const How hows[] = {PLAIN, TRANSPOSED, CONSUMED};
    enum { N_HOWS = sizeof hows / sizeof *hows };
    Graph g = graph_new(op);
    int count = rank < 2 || cases_are_long() ? n_combinations(rank) : N_SIZES;
    for (int i = 0; i < count; i++) {
        int64_t of_axes[CASES_MAX_RANK];
        CaseShape s = {.dtype = dtype, .rank = rank};
        combination(rank, i, of_axes);
        for (int k = 0; k < rank; k++) {
            if (rank >= 2 && !cases_are_long())
                of_axes[k] = sizes[(i * (k + 1) + k * (int)op) % N_SIZES];
            s.dims[k] = ir_dim_const(g.dims, of_axes[k]);
        }
        if (is_too_large(&g, rank, of_axes))
            continue;
        for (int v = 0; v < g.row->n_variants; v++)
            for (int h = 0; h < N_HOWS; h++)
                if (cases_are_long() || h == (i + v + (int)dtype) % N_HOWS)
                    add_output(&g, &s, v, hows[h]);
    }
    if (g.f->body->n_results == 0)
        return;
    Native n = native_open(&arena, g.f, false);
    for (int i = 0; i < N_VALUES; i++)
        run_and_compare(&g, &n, NULL, values_for(&g, i), (uint64_t)i);
    native_close(&n);
}

START_TEST(static_sizes_are_right) {
    const CaseRow *row = case_row((IrOp)_i);
    for (int t = 0; t < IR_DTYPE_COUNT; t++)
        for (int rank = row->least_rank; rank <= CASES_MAX_RANK; rank++)
            if (row->dtypes >> t & 1)
                at_static_sizes((IrOp)_i, (IrDtype)t, rank);
}
END_TEST

int main(void) {
    int first, end;

    if (!cases_range(&first, &end))
        return EXIT_FAILURE;
    Suite *suite = suite_create("operations");
    TCase *values = tcase_create("values");
    tcase_add_checked_fixture(values, setup, teardown);
    tcase_set_timeout(values, cases_are_long() ? 7200 : 120);
    tcase_add_loop_test(values, bounded_sizes_are_right, first, end);
    tcase_add_loop_test(values, static_sizes_are_right, first, end);
    suite_add_tcase(suite, values);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
