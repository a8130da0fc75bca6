// tests/check_llvm_kernel.c -- kernels as native code against the reference back end and closed
// forms, for several processors, piece cuts and sizes.
#include "tests/check_llvm.h"

// ---- kernels of every kind ----------------------------------------------------------------------

#define ELEMENTWISE(type)                               \
    "  args [" type " in, " type " in, " type " out]\n" \
    "  axes [d0]\n"                                     \
    "  s0 = load a0[i0] : " type "\n"                   \
    "  s1 = load a1[i0] : " type "\n"                   \
    "  s2 = mul s0, s1 : " type "\n"                    \
    "  s3 = add s2, s0 : " type "\n"                    \
    "  s4 = tanh s3 : " type "\n"                       \
    "  store a2[i0] = s4\n"

static const char broadcasts[] = "  args [f32 in, f32 in, f32 in, f32 out]\n"
                                 "  axes [d0, 21]\n"
                                 "  s0 = load a0[21*i0 + i1] : f32\n"
                                 "  s1 = load a1[i1] : f32\n"
                                 "  s2 = load a2[i0] : f32\n"
                                 "  s3 = add s0, s1 : f32\n"
                                 "  s4 = mul s3, s2 : f32\n"
                                 "  store a3[21*i0 + i1] = s4\n";

static const char transposes[] = "  args [f32 in, f32 out]\n"
                                 "  axes [d0, d1]\n"
                                 "  s0 = load a0[i0 + (d0)*i1] : f32\n"
                                 "  store a1[(d1)*i0 + i1] = s0\n";

static const char scatters_lanes[] = "  args [f32 in, f32 out]\n"
                                     "  axes [d0]\n"
                                     "  s0 = load a0[2*i0 + 1] : f32\n"
                                     "  store a1[3*i0] = s0\n";

#define SOFTMAX(type)                                    \
    "  args [" type " in, " type " out, " type " out]\n" \
    "  axes [d0 | d1]\n"                                 \
    "  s0 = load a0[(d1)*i0 + i1] : " type "\n"          \
    "  s1 = reduce_max s0 : " type "\n"                  \
    "  s2 = sub s0, s1 : " type "\n"                     \
    "  s3 = exp s2 : " type "\n"                         \
    "  s4 = sum s3 : " type "\n"                         \
    "  s5 = div s3, s4 : " type "\n"                     \
    "  s6 = log s4 : " type "\n"                         \
    "  s7 = add s6, s1 : " type "\n"                     \
    "  store a1[(d1)*i0 + i1] = s5\n"                    \
    "  store a2[i0] = s7\n"

static const char softmax_of_columns[] = "  args [f32 in, f32 out]\n"
                                         "  axes [19 | d0]\n"
                                         "  s0 = load a0[19*i1 + i0] : f32\n"
                                         "  s1 = reduce_max s0 : f32\n"
                                         "  s2 = sub s0, s1 : f32\n"
                                         "  s3 = exp s2 : f32\n"
                                         "  s4 = sum s3 : f32\n"
                                         "  s5 = div s3, s4 : f32\n"
                                         "  store a1[19*i1 + i0] = s5\n";

static const char sums[] = "  args [f32 in, f32 out, f32 out, f32 out]\n"
                           "  axes [d0 | 3, d1]\n"
                           "  s0 = load a0[(3 * d1)*i0 + (d1)*i1 + i2] : f32\n"
                           "  s1 = sum s0 : f32\n"
                           "  s2 = reduce_min s0 : f32\n"
                           "  s3 = reduce_max s0 : f32\n"
                           "  store a1[i0] = s1\n"
                           "  store a2[i0] = s2\n"
                           "  store a3[i0] = s3\n";

static const char column_sums[] = "  args [f32 in, f32 out, f32 out]\n"
                                  "  axes [23 | d0]\n"
                                  "  s0 = load a0[23*i1 + i0] : f32\n"
                                  "  s1 = mul s0, s0 : f32\n"
                                  "  s2 = sum s1 : f32\n"
                                  "  s3 = reduce_max s0 : f32\n"
                                  "  store a1[i0] = s2\n"
                                  "  store a2[i0] = s3\n";

static const char whole_sum[] = "  args [f32 in, f32 out]\n"
                                "  axes [| d0]\n"
                                "  s0 = load a0[i0] : f32\n"
                                "  s1 = sum s0 : f32\n"
                                "  store a1[0] = s1\n";

