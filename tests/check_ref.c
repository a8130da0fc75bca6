// tests/check_ref.c -- the reference back end: kernels against closed forms, and the tree.
//
// The schedules are written as text. Sums and products are compared bit by bit with the orders that
// ir/kernel.h prescribes.
#include "codegen/backend.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "ir/base/exits.h"
#include "ir/random.h"

static Arena arena;
static Diag diag;

static void setup(void) {
    arena = (Arena){0};
    diag = (Diag){0};
}

static void teardown(void) {
    arena_free(&arena);
    diag_free(&diag);
}

// ---- running ------------------------------------------------------------------------------------

// What a run is given besides the text.
typedef struct Given {
    void *in[6], *out[4];
    int64_t dims[3];
    int n_threads; // 0: one
    bool blas;
} Given;

enum { SEED = 7, CALL = 3 };

typedef struct Entry {
    const BackendStep *step;
    const BackendCall *call;
    int thread;
} Entry;

static void *enter(void *data) {
    const Entry *e = data;
    ref_backend.run(e->step, e->call, e->thread);
    return NULL;
}

static void run(const char *text, const Given *given) {
    IrSchedule *s = ir_parse_schedule(&arena, &diag, "test.gis", text, strlen(text));
    if (!s)
        diag_print(&diag, stderr, false);
    ck_assert_ptr_nonnull(s);

    char why[2000] = "";
    BackendOptions options = {.gemm_blas = given->blas};
    BackendStep *step = ref_backend.compile(s, &options, NULL, why, sizeof why);
    ck_assert_msg(step != NULL, "%s", why);

    size_t size = ((size_t)s->arena_bytes + 63) / 64 * 64;
    atomic_int words[2] = {0};
    BackendCall call = {.inputs = given->in,
                        .outputs = given->out,
                        .dims = given->dims,
                        .arena = size ? aligned_alloc(64, size) : NULL,
                        .seed = SEED,
                        .call = CALL,
                        .n_threads = given->n_threads ? given->n_threads : 1,
                        .barrier = words};
    if (size)
        memset(call.arena, 0xff, size); // NaN
    pthread_t threads[8];
    Entry entries[8];
    for (int t = 0; t < call.n_threads; t++) {
        entries[t] = (Entry){.step = step, .call = &call, .thread = t};
        pthread_create(&threads[t], NULL, enter, &entries[t]);
    }
    for (int t = 0; t < call.n_threads; t++)
        pthread_join(threads[t], NULL);
    free(call.arena);
    ref_backend.free(step);
}

// A schedule of one kernel @k0 with inputs %a, %b, %c of f32 (unless `head` says otherwise).
static const char *one_kernel(const char *head, const char *kernel, const char *call) {
    return arena_printf(&arena,
                        "schedule @test arena=0 residual=0\n%s\nkernel @k0 \"k\" {\n%s\n}\n"
                        "tree {\n call @k0%s\n}\n",
                        head, kernel, call);
}

// Numbers on (-2, 2) with many digits.
static float *floats(int64_t n, uint64_t seed) {
    float *x = arena_array(&arena, float, n);
    for (int64_t i = 0; i < n; i++) {
        uint32_t w[4];
        ir_philox(seed, (uint64_t)i, 0, w);
        x[i] = 4 * ir_uniform_f32(w) - 2;
    }
    return x;
}

static double *doubles(int64_t n, uint64_t seed) {
    double *x = arena_array(&arena, double, n);
    for (int64_t i = 0; i < n; i++) {
        uint32_t w[4];
        ir_philox(seed, (uint64_t)i, 1, w);
        x[i] = 4 * ir_uniform_f64(w) - 2;
    }
    return x;
}

static void assert_same(const void *x, const void *y, size_t size) {
    ck_assert(memcmp(x, y, size) == 0);
}

// The sum in 16 lanes that kernel.h prescribes, of n elements `stride` apart.
static float lane_sum(const float *x, int64_t n, int64_t stride) {
    float lanes[IR_LANES] = {0};
    for (int64_t j = 0; j < n; j++)
        lanes[j % IR_LANES] += x[j * stride];
    for (int half = 8; half; half /= 2)
        for (int l = 0; l < half; l++)
            lanes[l] += lanes[l + half];
    return lanes[0];
}

// ---- elementwise --------------------------------------------------------------------------------

