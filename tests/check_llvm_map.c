// tests/check_llvm_map.c -- elementwise operations as native code: errors in ulp against long
// double, edge values, and the same bits in lanes, tails and single elements.
#include "tests/check_llvm.h"

#include <float.h>

#include "ir/build.h"
#include "tests/support_exact.h"

enum { N = 20000 };

// Operands from `low` to `high`, evenly, or with even logarithms of both signs if `low` is 0.
typedef struct Range {
    IrOp op;
    double low, high;   // of x
    double low2, high2; // of y
} Range;

static const Range ranges[] = {
    {IR_OP_exp, -87, 88.7, 0, 0},   {IR_OP_exp, -700, 709.7, 0, 0},
    {IR_OP_exp, 0, 1, 0, 0},        {IR_OP_expm1, -20, 88.7, 0, 0},
    {IR_OP_expm1, -1, 1, 0, 0},     {IR_OP_expm1, 0, 1, 0, 0},
    {IR_OP_log, 0.5, 2, 0, 0},      {IR_OP_log, 1e-3, 1e6, 0, 0},
    {IR_OP_log, 0, 1e38, 0, 0},     {IR_OP_log1p, -0.99, 3, 0, 0},
    {IR_OP_log1p, 0, 0.5, 0, 0},    {IR_OP_log1p, 0.1, 1e9, 0, 0},
    {IR_OP_sqrt, 0, 1e30, 0, 0},    {IR_OP_tanh, -12, 12, 0, 0},
    {IR_OP_tanh, 0, 2, 0, 0},       {IR_OP_sigmoid, -30, 30, 0, 0},
    {IR_OP_sigmoid, -85, 85, 0, 0}, {IR_OP_sin, -10, 10, 0, 0},
    {IR_OP_sin, -1e5, 1e5, 0, 0},   {IR_OP_sin, 0, 3, 0, 0},
    {IR_OP_cos, -10, 10, 0, 0},     {IR_OP_cos, -1e5, 1e5, 0, 0},
    {IR_OP_pow, 1e-3, 10, -10, 10}, {IR_OP_pow, 0.9, 1.1, -800, 800},
    {IR_OP_pow, 0.5, 2, -100, 100},
};
enum { N_RANGES = sizeof ranges / sizeof *ranges };

// A kernel that applies `op` to arrays of d0 elements; `single` computes on single elements and
// spreads each result over 3 columns.
static void map_text(Buf *out, IrOp op, const char *type, bool single) {
    const IrOpInfo *info = &ir_op_info[op];
    bool logic = info->result == IR_RESULT_LOGIC, to_bool = logic || info->result == IR_RESULT_BOOL;
    const char *in = logic ? "bool" : type, *result = to_bool ? "bool" : type;
    buf_printf(out, "  args [%s in, %s in, %s out]\n  axes [d0%s]\n", in, in, result,
               single ? ", 3" : "");
    buf_printf(out, "  s0 = load a0[i0] : %s\n", in);
    if (info->n_in > 1)
        buf_printf(out, "  s1 = load a1[i0] : %s\n", in);
    int y = info->n_in;
    buf_printf(out, "  s%d = %s s0%s : %s\n", y, info->name, y > 1 ? ", s1" : "", result);
    buf_printf(out, single ? "  store a2[3*i0 + i1] = s%d\n" : "  store a2[i0] = s%d\n", y);
}

static Run open_map(IrOp op, const char *type, bool single, int64_t n, int64_t grain) {
    Buf text = {0};
    map_text(&text, op, type, single);
    Case c = {.name = ir_op_info[op].name,
              .kernel = buf_text(&text),
              .n_dims = 1,
              .dims = {n},
              .counts = {n, n, single ? 3 * n : n},
              .grain = grain};
    Run r = check_open(&c);
    buf_free(&text);
    return r;
}

static void run_once(Run *r, const char *cpu) {
    BackendStep *step = check_compile(r, cpu);
    check_run(r, &llvm_backend, step, 1);
    llvm_backend.free(step);
}

static double operand(double low, double high, int i) {
    double t = (i + 0.37) / N;
    if (low != 0)
        return low + (high - low) * t;
    double size = high * pow(10, -30 * fabs(2 * t - 1)); // both ends tiny
    return i % 2 ? size : -size;
}

static void set(void *p, IrDtype dtype, int64_t i, double x) {
    if (dtype == IR_F32)
        ((float *)p)[i] = (float)x;
    else
        ((double *)p)[i] = x;
}

// The one number that an operation which rounds as IEEE says may give.
static double rounded(const ExactRow *row, long double x, long double y, bool wide) {
    double exact = row->rounded((double)x, (double)y);
    return wide ? exact : (double)(float)exact;
}