static const char short_sum[] = "  args [f64 in, f64 out]\n"
                                "  axes [d0 | 5]\n"
                                "  s0 = load a0[5*i0 + i1] : f64\n"
                                "  s1 = sum s0 : f64\n"
                                "  store a1[i0] = s1\n";

static const char argmaxes[] = "  args [f32 in, i32 out, i32 out]\n"
                               "  axes [d0 | d1]\n"
                               "  s0 = load a0[(d1)*i0 + i1] : f32\n"
                               "  s1 = floor s0 : f32\n"
                               "  s2 = argmax s1 : i32\n"
                               "  s3 = argmax s0 : i32\n"
                               "  store a1[i0] = s2\n"
                               "  store a2[i0] = s3\n";

static const char column_argmax[] = "  args [f32 in, i32 out]\n"
                                    "  axes [20 | d0]\n"
                                    "  s0 = load a0[20*i1 + i0] : f32\n"
                                    "  s1 = argmax s0 : i32\n"
                                    "  store a1[i0] = s1\n";

// Zeros, with the input in the middle: what lies outside is not read.
static const char pads[] = "  args [f32 in, f32 out]\n"
                           "  axes [d0, 20]\n"
                           "  s0 = index i1 : i32\n"
                           "  s1 = const 4 : i32\n"
                           "  s2 = const 15 : i32\n"
                           "  s3 = less_equal s1, s0 : bool\n"
                           "  s4 = less s0, s2 : bool\n"
                           "  s5 = logical_and s3, s4 : bool\n"
                           "  s6 = load a0[11*i0 + i1 - 4] if s5 : f32\n"
                           "  store a1[20*i0 + i1] = s6\n";

static const char pads_rows[] = "  args [f32 in, f32 out]\n"
                                "  axes [d0, 18]\n"
                                "  s0 = index i0 : i32\n"
                                "  s1 = const 2 : i32\n"
                                "  s2 = less_equal s1, s0 : bool\n"
                                "  s3 = load a0[18*i0 + i1 - 36] if s2 : f32\n"
                                "  s4 = load a0[i1 + (18)*row(s0, 1)] if s2 : f32\n"
                                "  s5 = sub s3, s4 : f32\n"
                                "  store a1[18*i0 + i1] = s5\n";

static const char gathers[] = "  args [f32 in, i32 in, f32 out]\n"
                              "  axes [d0, d1]\n"
                              "  s0 = load a1[i0] : i32\n"
                              "  s1 = load a0[i1 + (d1)*row(s0, 6)] : f32\n"
                              "  store a2[(d1)*i0 + i1] = s1\n";

static const char gathers_elements[] = "  args [f32 in, i32 in, bool in, f32 out]\n"
                                       "  axes [d0]\n"
                                       "  s0 = load a1[i0] : i32\n"
                                       "  s1 = load a2[i0] : bool\n"
                                       "  s2 = load a0[(1)*row(s0, 6)] if s1 : f32\n"
                                       "  s3 = load a0[2*i0] if s1 : f32\n"
                                       "  s4 = add s2, s3 : f32\n"
                                       "  store a3[i0] = s4\n";

// Rows of d1 elements and single elements, of which there are d2.
static const char gathers_of_some[] = "  args [f32 in, i32 in, f32 out, f32 out]\n"
                                      "  axes [d0, d1]\n"
                                      "  s0 = load a1[i0] : i32\n"
                                      "  s1 = load a0[i1 + (d1)*row(s0, d2 - 1)] : f32\n"
                                      "  s2 = index i1 : i32\n"
                                      "  s3 = load a0[(1)*row(s2, d2 - 1)] : f32\n"
                                      "  store a2[(d1)*i0 + i1] = s1\n"
                                      "  store a3[(d1)*i0 + i1] = s3\n";

static const char scatter_to_some[] = "  args [f32 in, i32 in, f32 out]\n"
                                      "  axes [d0, 21]\n"
                                      "  s0 = load a1[i0] : i32\n"
                                      "  s1 = load a0[21*i0 + i1] : f32\n"
                                      "  store a2[i1 + (21)*row(s0, d1 - 1)] += s1\n";

static const char scatter_rows[] = "  args [f32 in, i32 in, f32 out]\n"
                                   "  axes [d0, 21]\n"
                                   "  s0 = load a1[i0] : i32\n"
                                   "  s1 = load a0[21*i0 + i1] : f32\n"
                                   "  store a2[i1 + (21)*row(s0, 6)] += s1\n";