START_TEST(a_bias_is_added_to_every_row) {
    const char *text = one_kernel("dim N max=500\n"
                                  "input 0 in a: f32[N,70]\ninput 1 in b: f32[70]\n"
                                  "output 0 out y: f32[N,70]\n"
                                  "buffer %a: f32[70 * N] input 0\nbuffer %b: f32[70] input 1\n"
                                  "buffer %y: f32[70 * N] output 0",
                                  "dims d0 args [f32 in, f32 in, f32 out] axes [d0, 70]\n"
                                  "s0 = load a0[70*i0 + i1] : f32\ns1 = load a1[i1] : f32\n"
                                  "s2 = add s0, s1 : f32\ns3 = tanh s2 : f32\n"
                                  "store a2[70*i0 + i1] = s3",
                                  "(%a, %b, %y) dims=[N]");
    int64_t n = 33;
    float *a = floats(n * 70, 1), *b = floats(70, 2), *y = floats(n * 70, 3);
    run(text, &(Given){.in = {a, b}, .out = {y}, .dims = {n}});
    for (int64_t i = 0; i < n * 70; i++)
        ck_assert_float_eq(y[i], tanhf(a[i] + b[i % 70]));
    run(text, &(Given){.in = {a, b}, .out = {y}, .dims = {0}});
}
END_TEST

START_TEST(types_have_their_own_arithmetic) {
    const char *text = one_kernel(
        "input 0 in a: f64[5]\ninput 1 in b: i32[5]\n"
        "output 0 out x: i32[5]\noutput 1 out y: i32[5]\noutput 2 out z: f64[5]\n"
        "output 3 out c: bool[5]\n"
        "buffer %a: f64[5] input 0\nbuffer %b: i32[5] input 1\nbuffer %x: i32[5] output 0\n"
        "buffer %y: i32[5] output 1\nbuffer %z: f64[5] output 2\nbuffer %c: bool[5] output 3",
        "args [f64 in, i32 in, i32 out, i32 out, f64 out, bool out] axes [5]\n"
        "s0 = load a0[i0] : f64\ns1 = load a1[i0] : i32\ns2 = cast s0 : i32\n"
        "s3 = add s1, s1 : i32\ns4 = index i0 : i32\ns5 = add s3, s4 : i32\ns6 = cast s5 : f64\n"
        "s7 = div s0, s6 : f64\ns8 = is_finite s0 : bool\ns9 = less s1, s4 : bool\n"
        "s10 = logical_or s8, s9 : bool\ns11 = logical_not s10 : bool\n"
        "s12 = select s11, s7, s0 : f64\n"
        "store a2[i0] = s2\nstore a3[i0] = s5\nstore a4[i0] = s12\nstore a5[i0] = s11",
        "(%a, %b, %x, %y, %z, %c)");
    double a[5] = {1e300, -2.9, 0.1, INFINITY, NAN}, z[5];
    int32_t b[5] = {INT32_MAX, -7, 0, 10, 1}, x[5], y[5];
    uint8_t c[5];
    run(text, &(Given){.in = {a, b}, .out = {x, y, z, c}});
    int32_t casts[5] = {INT32_MAX, -2, 0, INT32_MAX, 0}, sums[5] = {-2, -13, 2, 23, 6};
    uint8_t no[5] = {0, 0, 0, 1, 0};
    assert_same(x, casts, sizeof x);
    assert_same(y, sums, sizeof y);
    assert_same(c, no, sizeof c);
    ck_assert_double_eq(z[1], -2.9);
    ck_assert_double_eq(z[3], INFINITY);
}
END_TEST

// ---- reductions ---------------------------------------------------------------------------------

static const char softmax_head[] = "dim N max=500\ndim M max=500\n"
                                   "input 0 in x: f32[N,M]\noutput 0 out y: f32[N,M]\n"
                                   "buffer %x: f32[N * M] input 0\nbuffer %y: f32[N * M] output 0";

// Few long rows and many short ones, which the interpreter takes by different axes.
static const int64_t shapes[][2] = {{3, 200}, {200, 3}, {70, 16}, {65, 65}, {1, 1}, {2, 0}};

START_TEST(softmax_of_rows_has_three_stages) {
    const char *text = one_kernel(softmax_head,
                                  "dims d0 d1 args [f32 in, f32 out] axes [d0 | d1]\n"
                                  "s0 = load a0[d1*i0 + i1] : f32\ns1 = reduce_max s0 : f32\n"
                                  "s2 = sub s0, s1 : f32\ns3 = exp s2 : f32\ns4 = sum s3 : f32\n"
                                  "s5 = div s3, s4 : f32\nstore a1[d1*i0 + i1] = s5",
                                  "(%x, %y) dims=[N, M]");
    int64_t n = shapes[_i][0], m = shapes[_i][1];
    float *x = floats(n * m, 1), *y = floats(n * m, 2), e[500];
    run(text, &(Given){.in = {x}, .out = {y}, .dims = {n, m}});
    for (int64_t i = 0; i < n; i++) {
        float max = -INFINITY;
        for (int64_t j = 0; j < m; j++)
            max = fmaxf(max, x[i * m + j]);
        for (int64_t j = 0; j < m; j++)
            e[j] = expf(x[i * m + j] - max);
        for (int64_t j = 0; j < m; j++)
            ck_assert_float_eq(y[i * m + j], e[j] / lane_sum(e, m, 1));
    }
}
END_TEST

