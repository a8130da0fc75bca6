// tests/check_llvm_transpose.c -- kernels that only turn an array, for every size and processor.
#include "tests/check_llvm.h"

static const int64_t sizes[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 33, 65};
enum { N_SIZES = sizeof sizes / sizeof *sizes, LARGEST = 65, BATCH = 2, GAP = 3 };

static const char *const cpus[] = {NULL, "x86-64-v3", "x86-64-v2"};
enum { N_CPUS = sizeof cpus / sizeof *cpus };

static const char *const types[] = {"f32", "f64", "i32"};
enum { N_TYPES = sizeof types / sizeof *types };

// [2, columns, rows] to [2, rows, columns + 3], with axis `first` in front. "d0", "d1": rows and
// columns with each call.
static void kernel_text(Buf *text, const char *type, const char *rows, const char *columns,
                        bool rows_first) {
    const char *row = rows_first ? "i0" : "i1", *batch = rows_first ? "i1" : "i0";
    buf_printf(text, "  args [%s in, %s out]\n", type, type);
    buf_printf(text, rows_first ? "  axes [%s, 2, %s]\n" : "  axes [2, %s, %s]\n", rows, columns);
    buf_printf(text, "  s0 = load a0[(%s * %s)*%s + %s + (%s)*i2] : %s\n", rows, columns, batch,
               row, rows, type);
    buf_printf(text, "  store a1[(%s * %s + 3 * %s)*%s + (%s + 3)*%s + i2] = s0\n", rows, columns,
               rows, batch, columns, row);
}

static void assert_turned(const Run *r, int64_t rows, int64_t columns) {
    IrDtype dtype = check_output_dtype(r, 0);
    for (int64_t b = 0; b < BATCH; b++)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns + GAP; j++) {
                int64_t from = (b * columns + j) * rows + i,
                        to = (b * rows + i) * (columns + GAP) + j;
                double want = j < columns ? check_element(r->in[0], dtype, from) : 0;
                double got = check_element(r->out[0], dtype, to);
                ck_assert_msg(got == want, "%ld x %ld: element (%ld, %ld, %ld) is %g, not %g",
                              (long)rows, (long)columns, (long)b, (long)i, (long)j, got, want);
            }
}

static Case turn_case(const char *text) {
    int64_t in = BATCH * LARGEST * LARGEST, out = BATCH * LARGEST * (LARGEST + GAP);
    return (Case){.name = "turn", .kernel = text, .n_dims = 2, .counts = {in, out}};
}

// All sizes by one kernel, in pieces of rows too.
START_TEST(array_of_any_size_is_turned) {
    const char *type = types[_i / N_CPUS], *cpu = cpus[_i % N_CPUS];
    for (int64_t grain = 0; grain <= 10; grain += 5) {
        Buf text = {0};
        kernel_text(&text, type, "d0", "d1", grain > 0);
        Case c = turn_case(buf_text(&text));
        c.grain = grain;
        Run r = check_open(&c);
        BackendStep *step = check_compile(&r, cpu);
        for (int m = 0; m < N_SIZES; m++)
            for (int n = 0; n < N_SIZES; n++) {
                r.dims[0] = sizes[m], r.dims[1] = sizes[n];
                check_run(&r, &llvm_backend, step, grain ? 2 : 1);
                assert_turned(&r, sizes[m], sizes[n]);
            }
        llvm_backend.free(step);
        check_close(&r);
        buf_free(&text);
    }
}
END_TEST

START_TEST(array_of_known_size_is_turned) {
    int64_t rows = sizes[_i];
    for (int n = 1; n < N_SIZES; n++) {
        char rows_text[8], columns_text[8];
        snprintf(rows_text, sizeof rows_text, "%ld", (long)rows);
        snprintf(columns_text, sizeof columns_text, "%ld", (long)sizes[n]);
        Buf text = {0};
        kernel_text(&text, types[_i % N_TYPES], rows_text, columns_text, n % 2);
        Case c = turn_case(buf_text(&text));
        c.n_dims = 0;
        Run r = check_open(&c);
        for (int cpu = 0; cpu < N_CPUS; cpu++) {
            BackendStep *step = check_compile(&r, cpus[cpu]);
            check_run(&r, &llvm_backend, step, 1);
            assert_turned(&r, rows, sizes[n]);
            llvm_backend.free(step);
        }
        check_close(&r);
        buf_free(&text);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("llvm_transpose");
    TCase *turns = tcase_create("turns");
    tcase_set_timeout(turns, 120);
    tcase_add_loop_test(turns, array_of_any_size_is_turned, 0, N_TYPES * N_CPUS);
    tcase_add_loop_test(turns, array_of_known_size_is_turned, 1, N_SIZES);
    suite_add_tcase(suite, turns);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