static const char scatter_elements[] = "  args [f32 in, i32 in, f32 out]\n"
                                       "  axes [d0]\n"
                                       "  s0 = load a1[i0] : i32\n"
                                       "  s1 = load a0[i0] : f32\n"
                                       "  store a2[(1)*row(s0, 6)] += s1\n";

// The same number into the same row, many times.
static const char scatter_one[] = "  args [f32 in, i32 in, f32 out]\n"
                                  "  axes [d0]\n"
                                  "  s0 = load a1[0] : i32\n"
                                  "  s1 = load a0[0] : f32\n"
                                  "  store a2[(1)*row(s0, 6)] += s1\n";

static const char integers[] = "  args [i32 in, i32 in, i32 out, bool out, f32 out, i32 out]\n"
                               "  ints 1\n"
                               "  axes [d0]\n"
                               "  s0 = load a0[i0] : i32\n"
                               "  s1 = load a1[i0] : i32\n"
                               "  s2 = mul s0, s1 : i32\n"
                               "  s3 = max s2, s0 : i32\n"
                               "  s4 = less s0, s1 : bool\n"
                               "  s5 = neg s3 : i32\n"
                               "  s6 = abs s5 : i32\n"
                               "  s7 = extent d0 * d0 : i32\n"
                               "  s8 = select s4, s6, s7 : i32\n"
                               "  s9 = cast s8 : f32\n"
                               "  s10 = int n0 : i32\n"
                               "  s11 = index i0 : i32\n"
                               "  s12 = add s10, s11 : i32\n"
                               "  s13 = sign s0 : i32\n"
                               "  s14 = add s12, s13 : i32\n"
                               "  store a2[i0] = s8\n"
                               "  store a3[i0] = s4\n"
                               "  store a4[i0] = s9\n"
                               "  store a5[i0] = s14\n";

static const char casts[] = "  args [f32 in, i32 out, bool out, f64 out, f32 out]\n"
                            "  axes [d0]\n"
                            "  s0 = load a0[i0] : f32\n"
                            "  s1 = cast s0 : i32\n"
                            "  s2 = cast s0 : bool\n"
                            "  s3 = cast s0 : f64\n"
                            "  s4 = is_finite s3 : bool\n"
                            "  s5 = cast s4 : f32\n"
                            "  s6 = logical_not s2 : bool\n"
                            "  s7 = exp s3 : f64\n"
                            "  store a1[i0] = s1\n"
                            "  store a2[i0] = s6\n"
                            "  store a3[i0] = s7\n"
                            "  store a4[i0] = s5\n";

#define DRAWS(type)                                      \
    "  args [" type " out, " type " out]\n"              \
    "  ints 2\n"                                         \
    "  axes [d0, 21]\n"                                  \
    "  s0 = draw_normal n0(i0: n1)[i1 + 5] : " type "\n" \
    "  s1 = draw_uniform n0[21*i0 + i1] : " type "\n"    \
    "  store a0[21*i0 + i1] = s0\n"                      \
    "  store a1[21*i0 + i1] = s1\n"

static const char draws_key[] = "  args [f32 out]\n"
                                "  ints 2\n"
                                "  axes [d0]\n"
                                "  s0 = draw_normal n0(i0: n1)[0] : f32\n"
                                "  store a0[i0] = s0\n";

static const char fills[] = "  args [f32 out]\n"
                            "  axes [| d0]\n"
                            "  s0 = const 2.5 : f32\n"
                            "  store a0[i0] = s0\n";

static const char nothing_parallel[] = "  args [f32 in, f32 out]\n"
                                       "  axes []\n"
                                       "  s0 = load a0[3] : f32\n"
                                       "  s1 = sin s0 : f32\n"
                                       "  store a1[1] = s1\n";

#define KEYS "key 0x00000000000000ab, hash 0x0000000000000012"