// Rows and columns of (N, M): the reduced axis is contiguous or not.
START_TEST(sums_go_in_lanes) {
    const char *text = one_kernel("dim N max=500\ndim M max=500\n"
                                  "input 0 in x: f32[N,M]\noutput 0 out r: f32[N]\n"
                                  "buffer %x: f32[N * M] input 0\nbuffer %r: f32[N] output 0",
                                  "dims d0 d1 d2 args [f32 in, f32 out] axes [d0 | d1]\n"
                                  "s0 = load a0[d1*i0 + d2*i1] : f32\ns1 = sum s0 : f32\n"
                                  "store a1[i0] = s1",
                                  "(%x, %r) dims=[N, M, 1]");
    char *columns = arena_strdup(&arena, text);
    char *at = strstr(columns, "d1*i0 + d2*i1");
    memcpy(at, "d2*i0 + d0*i1", 13);

    int64_t n = shapes[_i][0], m = shapes[_i][1];
    float *x = floats(n * m, 1), *r = floats(n, 2);
    run(text, &(Given){.in = {x}, .out = {r}, .dims = {n, m}});
    for (int64_t i = 0; i < n; i++)
        ck_assert_float_eq(r[i], lane_sum(x + i * m, m, 1));
    run(columns, &(Given){.in = {x}, .out = {r}, .dims = {n, m}});
    for (int64_t i = 0; i < n; i++)
        ck_assert_float_eq(r[i], lane_sum(x + i, m, n));
}
END_TEST

// Lanes accumulate in order of the outer reduced axis, then of the last one.
START_TEST(outer_reduced_axes_come_first_in_a_lane) {
    const char *text = one_kernel("input 0 in x: f32[5,7,20]\noutput 0 out r: f32[7]\n"
                                  "buffer %x: f32[700] input 0\nbuffer %r: f32[7] output 0",
                                  "args [f32 in, f32 out] axes [7 | 5, 20]\n"
                                  "s0 = load a0[20*i0 + 140*i1 + i2] : f32\ns1 = sum s0 : f32\n"
                                  "store a1[i0] = s1",
                                  "(%x, %r)");
    float *x = floats(700, 1), r[7];
    run(text, &(Given){.in = {x}, .out = {r}});
    for (int i = 0; i < 7; i++) {
        float lanes[IR_LANES] = {0};
        for (int o = 0; o < 5; o++)
            for (int j = 0; j < 20; j++)
                lanes[j % IR_LANES] += x[140 * o + 20 * i + j];
        ck_assert_float_eq(r[i], lane_sum(lanes, IR_LANES, 1));
    }
}
END_TEST

static const char *extremes(const char *op, const char *type) {
    return one_kernel(arena_printf(&arena,
                                   "dim N max=500\ninput 0 in x: f32[N]\noutput 0 out r: %s[]\n"
                                   "buffer %%x: f32[N] input 0\nbuffer %%r: %s[1] output 0",
                                   type, type),
                      arena_printf(&arena,
                                   "dims d0 args [f32 in, %s out] axes [| d0]\n"
                                   "s0 = load a0[i0] : f32\ns1 = %s s0 : %s\nstore a1[0] = s1",
                                   type, op, type),
                      "(%x, %r) dims=[N]");
}

static float extreme(const char *op, float *x, int64_t n) {
    float r = 99;
    run(extremes(op, "f32"), &(Given){.in = {x}, .out = {&r}, .dims = {n}});
    return r;
}

START_TEST(nothing_has_neutral_extremes) {
    ck_assert_float_eq(extreme("sum", NULL, 0), 0);
    ck_assert_float_eq(extreme("reduce_max", NULL, 0), -INFINITY);
    ck_assert_float_eq(extreme("reduce_min", NULL, 0), INFINITY);
}
END_TEST

START_TEST(nan_stays) {
    float *x = floats(100, 1);
    x[77] = 3;
    ck_assert_float_eq(extreme("reduce_max", x, 100), 3);
    x[78] = NAN;
    ck_assert_float_nan(extreme("reduce_max", x, 100));
    ck_assert_float_nan(extreme("reduce_min", x, 100));
    ck_assert_float_nan(extreme("sum", x, 100));
}
END_TEST

