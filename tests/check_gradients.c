// tests/check_gradients.c -- gradients of every operation at all kinds of sizes, and gradients of
// these: native code and the reference back end against differences of values (support_eval.c).
//
// The dims are bounded: each graph is compiled once. GSSM_TEST_LONG=1 takes more and larger sizes.
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passes/grad.h"
#include "tests/support_cases.h"
#include "tests/support_native.h"
#include "tests/support_ops.h"

static Arena arena;

static void setup(void) {
    arena = (Arena){0};
}

static void teardown(void) {
    arena_free(&arena);
}

// ---- graphs -------------------------------------------------------------------------------------

// One variant of an operation at a shape.
typedef struct Example {
    IrOp op;
    const CaseRow *row;
    CaseShape shape;
    int variant;
} Example;

// x moved to where the operation is smooth and defined.
static IrNode *into_domain(IrBuilder *b, IrOp op, IrNode *x) {
    if (!ir_dtype_is_real(x->types[0].dtype))
        return x;
    if (op == IR_OP_log || op == IR_OP_log1p || op == IR_OP_sqrt || op == IR_OP_div ||
        op == IR_OP_pow)
        return ir_add(b, ir_mul(b, x, x), ir_const_like(b, x, 0.5));
    if (op == IR_OP_round)
        return ir_sub(b, x, ir_const_like(b, x, 0.5)); // its jumps to where those of floor are
    return x;
}

static IrNode *loss(IrBuilder *b, const Example *e, IrNode *const *x, int n, int order);

// The gradients by all real ones of x of a loss, which is itself made of gradients where `order` is
// above 1. Fills dx; gives their number.
static int gradients(IrBuilder *b, const Example *e, IrNode *const *x, int n, int order,
                     IrNode **dx) {
    IrBuilder in = {.fn = b->fn, .block = ir_block_new(&arena)};
    int wrt[CASES_MAX_INPUTS], n_wrt = 0;
    for (int k = 0; k < n; k++) {
        ir_block_add_param(b->fn, in.block, x[k]->types[0], NULL, b->loc);
        if (ir_dtype_is_real(x[k]->types[0].dtype))
            wrt[n_wrt++] = k;
    }
    ir_block_add_result(b->fn, in.block, loss(&in, e, in.block->params, n, order));
    IrNode *g = ir_grad(b, in.block, n, x, n_wrt, wrt);
    for (int i = 0; i < n_wrt; i++)
        dx[i] = ir_get(b, g, i + 1);
    return n_wrt;
}

// A scalar in which each element of the result, or of the gradients of that, has a weight.
static IrNode *loss(IrBuilder *b, const Example *e, IrNode *const *x, int n, int order) {
    IrNode *in[CASES_MAX_INPUTS], *sum = NULL;
    if (order == 1) {
        for (int k = 0; k < n; k++)
            in[k] = into_domain(b, e->op, x[k]);
        return ops_scalar(b, ir_sin(b, e->row->apply(b, e->op, &e->shape, e->variant, in)));
    }
    int n_wrt = gradients(b, e, x, n, order - 1, in);
    for (int i = 0; i < n_wrt; i++) {
        IrNode *part = ops_scalar(b, in[i]);
        sum = sum ? ir_add(b, sum, part) : part;
    }
    return sum;
}

// Whether a variant gives reals of reals.
static bool is_smooth(const Example *e, IrDims *ds, IrType *types, int *n) {
    *n = e->row->inputs(ds, e->op, &e->shape, e->variant, types);
    bool is_other_cast = e->op == IR_OP_cast && !ir_dtype_is_real((IrDtype)e->variant);
    bool ends_early = e->op == IR_OP_scan && e->variant >= CASES_SCAN_ENDS;
    return *n > 0 && !is_other_cast && !ends_early;
}

// ---- sizes and values
// -------------------------------------------------------------------------------------

static const int64_t sizes[] = {0, 1, 2, 7, 8, 9, 16, 17, 65};
enum { N_SIZES = sizeof sizes / sizeof *sizes, MAX_SIZE = 65 };

// Reals around 0, all of different sizes and 0.004 or more apart, so that no difference reaches
// over a kink or a tie.
static EvalTensor **inputs_for(const Eval *e, const IrFunction *f) {
    EvalTensor **in = eval_random_inputs(e, f, 3);
    for (int k = 0; k < f->body->n_params; k++) {
        int64_t n = in[k]->n, scale = n < MAX_SIZE ? n : MAX_SIZE;
        for (int64_t i = 0; i < n && ir_dtype_is_real(in[k]->dtype); i++)
            in[k]->x[i] = (2 * (double)(i * 7919 % n) + 0.4 + 0.25 * k - (double)n) / (double)scale;
    }
    return in;
}

// ---- the tests ----------------------------------------------------------------------------------