static const Case cases[] = {
    {"elementwise", ELEMENTWISE("f32"), 1, {100}, {100, 100, 100}, .tolerance = 1e-6},
    {"elementwise_1", ELEMENTWISE("f32"), 1, {1}, {1, 1, 1}, .tolerance = 1e-6},
    {"elementwise_f64", ELEMENTWISE("f64"), 1, {53}, {53, 53, 53}, .tolerance = 1e-14},
    {"broadcasts", broadcasts, 1, {9}, {189, 21, 9, 189}},
    {"transposes", transposes, 2, {37, 18}, {666, 666}},
    {"scatters_lanes", scatters_lanes, 1, {35}, {80, 110}},
    {"softmax", SOFTMAX("f32"), 2, {5, 50}, {250, 250, 5}, .tolerance = 1e-6},
    {"softmax_7", SOFTMAX("f32"), 2, {6, 7}, {42, 42, 6}, .tolerance = 1e-6},
    {"softmax_f64", SOFTMAX("f64"), 2, {5, 50}, {250, 250, 5}, .tolerance = 1e-14},
    {"softmax_of_columns", softmax_of_columns, 1, {33}, {627, 627}, .tolerance = 1e-6},
    {"sums", sums, 2, {7, 41}, {861, 7, 7, 7}},
    {"sums_of_few", sums, 2, {7, 2}, {861, 7, 7, 7}},
    {"sums_of_none", sums, 2, {7, 0}, {861, 7, 7, 7}},
    {"column_sums", column_sums, 1, {77}, {1771, 23, 23}},
    {"column_sums_5", column_sums, 1, {5}, {1771, 23, 23}},
    {"whole_sum", whole_sum, 1, {1000}, {1000, 1}},
    {"whole_sum_13", whole_sum, 1, {13}, {1000, 1}},
    {"short_sum", short_sum, 1, {9}, {45, 9}},
    {"argmaxes", argmaxes, 2, {11, 37}, {407, 11, 11}},
    {"argmaxes_3", argmaxes, 2, {11, 3}, {407, 11, 11}},
    {"column_argmax", column_argmax, 1, {30}, {600, 20}},
    {"pads", pads, 1, {7}, {77, 140}},
    {"pads_rows", pads_rows, 1, {7}, {90, 126}},
    {"gathers", gathers, 2, {9, 20}, {140, 9, 180}},
    {"gathers_elements", gathers_elements, 1, {40}, {80, 40, 40, 40}},
    {"gathers_of_some", gathers_of_some, 3, {9, 20, 5}, {100, 9, 180, 180}},
    {"gathers_of_none", gathers_of_some, 3, {9, 20, 0}, {0, 9, 180, 180}},
    {"scatter_to_none", scatter_to_some, 2, {30, 0}, {630, 30, 0}, .adds = true},
    {"scatter_rows", scatter_rows, 1, {30}, {630, 30, 147}, .adds = true},
    {"scatter_elements", scatter_elements, 1, {30}, {30, 30, 7}, .adds = true},
    {"scatter_one", scatter_one, 1, {30}, {1, 1, 7}, .adds = true},
    {"integers", integers, 1, {39}, {39, 39, 39, 39, 39, 39}, .ints = "hash 0x5"},
    {"casts", casts, 1, {39}, {39, 39, 39, 39, 39}, .tolerance = 1e-14},
    {"draws", DRAWS("f32"), 1, {7}, {147, 147}, .ints = KEYS, .tolerance = 1e-5},
    {"draws_f64", DRAWS("f64"), 1, {7}, {147, 147}, .ints = KEYS, .tolerance = 1e-13},
    {"draws_key", draws_key, 1, {50}, {50}, .ints = KEYS, .tolerance = 1e-5},
    {"fills", fills, 1, {21}, {21}},
    {"nothing_parallel", nothing_parallel, 0, {0}, {5, 2}, .tolerance = 1e-6},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static void assert_close(const Run *r, void *const *expected, double tolerance, const char *name) {
    for (int i = 0; i < r->n_out; i++) {
        IrDtype dtype = check_output_dtype(r, i);
        for (int64_t j = 0; j < r->n_elements[i]; j++) {
            double x = check_element(r->out[i], dtype, j), y = check_element(expected[i], dtype, j);
            bool same = x == y || (isnan(x) && isnan(y));
            ck_assert_msg(same || fabs(x - y) <= tolerance * (1 + fabs(y)),
                          "%s: element %ld of output %d is %.9g, not %.9g", name, (long)j, i, x, y);
        }
    }
}

static void assert_same_bits(const Run *r, void *const *expected, const char *name) {
    for (int i = 0; i < r->n_out; i++) {
        const unsigned char *x = r->out[i], *y = expected[i];
        for (size_t j = 0; j < check_output_bytes(r, i); j++)
            ck_assert_msg(x[j] == y[j], "%s: byte %zu of output %d differs", name, j, i);
    }
}

static void keep_outputs(const Run *r, void **kept) {
    for (int i = 0; i < r->n_out; i++)
        kept[i] = check_copy_output(r, i);
}

static void free_outputs(const Run *r, void **kept) {
    for (int i = 0; i < r->n_out; i++)
        free(kept[i]);
}

START_TEST(kernel_agrees_with_the_reference) {
    Case c = cases[_i];
    Run r = check_open(&c);
    void *expected[MAX_ARGS];
    BackendStep *ref = check_compile_ref(&r), *step = check_compile(&r, NULL);
    check_run(&r, &ref_backend, ref, 1);
    keep_outputs(&r, expected);
    check_run(&r, &llvm_backend, step, 1);
    assert_close(&r, expected, c.tolerance, c.name);
    free_outputs(&r, expected);
    ref_backend.free(ref);
    llvm_backend.free(step);
    check_close(&r);
}
END_TEST

START_TEST(kernel_has_the_same_bits_on_every_processor) {
    static const char *const cpus[] = {"x86-64-v2", "x86-64-v3"};
    Case c = cases[_i];
    Run r = check_open(&c);
    void *expected[MAX_ARGS];
    BackendStep *host = check_compile(&r, NULL);
    check_run(&r, &llvm_backend, host, 1);
    keep_outputs(&r, expected);
    llvm_backend.free(host);
    for (size_t i = 0; i < sizeof cpus / sizeof *cpus; i++) {
        BackendStep *step = check_compile(&r, cpus[i]);
        check_run(&r, &llvm_backend, step, 1);
        assert_same_bits(&r, expected, c.name);
        llvm_backend.free(step);
    }
    free_outputs(&r, expected);
    check_close(&r);
}
END_TEST

START_TEST(kernel_has_the_same_bits_in_pieces) {
    static const int64_t grains[] = {1, 3, 16, 17};
    Case c = cases[_i];
    bool parallel = !strstr(c.kernel, "axes [|") && !strstr(c.kernel, "axes []");
    if (!parallel || c.adds)
        return;
    Run r = check_open(&c);
    void *expected[MAX_ARGS];
    BackendStep *step = check_compile(&r, NULL);
    check_run(&r, &llvm_backend, step, 1);
    keep_outputs(&r, expected);
    llvm_backend.free(step);
    for (size_t i = 0; i < sizeof grains / sizeof *grains; i++) {
        c.grain = grains[i];
        Run cut = check_open(&c);
        step = check_compile(&cut, NULL);
        for (int threads = 1; threads <= 3; threads++) {
            check_run(&cut, &llvm_backend, step, threads);
            assert_same_bits(&cut, expected, c.name);
        }
        llvm_backend.free(step);
        check_close(&cut);
    }
    free_outputs(&r, expected);
    check_close(&r);
}
END_TEST

// ---- products -----------------------------------------------------------------------------------

static const int64_t sizes[] = {1, 2, 5, 6, 7, 12, 16, 17, 31, 32, 33, 50};
enum { N_SIZES = sizeof sizes / sizeof *sizes, LARGEST = 50 };

// How the operands lie in memory, and of which type they are.
typedef struct Layout {
    const char *name;
    const char *type;
    const char *lhs, *rhs; // addresses of m = i0, n = i1, k = i2
    bool lhs_transposed, rhs_transposed;
} Layout;

// The contracted extent is %s in the text of a kernel, the columns are %s.
static const Layout layouts[] = {
    {"plain", "f32", "a0[(K)*i0 + i2]", "a1[i1 + (N)*i2]", false, false},
    {"plain_f64", "f64", "a0[(K)*i0 + i2]", "a1[i1 + (N)*i2]", false, false},
    {"lhs_transposed", "f32", "a0[i0 + (M)*i2]", "a1[i1 + (N)*i2]", true, false},
    {"rhs_transposed", "f32", "a0[(K)*i0 + i2]", "a1[(K)*i1 + i2]", false, true},
    {"both_transposed", "f32", "a0[i0 + (M)*i2]", "a1[(K)*i1 + i2]", true, true},
};
enum { N_LAYOUTS = sizeof layouts / sizeof *layouts };

// `text` with M, N and K in parentheses, or after "axes", replaced.
static void put_sizes(Buf *out, const char *text, const char *m, const char *n, const char *k) {
    for (; *text; text++) {
        bool alone = text[1] == ')' || text[1] == ',' || text[1] == ' ' || text[1] == ']';
        const char *with = *text == 'M' ? m : *text == 'N' ? n : *text == 'K' ? k : NULL;
        if (with && alone)
            buf_puts(out, with);
        else
            buf_put(out, text, 1);
    }
}

static void product_text(Buf *out, const Layout *l, const char *m, const char *n, const char *k,
                         bool epilogue) {
    Buf text = {0};
    buf_printf(&text, "  args [%s in, %s in, %s in, %s out, %s out]\n", l->type, l->type, l->type,
               l->type, l->type);
    buf_printf(&text, "  axes [M, N | K]\n  product %s batch=0 m=1 n=1 k=1 %s, %s\n", l->type,
               l->lhs, l->rhs);
    buf_printf(&text, "  s0 = product : %s\n  store a3[(N)*i0 + i1] = s0\n", l->type);
    if (epilogue)
        buf_printf(&text,
                   "  s1 = load a2[i1] : %s\n  s2 = add s0, s1 : %s\n  s3 = relu s2 : %s\n"
                   "  store a4[(N)*i0 + i1] = s3\n",
                   l->type, l->type, l->type);
    put_sizes(out, buf_text(&text), m, n, k);
    buf_free(&text);
}

// The chain of fused multiply-adds that an element is.
static double chain(const Run *r, const Layout *l, int64_t m, int64_t n, int64_t k, int64_t i,
                    int64_t j) {
    float sum = 0;
    double wide = 0;
    for (int64_t x = 0; x < k; x++) {
        int64_t a = l->lhs_transposed ? i + m * x : k * i + x;
        int64_t b = l->rhs_transposed ? k * j + x : j + n * x;
        if (l->type[1] == '3')
            sum = fmaf(((float *)r->in[0])[a], ((float *)r->in[1])[b], sum);
        else
            wide = fma(((double *)r->in[0])[a], ((double *)r->in[1])[b], wide);
    }
    return l->type[1] == '3' ? (double)sum : wide;
}

static void assert_product(const Run *r, const Layout *l, int64_t m, int64_t n, int64_t k,
                           bool epilogue) {
    IrDtype dtype = check_output_dtype(r, 0);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double x = check_element(r->out[0], dtype, i * n + j);
            double y = chain(r, l, m, n, k, i, j);
            ck_assert_msg(x == y, "%s %ld x %ld x %ld: element (%ld, %ld) is %.9g, not %.9g",
                          l->name, (long)m, (long)n, (long)k, (long)i, (long)j, x, y);
            if (!epilogue)
                continue;
            double z = y + check_element(r->in[2], dtype, j);
            if (dtype == IR_F32)
                z = (double)((float)y + ((float *)r->in[2])[j]);
            x = check_element(r->out[1], dtype, i * n + j);
            ck_assert(x == (z > 0 ? z : 0));
        }
}