START_TEST(argmax_takes_the_lowest_index) {
    float *x = floats(100, 1);
    int32_t r = 99;
    Given given = {.in = {x}, .out = {&r}, .dims = {100}};
    x[40] = x[30] = x[80] = 5;
    run(extremes("argmax", "i32"), &given);
    ck_assert_int_eq(r, 30);
    x[70] = x[71] = NAN;
    run(extremes("argmax", "i32"), &given);
    ck_assert_int_eq(r, 70);
    given.dims[0] = 0;
    run(extremes("argmax", "i32"), &given);
    ck_assert_int_eq(r, 0);
}
END_TEST

// ---- products -----------------------------------------------------------------------------------

static const char layer_head[] = "dim N max=500\n"
                                 "input 0 in x: f32[N,50]\ninput 1 p w: f32[50,70]\n"
                                 "input 2 p b: f32[70]\noutput 0 out y: f32[N,70]\n"
                                 "buffer %x: f32[50 * N] input 0\nbuffer %w: f32[3500] input 1\n"
                                 "buffer %b: f32[70] input 2\nbuffer %y: f32[70 * N] output 0";
static const char layer_kernel[] =
    "dims d0 args [f32 in, f32 in, f32 in, f32 out] axes [d0, 70 | 50]\n"
    "product f32 batch=0 m=1 n=1 k=1 a0[50*i0 + i2], a1[i1 + 70*i2]\n"
    "s0 = product : f32\ns1 = load a2[i1] : f32\ns2 = add s0, s1 : f32\ns3 = relu s2 : f32\n"
    "store a3[70*i0 + i1] = s3";

START_TEST(a_layer_is_a_chain_of_fused_multiply_adds) {
    int64_t n = 40;
    float *x = floats(n * 50, 1), *w = floats(50 * 70, 2), *b = floats(70, 3);
    float *y = floats(n * 70, 4), *blas = floats(n * 70, 5);
    const char *text = one_kernel(layer_head, layer_kernel, "(%x, %w, %b, %y) dims=[N]");
    run(text, &(Given){.in = {x, w, b}, .out = {y}, .dims = {n}});
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < 70; j++) {
            float acc = 0;
            for (int64_t k = 0; k < 50; k++)
                acc = fmaf(x[i * 50 + k], w[k * 70 + j], acc);
            ck_assert_float_eq(y[i * 70 + j], fmaxf(acc + b[j], 0));
        }

    run(text, &(Given){.in = {x, w, b}, .out = {blas}, .dims = {n}, .blas = true});
    for (int64_t i = 0; i < n * 70; i++)
        ck_assert_float_eq_tol(y[i], blas[i], 1e-4f);
}
END_TEST

// y[g] = a[g]^T b[g]^T in f64: (4, 30, 40) and (4, 50, 30) give (4, 40, 50).
START_TEST(batches_of_transposed_products) {
    const char *text = one_kernel(
        "input 0 in a: f64[4,30,40]\ninput 1 in b: f64[4,50,30]\noutput 0 out y: f64[4,40,50]\n"
        "buffer %a: f64[4800] input 0\nbuffer %b: f64[6000] input 1\nbuffer %y: f64[8000] output 0",
        "args [f64 in, f64 in, f64 out] axes [4, 40, 50 | 30]\n"
        "product f64 batch=1 m=1 n=1 k=1 a0[1200*i0 + i1 + 40*i3], a1[1500*i0 + 30*i2 + i3]\n"
        "s0 = product : f64\nstore a2[2000*i0 + 50*i1 + i2] = s0",
        "(%a, %b, %y)");
    double *a = doubles(4800, 1), *b = doubles(6000, 2), *y = doubles(8000, 3);
    double *blas = doubles(8000, 4);
    run(text, &(Given){.in = {a, b}, .out = {y}});
    run(text, &(Given){.in = {a, b}, .out = {blas}, .blas = true});
    for (int64_t at = 0; at < 8000; at++) {
        int64_t g = at / 2000, i = at / 50 % 40, j = at % 50;
        double acc = 0;
        for (int64_t k = 0; k < 30; k++)
            acc = fma(a[1200 * g + 40 * k + i], b[1500 * g + 30 * j + k], acc);
        ck_assert_double_eq(y[at], acc);
        ck_assert_double_eq_tol(blas[at], acc, 1e-12);
    }
}
END_TEST