static void check_range(const Range *g, bool wide) {
    IrDtype dtype = wide ? IR_F64 : IR_F32;
    const ExactRow *row = exact_row(g->op);
    const char *name = ir_op_info[g->op].name;
    if (!wide && (fabs(g->low) > 1e38 || g->high > 1e38 || g->high == 709.7))
        return;
    Run r = open_map(g->op, wide ? "f64" : "f32", false, N, 0);
    for (int i = 0; i < N; i++) {
        double x = operand(g->low, g->high, i);
        if (g->op == IR_OP_log || g->op == IR_OP_sqrt)
            x = fabs(x);
        set(r.in[0], dtype, i, x);
        set(r.in[1], dtype, i, g->low2 + (g->high2 - g->low2) * ((i * 7919) % N) / N);
    }
    run_once(&r, NULL);

    double worst = 0;
    int at = 0;
    for (int i = 0; i < N; i++) {
        long double x = check_element(r.in[0], dtype, i), y = check_element(r.in[1], dtype, i);
        long double exact = row->near ? row->near(x, y) : rounded(row, x, y, wide);
        double found = check_element(r.out[0], dtype, i);
        if (fabsl(exact) > (wide ? DBL_MAX : FLT_MAX))
            continue;
        double error = exact_ulps(found, exact, wide);
        if (!(error <= worst))
            worst = error, at = i;
    }
    double x = check_element(r.in[0], dtype, at), y = check_element(r.in[1], dtype, at);
    printf("  %-8s %s on [%g, %g]: %.2f ulp\n", name, wide ? "f64" : "f32", g->low, g->high, worst);
    ck_assert_msg(worst <= row->native_ulps[wide], "%s(%.17g, %.17g) is %.17g, off by %.2f ulp",
                  name, x, y, check_element(r.out[0], dtype, at), worst);
    check_close(&r);
}

START_TEST(error_is_small) {
    check_range(&ranges[_i], false);
    check_range(&ranges[_i], true);
}
END_TEST

// ---- edges --------------------------------------------------------------------------------------

static const double edges[] = {
    0.0,     -0.0,    1,      -1,     2,     -2,       3,         -3,    0.5,     -0.5,
    1e-300,  -1e-300, 1e-40,  -1e-40, 1e-45, 88.7228,  88.7229,   89,    -87.4,   -103,
    -104,    -110,    1e5,    -1e5,   1e10,  -1e10,    1e30,      1e300, -1e300,  5e-324,
    709.78,  709.79,  -745.1, -745.2, -1e3,  INFINITY, -INFINITY, NAN,   FLT_MAX, DBL_MAX,
    FLT_MIN, DBL_MIN, 1.5,    -2.5,   17,    0.99999,  1.00001};
enum { N_EDGES = sizeof edges / sizeof *edges };

static bool is_real_row(IrOp op) {
    const IrOpInfo *info = &ir_op_info[op];
    return info->kind == IR_KIND_MAP && info->result != IR_RESULT_LOGIC &&
           info->result != IR_RESULT_INT;
}

// Where the value is exact (or exceptional) all must agree; elsewhere nearly.
static void check_edge(const Run *r, IrOp op, IrDtype dtype, int64_t i) {
    double in[] = {check_element(r->in[0], dtype, i), check_element(r->in[1], dtype, i)};
    double expected = ir_eval_map(op, dtype, in);
    double x = check_element(r->out[0], check_output_dtype(r, 0), i);
    bool far = (op == IR_OP_sin || op == IR_OP_cos) && fabs(in[0]) > 1e5 && isfinite(in[0]);
    if (far) {
        ck_assert_msg(fabs(x) <= 1, "%s(%g) is %g", ir_op_info[op].name, in[0], x);
        return;
    }
    double scale = dtype == IR_F32 ? 3e-7 : 1e-15, least = dtype == IR_F32 ? 2e-45 : 1e-323;
    bool same = x == expected && (x != 0 || signbit(x) == signbit(expected));
    bool near = fabs(x - expected) <= scale * fabs(expected) + least && x * expected >= 0 &&
                isfinite(expected) && expected != 0;
    ck_assert_msg(same || near || (isnan(x) && isnan(expected)),
                  "%s(%.17g, %.17g) is %.17g, not %.17g", ir_op_info[op].name, in[0], in[1], x,
                  expected);
}

START_TEST(edge_values_are_those_of_c) {
    IrOp op = (IrOp)_i;
    if (!is_real_row(op))
        return;
    for (int wide = 0; wide < 2; wide++) {
        IrDtype dtype = wide ? IR_F64 : IR_F32;
        int64_t n = N_EDGES * N_EDGES;
        Run r = open_map(op, wide ? "f64" : "f32", false, n, 0);
        for (int64_t i = 0; i < n; i++) {
            set(r.in[0], dtype, i, edges[i / N_EDGES]);
            set(r.in[1], dtype, i, edges[i % N_EDGES]);
        }
        run_once(&r, NULL);
        for (int64_t i = 0; i < n; i++)
            check_edge(&r, op, dtype, i);
        check_close(&r);
    }
}
END_TEST