static Case product_case(const Layout *l, const char *text) {
    int64_t area = LARGEST * LARGEST;
    return (Case){
        .name = l->name, .kernel = text, .n_dims = 3, .counts = {area, area, LARGEST, area, area}};
}

// All sizes by one kernel, whose extents come with the call.
START_TEST(product_of_any_size_is_a_chain) {
    const Layout *l = &layouts[_i];
    Buf text = {0};
    product_text(&text, l, "d0", "d1", "d2", true);
    Case c = product_case(l, buf_text(&text));
    for (size_t i = 0; i < 3; i++)
        c.dims[i] = LARGEST;
    Run r = check_open(&c);
    BackendStep *step = check_compile(&r, NULL);
    for (int m = 0; m < N_SIZES; m++)
        for (int n = 0; n < N_SIZES; n++)
            for (int k = 0; k < N_SIZES; k++) {
                r.dims[0] = sizes[m], r.dims[1] = sizes[n], r.dims[2] = sizes[k];
                check_run(&r, &llvm_backend, step, 1);
                assert_product(&r, l, sizes[m], sizes[n], sizes[k], true);
            }
    r.dims[0] = 5, r.dims[1] = 7, r.dims[2] = 0; // a sum of nothing
    check_run(&r, &llvm_backend, step, 1);
    assert_product(&r, l, 5, 7, 0, true);
    llvm_backend.free(step);
    buf_free(&text);
    check_close(&r);
}
END_TEST