// Two contracted axes, a guard on lhs and rows of rhs chosen by indices.
START_TEST(operands_of_products_have_guards_and_rows) {
    const char *text = one_kernel(
        "input 0 in a: f32[6,3,6]\ninput 1 in b: f32[10,9]\ninput 2 in r: i32[6]\n"
        "output 0 out y: f32[6,9]\n"
        "buffer %a: f32[108] input 0\nbuffer %b: f32[90] input 1\nbuffer %r: i32[6] input 2\n"
        "buffer %y: f32[54] output 0",
        "args [f32 in, f32 in, i32 in, f32 out] axes [6, 9 | 3, 6]\n"
        "product f32 batch=0 m=1 n=1 k=2 a0[18*i0 + 6*i2 + i3] if s2, a1[i1 + 9*row(s3, 9)]\n"
        "s0 = index i0 : i32\ns1 = index i3 : i32\ns2 = not_equal s0, s1 : bool\n"
        "s3 = load a2[i3] : i32\ns4 = product : f32\nstore a3[9*i0 + i1] = s4",
        "(%a, %b, %r, %y)");
    float *a = floats(108, 1), *b = floats(90, 2), *y = floats(54, 3);
    int32_t r[6] = {3, -5, 9, 100, 0, 3}, clamped[6] = {3, 0, 9, 9, 0, 3};
    run(text, &(Given){.in = {a, b, r}, .out = {y}});
    for (int at = 0; at < 54; at++) {
        int i = at / 9, j = at % 9;
        float acc = 0;
        for (int h = 0; h < 3; h++)
            for (int k = 0; k < 6; k++)
                acc = fmaf(i == k ? 0 : a[18 * i + 6 * h + k], b[9 * clamped[k] + j], acc);
        ck_assert_float_eq(y[at], acc);
    }
}
END_TEST

// ---- moves --------------------------------------------------------------------------------------

START_TEST(a_guard_reads_nothing_outside) {
    const char *text = one_kernel("input 0 in x: f32[10]\noutput 0 out y: f32[100]\n"
                                  "buffer %x: f32[10] input 0\nbuffer %y: f32[100] output 0",
                                  "args [f32 in, f32 out] axes [100]\n"
                                  "s0 = index i0 : i32\ns1 = const 20 : i32\ns2 = const 30 : i32\n"
                                  "s3 = less_equal s1, s0 : bool\ns4 = less s0, s2 : bool\n"
                                  "s5 = logical_and s3, s4 : bool\n"
                                  "s6 = load a0[-20 + i0] if s5 : f32\nstore a1[i0] = s6",
                                  "(%x, %y)");
    float *x = floats(10, 1), y[100];
    run(text, &(Given){.in = {x}, .out = {y}});
    for (int i = 0; i < 100; i++)
        ck_assert_float_eq(y[i], i >= 20 && i < 30 ? x[i - 20] : 0);
}
END_TEST

START_TEST(gathered_rows_are_clamped) {
    const char *text = one_kernel("dim N max=100\n"
                                  "input 0 in x: f32[N,3]\ninput 1 in r: i32[5]\n"
                                  "output 0 out y: f32[5,3]\n"
                                  "buffer %x: f32[3 * N] input 0\nbuffer %r: i32[5] input 1\n"
                                  "buffer %y: f32[15] output 0",
                                  "dims d0 args [f32 in, i32 in, f32 out] axes [5, 3]\n"
                                  "s0 = load a1[i0] : i32\n"
                                  "s1 = load a0[i1 + (3)*row(s0, d0 - 1)] : f32\n"
                                  "store a2[3*i0 + i1] = s1",
                                  "(%x, %r, %y) dims=[N]");
    float *x = floats(12, 1), y[15];
    int32_t r[5] = {0, 3, -1, 4, 2}, clamped[5] = {0, 3, 0, 3, 2};
    run(text, &(Given){.in = {x, r}, .out = {y}, .dims = {4}});
    for (int i = 0; i < 15; i++)
        ck_assert_float_eq(y[i], x[3 * clamped[i / 3] + i % 3]);
    run(text, &(Given){.in = {NULL, r}, .out = {y}, .dims = {0}});
    ck_assert_float_eq(y[7], 0);
}
END_TEST

START_TEST(scattered_rows_are_added_in_order) {
    const char *text =
        "schedule @test arena=0 residual=0\n"
        "input 0 in x: f32[200,2]\ninput 1 in r: i32[200]\noutput 0 out y: f32[3,2]\n"
        "buffer %x: f32[400] input 0\nbuffer %r: i32[200] input 1\nbuffer %y: f32[6] output 0\n"
        "kernel @k0 \"zero\" {\nargs [f32 out] axes [6]\ns0 = const 0 : f32\nstore a0[i0] = s0\n}\n"
        "kernel @k1 \"scatter\" {\nargs [f32 in, i32 in, f32 out] axes [200, 2]\n"
        "s0 = load a0[2*i0 + i1] : f32\ns1 = load a1[i0] : i32\n"
        "store a2[i1 + (2)*row(s1, 2)] += s0\n}\n"
        "tree {\ncall @k0(%y)\ncall @k1(%x, %r, %y)\n}\n";
    float *x = floats(400, 1), y[6], expected[6] = {0};
    int32_t r[200];
    for (int i = 0; i < 200; i++) {
        r[i] = i * 7 % 3;
        for (int j = 0; j < 2; j++)
            expected[2 * r[i] + j] += x[2 * i + j];
    }
    run(text, &(Given){.in = {x, r}, .out = {y}});
    assert_same(y, expected, sizeof y);
}
END_TEST