START_TEST(whole_numbers_wrap) {
    static const int32_t values[] = {0, 1, -1, 2, 7, -13, INT32_MAX, INT32_MIN, 65536, 100000};
    enum { COUNT = sizeof values / sizeof *values };
    IrOp op = (IrOp)_i;
    const IrOpInfo *info = &ir_op_info[op];
    bool fits =
        info->kind == IR_KIND_MAP && (info->result == IR_RESULT_SAME || info->result == IR_RESULT_INT ||
                                      (info->result == IR_RESULT_BOOL && op != IR_OP_is_finite));
    if (!fits)
        return;
    int64_t n = COUNT * COUNT;
    Run r = open_map(op, "i32", false, n, 0);
    for (int64_t i = 0; i < n; i++) {
        ((int32_t *)r.in[0])[i] = values[i / COUNT];
        ((int32_t *)r.in[1])[i] = values[i % COUNT];
    }
    run_once(&r, NULL);
    for (int64_t i = 0; i < n; i++) {
        double in[] = {values[i / COUNT], values[i % COUNT]};
        double x = check_element(r.out[0], check_output_dtype(&r, 0), i);
        ck_assert_msg(x == ir_eval_map(op, IR_I32, in), "%s(%g, %g) is %g", info->name, in[0],
                      in[1], x);
    }
    check_close(&r);
}
END_TEST

START_TEST(logic_is_that_of_c) {
    IrOp op = (IrOp)_i;
    if (ir_op_info[op].kind != IR_KIND_MAP || ir_op_info[op].result != IR_RESULT_LOGIC)
        return;
    Run r = open_map(op, "bool", false, 4, 0);
    for (int i = 0; i < 4; i++) {
        ((uint8_t *)r.in[0])[i] = i >= 2;
        ((uint8_t *)r.in[1])[i] = i % 2 != 0;
    }
    run_once(&r, NULL);
    for (int i = 0; i < 4; i++) {
        double in[] = {i / 2, i % 2};
        ck_assert(((uint8_t *)r.out[0])[i] == (ir_eval_map(op, IR_BOOL, in) != 0));
    }
    check_close(&r);
}
END_TEST

// ---- positions ----------------------------------------------------------------------------------

// Operands of both signs over many sizes.
static void fill_wide(Run *r, IrDtype dtype, int64_t n) {
    uint64_t state = 12345;
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < n; i++)
            set(r->in[k], dtype, i,
                (check_uniform(&state) - 0.5) * pow(10, 4 * check_uniform(&state) - 2));
}

START_TEST(bits_do_not_depend_on_the_position) {
    static const char *const cpus[] = {NULL, "x86-64-v3", "x86-64-v2"};
    enum { COUNT = 75 };
    IrOp op = (IrOp)_i;
    if (!is_real_row(op))
        return;
    for (int wide = 0; wide < 2; wide++) {
        IrDtype dtype = wide ? IR_F64 : IR_F32;
        const char *type = wide ? "f64" : "f32";
        Run whole = open_map(op, type, false, COUNT, 0),
            piece = open_map(op, type, false, COUNT, 1);
        Run single = open_map(op, type, true, COUNT, 0);
        fill_wide(&whole, dtype, COUNT);
        fill_wide(&piece, dtype, COUNT);
        fill_wide(&single, dtype, COUNT);
        run_once(&whole, NULL);
        size_t size = check_output_bytes(&whole, 0) / COUNT;
        for (size_t cpu = 0; cpu < sizeof cpus / sizeof *cpus; cpu++) {
            run_once(&piece, cpus[cpu]);
            ck_assert(!memcmp(whole.out[0], piece.out[0], COUNT * size));
            run_once(&single, cpus[cpu]);
            for (size_t i = 0; i < COUNT; i++)
                ck_assert(!memcmp((char *)whole.out[0] + i * size,
                                  (char *)single.out[0] + 3 * i * size, size));
        }
        check_close(&whole);
        check_close(&piece);
        check_close(&single);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("llvm_map");
    TCase *errors = tcase_create("errors");
    tcase_set_timeout(errors, 60);
    tcase_add_loop_test(errors, error_is_small, 0, N_RANGES);
    suite_add_tcase(suite, errors);
    TCase *rows = tcase_create("rows");
    tcase_set_timeout(rows, 60);
    tcase_add_loop_test(rows, edge_values_are_those_of_c, 0, IR_OP_COUNT);
    tcase_add_loop_test(rows, whole_numbers_wrap, 0, IR_OP_COUNT);
    tcase_add_loop_test(rows, logic_is_that_of_c, 0, IR_OP_COUNT);
    tcase_add_loop_test(rows, bits_do_not_depend_on_the_position, 0, IR_OP_COUNT);
    suite_add_tcase(suite, rows);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