// Columns and contracted extent known: other tiles, the same bits.
START_TEST(product_of_known_size_is_a_chain) {
    static const char *const cpus[] = {NULL, "x86-64-v3", "x86-64-v2"};
    const Layout *l = &layouts[_i % N_LAYOUTS];
    int64_t n = sizes[_i / N_LAYOUTS];
    int64_t k = sizes[(_i * 7) % N_SIZES];
    char n_text[8], k_text[8];
    snprintf(n_text, sizeof n_text, "%ld", (long)n);
    snprintf(k_text, sizeof k_text, "%ld", (long)k);
    Buf text = {0};
    product_text(&text, l, "d0", n_text, k_text, false);
    Case c = product_case(l, buf_text(&text));
    c.n_dims = 1;
    Run r = check_open(&c);
    for (size_t cpu = 0; cpu < sizeof cpus / sizeof *cpus; cpu++) {
        BackendStep *step = check_compile(&r, cpus[cpu]);
        for (int m = 0; m < N_SIZES; m++) {
            r.dims[0] = sizes[m];
            check_run(&r, &llvm_backend, step, 1);
            assert_product(&r, l, sizes[m], n, k, false);
        }
        llvm_backend.free(step);
    }
    buf_free(&text);
    check_close(&r);
}
END_TEST