static void compare(const Example *x, int order, const int64_t *dims, const char *which,
                    EvalTensor *const *exact, EvalTensor *const *out, int n) {
    for (int i = 0; i < n; i++) {
        double d = eval_distance(exact[i], out[i]);
        if (!(d < 1e-6))
            ck_abort_msg(
                "%s, variant %d, gradient %d of order %d at %ld x %ld x %ld: %s is off by %g",
                ir_op_info[x->op].name, x->variant, i, order, (long)dims[0], (long)dims[1],
                (long)dims[2], which, d);
    }
}

// How many numbers the differences are taken by.
static int64_t count_reals(const IrFunction *f, const int64_t *dims) {
    int64_t n = 0;
    for (int k = 0; k < f->body->n_params; k++) {
        const IrType *t = &f->body->params[k]->types[0];
        if (ir_dtype_is_real(t->dtype))
            n += ir_dim_eval(ir_type_count(f->dims, t), dims);
    }
    return n;
}

// Compiles one variant's gradients, and runs them at sizes where they are by at most `most`
// numbers.
static void check_variant(Example *x, int rank, int order, int64_t most) {
    static const char *const names[] = {"A", "B", "C", "x", "y", "z", "w"};
    IrDims *ds = arena_new(&arena, IrDims);
    ds->arena = &arena;
    IrFunction *f = ir_function_new(&arena, ds, "f");
    for (int i = 0; i < CASES_MAX_RANK; i++) // all three, so that values have fixed places
        x->shape.dims[i] = ir_dim_var(ds, names[i], MAX_SIZE, 0);
    x->shape.rank = rank;

    IrType types[CASES_MAX_INPUTS];
    IrNode *dx[CASES_MAX_INPUTS];
    int n;
    if (!is_smooth(x, ds, types, &n))
        return;
    for (int k = 0; k < n; k++)
        ir_add_input(f, types[k], (IrSlot){.name = names[3 + k]}, (Loc){0});
    IrBuilder b = {.fn = f, .block = f->body};
    int n_wrt = gradients(&b, x, f->body->params, n, order, dx);
    for (int i = 0; i < n_wrt; i++)
        ir_add_output(f, dx[i], (IrSlot){.name = names[3 + i], .role = IR_ROLE_GRAD});
    Native native = native_open(&arena, f, true);

    int count = rank == 0 ? 1 : rank == 1 ? N_SIZES : N_SIZES * N_SIZES;
    for (int i = 0; i < count; i++) {
        int64_t dims[] = {sizes[i % N_SIZES], sizes[i / N_SIZES], sizes[1 + i % 3]};
        if (count_reals(f, dims) > most)
            continue;
        Arena a = {0};
        Eval e = {.arena = &a, .dims = dims, .seed = 7, .call = 3};
        EvalTensor **in = inputs_for(&e, f);
        bool stops = x->op == IR_OP_stop_gradient;
        EvalTensor **exact = arena_array(&a, EvalTensor *, n_wrt);
        for (int k = 0; stops && k < n_wrt; k++)
            exact[k] = eval_zeros(&e, &dx[k]->types[0]);
        if (!stops)
            exact = eval_function(&e, f, in);
        compare(x, order, dims, "ref", exact, native_run(&native, &e, true, in, 1), n_wrt);
        compare(x, order, dims, "native code", exact, native_run(&native, &e, false, in, 1 + i % 3),
                n_wrt);
        arena_free(&a);
    }
    native_close(&native);
}

static void check_order(IrOp op, int order, int64_t most) {
    Example x = {.op = op, .row = case_row(op), .shape.dtype = IR_F64};
    if (x.row->no_gradient || !(x.row->dtypes >> IR_F64 & 1))
        return;
    for (int rank = x.row->least_rank; rank <= CASES_MAX_RANK; rank++)
        for (x.variant = 0; x.variant < x.row->n_variants; x.variant++)
            check_variant(&x, rank, order, most);
}

START_TEST(gradients_agree_with_differences) {
    check_order((IrOp)_i, 1, cases_are_long() ? 1000 : 80);
}
END_TEST

START_TEST(gradients_of_gradients_agree_with_differences) {
    check_order((IrOp)_i, 2, cases_are_long() ? 30 : 8);
}
END_TEST

START_TEST(what_has_no_gradient_has_a_reason) {
    const CaseRow *row = case_row((IrOp)_i);
    bool is_none = grad_rule[_i] == grad_none, may_be = is_none || grad_rule[_i] == grad_zero;
    ck_assert_msg(row->no_gradient ? may_be : !is_none,
                  "%s: its row in tests/support_cases.c does not agree with ir/ops.def",
                  ir_op_info[_i].name);
}
END_TEST

int main(void) {
    int first, end;

    if (!cases_range(&first, &end))
        return EXIT_FAILURE;
    Suite *suite = suite_create("gradients");
    TCase *ops = tcase_create("ops");
    tcase_add_checked_fixture(ops, setup, teardown);
    tcase_set_timeout(ops, cases_are_long() ? 7200 : 120);
    tcase_add_loop_test(ops, gradients_agree_with_differences, first, end);
    tcase_add_loop_test(ops, gradients_of_gradients_agree_with_differences, first, end);
    tcase_add_loop_test(ops, what_has_no_gradient_has_a_reason, first, end);
    suite_add_tcase(suite, ops);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