// ---- draws --------------------------------------------------------------------------------------

// Draws of a map (axis 0, a key axis) within a scan (loop L0), and their transposition.
START_TEST(draws_are_functions_of_names_and_numbers) {
    const char *text = "schedule @test arena=0 residual=0\n"
                       "output 0 out z: f32[2,3,70]\noutput 1 out u: f64[2,3,70]\n"
                       "buffer %z: f32[420] output 0\nbuffer %u: f64[420] output 1\n"
                       "kernel @k0 \"draw\" {\n"
                       "args [f32 out, f64 out] ints 3 axes [70, 3]\n"
                       "s0 = draw_normal n0(i1: n1)[5 + i0] : f32\n"
                       "s1 = draw_uniform n0(i1: n1)[5 + i0] : f64\n"
                       "s2 = int n2 : i32\ns3 = cast s2 : f64\ns4 = add s1, s3 : f64\n"
                       "store a0[i0 + 70*i1] = s0\nstore a1[i0 + 70*i1] = s4\n}\n"
                       "tree {\nloop @L0 steps=2 reverse {\n"
                       "call @k0(%z[210*@L0], %u[210*@L0]) "
                       "ints=[key 0x11(@L0: 0x22), hash 0x33, @L0]\n}\n}\n";
    float z[420];
    double u[420];
    run(text, &(Given){.out = {z, u}});
    for (int at = 0; at < 420; at++) {
        int step = at / 210, map = at / 70 % 3, i = at % 70;
        uint64_t key =
            ir_random_key(SEED, 0x11) + ir_random_loop(0x22, step) + ir_random_loop(0x33, map);
        uint32_t w[4];
        ir_philox(key, (uint64_t)i + 5, CALL, w);
        ck_assert_float_eq(z[at], ir_normal_f32(w));
        ck_assert_double_eq(u[at], ir_uniform_f64(w) + step);
    }
}
END_TEST

// ---- tree ---------------------------------------------------------------------------------------

// carry = 0.5 carry + x[t], collected; forwards or backwards.
static const char *scan_text(const char *reverse) {
    return arena_printf(&arena,
                        "schedule @test arena=64 residual=0\ndim H max=20\n"
                        "input 0 in x: f32[H,3]\noutput 0 out y: f32[H,3]\n"
                        "buffer %%carry: f32[3] arena+0\n"
                        "buffer %%x: f32[3 * H] input 0\nbuffer %%y: f32[3 * H] output 0\n"
                        "kernel @k0 \"start\" {\nargs [f32 out] axes [3]\n"
                        "s0 = const 1 : f32\nstore a0[i0] = s0\n}\n"
                        "kernel @k1 \"step\" {\nargs [f32 in, f32 out, f32 out] axes [3]\n"
                        "s0 = load a0[i0] : f32\ns1 = load a1[i0] : f32\ns2 = const 0.5 : f32\n"
                        "s3 = mul s1, s2 : f32\ns4 = add s3, s0 : f32\n"
                        "store a1[i0] = s4\nstore a2[i0] = s4\n}\n"
                        "tree {\ncall @k0(%%carry)\nloop @L0 steps=H %s {\n"
                        "call @k1(%%x[3*@L0], %%carry, %%y[3*@L0])\n}\n}\n",
                        reverse);
}

START_TEST(loops_move_their_arguments) {
    int steps = _i ? 13 : 5;
    float *x = floats(60, 1), *y = floats(60, 2), *z = floats(60, 2);
    run(scan_text(""), &(Given){.in = {x}, .out = {y}, .dims = {steps}});
    run(scan_text("reverse"), &(Given){.in = {x}, .out = {z}, .dims = {steps}});
    for (int j = 0; j < 3; j++) {
        float forwards = 1, backwards = 1;
        for (int t = 0; t < steps; t++) {
            forwards = forwards * 0.5f + x[3 * t + j];
            ck_assert_float_eq(y[3 * t + j], forwards);
            int back = steps - 1 - t;
            backwards = backwards * 0.5f + x[3 * back + j];
            ck_assert_float_eq(z[3 * back + j], backwards);
        }
    }
}
END_TEST