// Few rows, all extents known.
START_TEST(product_of_known_rows_is_a_chain) {
    const Layout *l = &layouts[_i % N_LAYOUTS];
    int64_t m = sizes[_i / N_LAYOUTS], n = sizes[(_i * 5 + 3) % N_SIZES];
    char m_text[8], n_text[8];
    snprintf(m_text, sizeof m_text, "%ld", (long)m);
    snprintf(n_text, sizeof n_text, "%ld", (long)n);
    Buf text = {0};
    product_text(&text, l, m_text, n_text, "12", true);
    Case c = product_case(l, buf_text(&text));
    c.n_dims = 0;
    Run r = check_open(&c);
    BackendStep *step = check_compile(&r, NULL);
    check_run(&r, &llvm_backend, step, 1);
    assert_product(&r, l, m, n, 12, true);
    llvm_backend.free(step);
    buf_free(&text);
    check_close(&r);
}
END_TEST

// A row's bits beside 1, 7 and 50 rows, and cut into pieces.
START_TEST(rows_do_not_depend_on_their_neighbours) {
    const Layout *l = &layouts[_i];
    Buf text = {0};
    product_text(&text, l, "d0", "33", "50", true);
    Case c = product_case(l, buf_text(&text));
    c.n_dims = 1;
    static const int64_t grains[] = {1, 4, 7, 50};
    for (size_t g = 0; g < sizeof grains / sizeof *grains; g++) {
        c.grain = grains[g];
        Run r = check_open(&c);
        BackendStep *step = check_compile(&r, NULL);
        for (int64_t m = 1; m <= 50; m += m == 1 ? 6 : 43)
            for (int threads = 1; threads <= 3; threads++) {
                r.dims[0] = m;
                check_run(&r, &llvm_backend, step, threads);
                assert_product(&r, l, m, 33, 50, true);
            }
        llvm_backend.free(step);
        check_close(&r);
    }
    buf_free(&text);
}
END_TEST

static const char batched[] = "  args [f32 in, f32 in, f32 in, f32 out]\n"
                              "  axes [d0, d1, 20 | 3, 9]\n"
                              "  product f32 batch=1 m=1 n=1 k=2 a0[(27 * d1)*i0 + 27*i1 + 9*i3 + "
                              "i4], a1[540*i0 + i2 + 180*i3 + 20*i4]\n"
                              "  s0 = product : f32\n"
                              "  s1 = load a2[(20 * d1)*i0 + 20*i1 + i2] : f32\n"
                              "  s2 = mul s0, s1 : f32\n"
                              "  store a3[(20 * d1)*i0 + 20*i1 + i2] = s2\n";

static const char no_rows[] = "  args [f32 in, f32 in, f32 out]\n"
                              "  axes [d0 | d1]\n"
                              "  product f32 batch=0 m=0 n=1 k=1 a0[i1], a1[i0 + (d0)*i1]\n"
                              "  s0 = product : f32\n"
                              "  store a2[i0] = s0\n";

static const char no_columns[] = "  args [f32 in, f32 in, f32 out]\n"
                                 "  axes [d0 | d1]\n"
                                 "  product f32 batch=0 m=1 n=0 k=1 a0[(d1)*i0 + i1], a1[i1]\n"
                                 "  s0 = product : f32\n"
                                 "  store a2[i0] = s0\n";

static const char many_axes[] = "  args [f32 in, f32 in, f32 out]\n"
                                "  axes [3, d0, 2, 18 | 11]\n"
                                "  product f32 batch=0 m=2 n=2 k=1 a0[(11 * d0)*i0 + 11*i1 + i4], "
                                "a1[300*i2 + i3 + 20*i4]\n"
                                "  s0 = product : f32\n"
                                "  store a2[(36 * d0)*i0 + 36*i1 + 18*i2 + i3] = s0\n";

static const char guarded[] = "  args [f32 in, f32 in, bool in, f32 out]\n"
                              "  axes [d0, 9 | 12]\n"
                              "  product f32 batch=0 m=1 n=1 k=1 a0[12*i0 + i2] if s0, a1[i1 + "
                              "9*i2]\n"
                              "  s0 = load a2[i2] : bool\n"
                              "  s1 = product : f32\n"
                              "  store a3[9*i0 + i1] = s1\n";

static const Case products[] = {
    {"batched", batched, 2, {4, 7}, {756, 2160, 560, 560}},
    {"no_rows", no_rows, 2, {40, 30}, {30, 1200, 40}},
    {"no_columns", no_columns, 2, {40, 30}, {1200, 30, 40}},
    {"many_axes", many_axes, 1, {8}, {264, 600, 864}},
    {"guarded", guarded, 1, {8}, {96, 108, 12, 72}},
};
enum { N_PRODUCTS = sizeof products / sizeof *products };

START_TEST(product_agrees_with_the_reference) {
    static const int64_t grains[] = {0, 1, 3};
    for (size_t i = 0; i < sizeof grains / sizeof *grains; i++) {
        Case c = products[_i];
        c.grain = grains[i];
        Run r = check_open(&c);
        void *expected[MAX_ARGS];
        BackendStep *ref = check_compile_ref(&r), *step = check_compile(&r, NULL);
        check_run(&r, &ref_backend, ref, 1);
        keep_outputs(&r, expected);
        check_run(&r, &llvm_backend, step, 1 + (int)i);
        assert_close(&r, expected, 0, c.name);
        free_outputs(&r, expected);
        ref_backend.free(ref);
        llvm_backend.free(step);
        check_close(&r);
    }
}
END_TEST

START_TEST(openblas_gives_nearly_the_same) {
    const Layout *l = &layouts[_i % N_LAYOUTS];
    Buf text = {0};
    product_text(&text, l, "d0", "d1", "d2", _i >= N_LAYOUTS);
    Case c = product_case(l, buf_text(&text));
    c.dims[0] = 33, c.dims[1] = 17, c.dims[2] = 50;
    c.grain = 8;
    Run r = check_open(&c);
    void *expected[MAX_ARGS];
    BackendStep *step = check_compile(&r, NULL);
    check_run(&r, &llvm_backend, step, 1);
    keep_outputs(&r, expected);
    llvm_backend.free(step);

    char why[256] = "";
    BackendReport report;
    BackendOptions options = {.no_cache = true, .gemm_blas = true};
    step = llvm_backend.compile(r.s, &options, &report, why, sizeof why);
    ck_assert_msg(step != NULL, "%s", why);
    check_run(&r, &llvm_backend, step, 1);
    assert_close(&r, expected, 1e-5, c.name);
    llvm_backend.free(step);
    free_outputs(&r, expected);
    buf_free(&text);
    check_close(&r);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("llvm_kernel");
    TCase *kinds = tcase_create("kinds");
    tcase_set_timeout(kinds, 60);
    tcase_add_loop_test(kinds, kernel_agrees_with_the_reference, 0, N_CASES);
    tcase_add_loop_test(kinds, kernel_has_the_same_bits_on_every_processor, 0, N_CASES);
    tcase_add_loop_test(kinds, kernel_has_the_same_bits_in_pieces, 0, N_CASES);
    suite_add_tcase(suite, kinds);
    TCase *product = tcase_create("products");
    tcase_set_timeout(product, 120);
    tcase_add_loop_test(product, product_of_any_size_is_a_chain, 0, N_LAYOUTS);
    tcase_add_loop_test(product, product_of_known_size_is_a_chain, 0, N_LAYOUTS * N_SIZES);
    tcase_add_loop_test(product, product_of_known_rows_is_a_chain, 0, N_LAYOUTS * N_SIZES);
    tcase_add_loop_test(product, rows_do_not_depend_on_their_neighbours, 0, N_LAYOUTS);
    tcase_add_loop_test(product, product_agrees_with_the_reference, 0, N_PRODUCTS);
    tcase_add_loop_test(product, openblas_gives_nearly_the_same, 0, 2 * N_LAYOUTS);
    suite_add_tcase(suite, product);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