// Two layers by pieces of rows, then the mean over rows by columns, in a loop that feeds back.
static const char pieces_text[] =
    "schedule @test arena=300000 residual=0\ndim N max=300\n"
    "input 0 in x: f32[N,50]\ninput 1 p w: f32[50,50]\noutput 0 out m: f32[4,50]\n"
    "output 1 out last: f32[N,50]\n"
    "buffer %h: f32[50 * N] arena+0\nbuffer %s: f32[50 * N] arena+60032\n"
    "buffer %m: f32[200] output 0\nbuffer %last: f32[50 * N] output 1\n"
    "buffer %x: f32[50 * N] input 0\nbuffer %w: f32[2500] input 1\n"
    "kernel @k0 \"copy\" {\ndims d0 args [f32 in, f32 out] axes [d0, 50]\n"
    "s0 = load a0[50*i0 + i1] : f32\nstore a1[50*i0 + i1] = s0\n}\n"
    "kernel @k1 \"layer\" {\ndims d0 args [f32 in, f32 in, f32 out] axes [d0, 50 | 50]\n"
    "product f32 batch=0 m=1 n=1 k=1 a0[50*i0 + i2], a1[i1 + 50*i2]\n"
    "s0 = product : f32\ns1 = tanh s0 : f32\nstore a2[50*i0 + i1] = s1\n}\n"
    "kernel @k2 \"mean\" {\ndims d0 args [f32 in, f32 out] axes [50 | d0]\n"
    "s0 = load a0[i0 + 50*i1] : f32\ns1 = sum s0 : f32\nstore a1[i0] = s1\n}\n"
    "kernel @k3 \"feed\" {\ndims d0 args [f32 in, f32 in, f32 out] axes [d0, 50]\n"
    "s0 = load a0[50*i0 + i1] : f32\ns1 = load a1[i1] : f32\ns2 = sub s0, s1 : f32\n"
    "store a2[50*i0 + i1] = s2\n}\n"
    "tree {\n"
    "par rows=N grain=7 {\ncall @k0(%x, %s) dims=[N]\n}\n"
    "loop @L0 steps=4 {\n"
    "par rows=N grain=7 {\ncall @k1(%s, %w, %h) dims=[N]\ncall @k1(%h, %w, %s) dims=[N]\n}\n"
    "barrier\n"
    "par rows=50 grain=8 {\ncall @k2(%s, %m[50*@L0]) dims=[N]\n}\n"
    "barrier\n"
    "par rows=N grain=7 {\ncall @k3(%s, %m[50*@L0], %s) dims=[N]\n}\n"
    "}\n"
    "barrier\ncall @k0(%s, %last) dims=[N]\n}\n";

START_TEST(threads_change_no_bit) {
    int64_t n = 101;
    float *x = floats(n * 50, 1), *w = floats(2500, 2), *m[4], *last[4];
    for (int i = 0; i < 2500; i++)
        w[i] /= 10;
    for (int t = 1; t <= 3; t++) {
        m[t] = floats(200, 3);
        last[t] = floats(n * 50, 3);
        run(pieces_text,
            &(Given){.in = {x, w}, .out = {m[t], last[t]}, .dims = {n}, .n_threads = t});
        assert_same(m[1], m[t], 200 * sizeof(float));
        assert_same(last[1], last[t], (size_t)n * 50 * sizeof(float));
    }
    for (int i = 0; i < 200; i++)
        ck_assert(isfinite(m[1][i]));
}
END_TEST

START_TEST(a_row_does_not_depend_on_the_rows_beside_it) {
    float *x = floats(60 * 50, 1), *w = floats(50 * 70, 2), *b = floats(70, 3);
    float *many = floats(60 * 70, 4), *few = floats(9 * 70, 4);
    const char *text = one_kernel(layer_head, layer_kernel, "(%x, %w, %b, %y) dims=[N]");
    run(text, &(Given){.in = {x, w, b}, .out = {many}, .dims = {60}});
    run(text, &(Given){.in = {x, w, b}, .out = {few}, .dims = {9}});
    assert_same(many, few, 9 * 70 * sizeof(float));
}
END_TEST

START_TEST(updates_are_written_in_place) {
    const char *text = "schedule @test arena=0 residual=0\n"
                       "input 0 p w: f32[100]\noutput 0 update w: f32[100] target=0 in_place\n"
                       "buffer %w: f32[100] input 0\nbuffer %new: f32[100] output 0\n"
                       "kernel @k0 \"k\" {\nargs [f32 in, f32 out] axes [100]\n"
                       "s0 = load a0[i0] : f32\ns1 = neg s0 : f32\nstore a1[i0] = s1\n}\n"
                       "tree {\npar rows=100 grain=16 {\ncall @k0(%w, %new)\n}\n}\n";
    float *w = floats(100, 1), *before = floats(100, 1);
    run(text, &(Given){.in = {w}, .out = {NULL}, .n_threads = 2});
    for (int i = 0; i < 100; i++)
        ck_assert_float_eq(w[i], -before[i]);
}
END_TEST

START_TEST(many_threads_meet_at_barriers) {
    float *x = floats(300 * 50, 1), *w = floats(2500, 2), *m = floats(200, 3);
    float *last = floats(300 * 50, 3);
    for (int i = 0; i < 5; i++)
        run(pieces_text, &(Given){.in = {x, w}, .out = {m, last}, .dims = {20}, .n_threads = 8});
}
END_TEST

#ifndef NDEBUG
START_TEST(a_store_outside_of_its_buffer_is_our_bug) {
    const char *text = one_kernel("output 0 out y: f32[10]\nbuffer %y: f32[10] output 0",
                                  "args [f32 out] axes [10]\ns0 = const 1 : f32\n"
                                  "store a0[1 + i0] = s0",
                                  "(%y)");
    float y[11];
    run(text, &(Given){.out = {y}});
}
END_TEST
#endif

START_TEST(an_invalid_schedule_is_refused) {
    const char *text = "schedule @test arena=0 residual=0\noutput 0 out y: f32[10]\n"
                       "buffer %y: f32[10] output 0\ntree {\n}\n";
    IrSchedule *s = ir_parse_schedule(&arena, &diag, "test.gis", text, strlen(text));
    char why[200] = "";
    ck_assert_ptr_null(ref_backend.compile(s, NULL, NULL, why, sizeof why));
    ck_assert_str_eq(why, "the schedule of test is not valid:\n"
                          "output 0, y, is never written\n");
}
END_TEST

static void add_kernels(Suite *s) {
    TCase *maps = tcase_create("maps");
    tcase_add_checked_fixture(maps, setup, teardown);
    tcase_add_test(maps, a_bias_is_added_to_every_row);
    tcase_add_test(maps, types_have_their_own_arithmetic);
    suite_add_tcase(s, maps);

    TCase *reductions = tcase_create("reductions");
    int n_shapes = (int)(sizeof shapes / sizeof *shapes);
    tcase_add_checked_fixture(reductions, setup, teardown);
    tcase_add_loop_test(reductions, softmax_of_rows_has_three_stages, 0, n_shapes);
    tcase_add_loop_test(reductions, sums_go_in_lanes, 0, n_shapes);
    tcase_add_test(reductions, outer_reduced_axes_come_first_in_a_lane);
    tcase_add_test(reductions, nothing_has_neutral_extremes);
    tcase_add_test(reductions, nan_stays);
    tcase_add_test(reductions, argmax_takes_the_lowest_index);
    suite_add_tcase(s, reductions);

    TCase *products = tcase_create("products");
    tcase_add_checked_fixture(products, setup, teardown);
    tcase_add_test(products, a_layer_is_a_chain_of_fused_multiply_adds);
    tcase_add_test(products, batches_of_transposed_products);
    tcase_add_test(products, operands_of_products_have_guards_and_rows);
    suite_add_tcase(s, products);

    TCase *moves = tcase_create("moves");
    tcase_add_checked_fixture(moves, setup, teardown);
    tcase_add_test(moves, a_guard_reads_nothing_outside);
    tcase_add_test(moves, gathered_rows_are_clamped);
    tcase_add_test(moves, scattered_rows_are_added_in_order);
    suite_add_tcase(s, moves);

    TCase *draws = tcase_create("draws");
    tcase_add_checked_fixture(draws, setup, teardown);
    tcase_add_test(draws, draws_are_functions_of_names_and_numbers);
    suite_add_tcase(s, draws);
}

int main(void) {
    Suite *s = suite_create("ref");
    add_kernels(s);

    TCase *tree = tcase_create("tree");
    tcase_add_checked_fixture(tree, setup, teardown);
    tcase_add_loop_test(tree, loops_move_their_arguments, 0, 2);
    tcase_add_test(tree, threads_change_no_bit);
    tcase_add_test(tree, a_row_does_not_depend_on_the_rows_beside_it);
    tcase_add_test(tree, updates_are_written_in_place);
    tcase_add_test(tree, many_threads_meet_at_barriers);
    tcase_add_test(tree, an_invalid_schedule_is_refused);
#ifndef NDEBUG
    tcase_add_exit_test(tree, a_store_outside_of_its_buffer_is_our_bug, EXIT_BUG);
#endif
    suite_add_tcase(s, tree);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
