// tests/check_llvm_step.c -- steps as native code: loops, pieces, barriers, threads, draws; the
// cache of objects; what the code of a product looks like; and its speed, printed beside OpenBLAS.
#include "tests/check_llvm.h"

#include <dirent.h>
#include <sys/stat.h>

#include <cblas.h>

// A recurrent net of 32 units over H steps, rows in pieces; then a loss that needs all rows, and a
// sweep backwards over the same steps.
static const char loops[] =
    "schedule @path target=cpu arena=1000000 residual=0\n"
    "dim N max=100 likely=50\n"
    "dim H max=8\n"
    "input 0 in x: f32[N,32]\n"
    "input 1 in w: f32[32,32]\n"
    "output 0 out last: f32[N,32]\n"
    "output 1 out total: f32[32]\n"
    "output 2 out back: f32[N,32]\n"
    "buffer %x: f32[32 * N] input 0\n"
    "buffer %w: f32[1024] input 1\n"
    "buffer %h: f32[32 * H * N + 32 * N] arena+0\n"
    "buffer %last: f32[32 * N] output 0\n"
    "buffer %total: f32[32] output 1\n"
    "buffer %back: f32[32 * N] output 2\n"
    "kernel @k0 \"copy\" {\n"
    "  dims d0\n"
    "  args [f32 in, f32 out]\n"
    "  axes [d0, 32]\n"
    "  s0 = load a0[32*i0 + i1] : f32\n"
    "  store a1[32*i0 + i1] = s0\n"
    "}\n"
    "kernel @k1 \"step\" {\n"
    "  dims d0\n"
    "  args [f32 in, f32 in, f32 out]\n"
    "  ints 2\n"
    "  axes [d0, 32 | 32]\n"
    "  product f32 batch=0 m=1 n=1 k=1 a0[32*i0 + i2], a1[i1 + 32*i2]\n"
    "  s0 = product : f32\n"
    "  s1 = draw_normal n0[32*i0 + i1] : f32\n"
    "  s2 = const 0.1 : f32\n"
    "  s3 = mul s0, s2 : f32\n"
    "  s4 = add s3, s1 : f32\n"
    "  s5 = tanh s4 : f32\n"
    "  s6 = int n1 : i32\n"
    "  s7 = cast s6 : f32\n"
    "  s8 = mul s7, s2 : f32\n"
    "  s9 = add s5, s8 : f32\n"
    "  store a2[32*i0 + i1] = s9\n"
    "}\n"
    "kernel @k2 \"columns\" {\n"
    "  dims d0\n"
    "  args [f32 in, f32 out]\n"
    "  axes [32 | d0]\n"
    "  s0 = load a0[i0 + 32*i1] : f32\n"
    "  s1 = sum s0 : f32\n"
    "  store a1[i0] = s1\n"
    "}\n"
    "kernel @k3 \"add_step\" {\n"
    "  dims d0\n"
    "  args [f32 in, f32 in, f32 out]\n"
    "  axes [d0, 32]\n"
    "  s0 = load a0[32*i0 + i1] : f32\n"
    "  s1 = load a2[32*i0 + i1] : f32\n"
    "  s2 = load a1[i1] : f32\n"
    "  s3 = const 0.5 : f32\n"
    "  s4 = mul s1, s3 : f32\n"
    "  s5 = add s4, s0 : f32\n"
    "  s6 = add s5, s2 : f32\n"
    "  store a2[32*i0 + i1] = s6\n"
    "}\n"
    "tree {\n"
    "  par rows=N grain=7 {\n"
    "    call @k0(%x, %h) dims=[N]\n"
    "    loop @L0 steps=H {\n"
    "      call @k1(%h[(32 * N)*@L0], %w, %h[(32 * N)*@L0 + 32 * N]) dims=[N] "
    "ints=[key 0x00000000000000ab(@L0: 0x0000000000000012), @L0]\n"
    "    }\n"
    "    call @k0(%h[32 * H * N], %last) dims=[N]\n"
    "  }\n"
    "  barrier\n"
    "  call @k2(%last, %total) dims=[N]\n"
    "  barrier\n"
    "  par rows=N grain=16 {\n"
    "    call @k0(%x, %back) dims=[N]\n"
    "  }\n"
    "  loop @L1 steps=H reverse {\n"
    "    barrier\n"
    "    par rows=N grain=5 {\n"
    "      call @k3(%h[(32 * N)*@L1], %total, %back) dims=[N]\n"
    "    }\n"
    "  }\n"
    "}\n";

static Run open_loops(int64_t n, int64_t h) {
    Run r = {0};
    check_parse(&r, loops);
    check_allocate(&r, (int64_t[]){n, h});
    return r;
}

static void assert_near(const Run *r, void *const *expected) {
    for (int i = 0; i < r->n_out; i++)
        for (int64_t j = 0; j < r->n_elements[i]; j++) {
            double x = ((float *)r->out[i])[j], y = ((float *)expected[i])[j];
            ck_assert_msg(fabs(x - y) <= 1e-4 * (1 + fabs(y)), "output %d [%ld]: %g, not %g", i,
                          (long)j, x, y);
        }
}

START_TEST(step_agrees_with_the_reference) {
    static const int64_t shapes[][2] = {{50, 8}, {1, 1}, {17, 3}, {5, 0}, {0, 4}};
    Run r = open_loops(shapes[_i][0], shapes[_i][1]);
    void *expected[MAX_ARGS];
    BackendStep *ref = check_compile_ref(&r), *step = check_compile(&r, NULL);
    check_run(&r, &ref_backend, ref, 1);
    for (int i = 0; i < r.n_out; i++)
        expected[i] = check_copy_output(&r, i);
    check_run(&r, &llvm_backend, step, 1);
    assert_near(&r, expected);
    for (int i = 0; i < r.n_out; i++)
        free(expected[i]);
    ref_backend.free(ref);
    llvm_backend.free(step);
    check_close(&r);
}
END_TEST

START_TEST(bits_do_not_depend_on_threads) {
    Run r = open_loops(50, 8);
    void *expected[MAX_ARGS];
    BackendStep *step = check_compile(&r, NULL);
    check_run(&r, &llvm_backend, step, 1);
    for (int i = 0; i < r.n_out; i++)
        expected[i] = check_copy_output(&r, i);
    for (int round = 0; round < 20; round++)
        for (int threads = 2; threads <= 4; threads++) {
            check_run(&r, &llvm_backend, step, threads);
            for (int i = 0; i < r.n_out; i++)
                ck_assert(!memcmp(r.out[i], expected[i], check_output_bytes(&r, i)));
        }
    for (int i = 0; i < r.n_out; i++)
        free(expected[i]);
    llvm_backend.free(step);
    check_close(&r);
}
END_TEST

START_TEST(barrier_is_fast) {
    static const char text[] = "schedule @wait target=cpu arena=0 residual=0\n"
                               "input 0 in x: f32[1]\n"
                               "output 0 out y: f32[1]\n"
                               "buffer %x: f32[1] input 0\n"
                               "buffer %y: f32[1] output 0\n"
                               "kernel @k0 \"copy\" {\n"
                               "  args [f32 in, f32 out]\n"
                               "  axes [1]\n"
                               "  s0 = load a0[0] : f32\n"
                               "  store a1[0] = s0\n"
                               "}\n"
                               "tree {\n"
                               "  loop @L0 steps=20000 {\n"
                               "    barrier\n"
                               "  }\n"
                               "  call @k0(%x, %y)\n"
                               "}\n";
    Run r = {0};
    check_parse(&r, text);
    check_allocate(&r, (int64_t[]){0});
    BackendStep *step = check_compile(&r, NULL);
    for (int threads = 1; threads <= 2; threads++) {
        double start = check_seconds();
        check_run(&r, &llvm_backend, step, threads);
        printf("  barrier of %d threads: %.0f ns\n", threads,
               (check_seconds() - start) / 20000 * 1e9);
    }
    llvm_backend.free(step);
    check_close(&r);
}
END_TEST

// ---- cache --------------------------------------------------------------------------------------

static char folder[] = "/tmp/gssm-check-XXXXXX";

static BackendReport compile_cached(const Run *r, const char *dir) {
    char why[256] = "";
    BackendReport report;
    BackendOptions options = {.cache_dir = dir, .compile_threads = 2};
    BackendStep *step = llvm_backend.compile(r->s, &options, &report, why, sizeof why);
    ck_assert_msg(step != NULL, "%s", why);
    llvm_backend.free(step);
    return report;
}

// Calls `visit` for every file below `dir`; gives their number.
static int each_file(const char *dir, void (*visit)(const char *path)) {
    int n = 0;
    DIR *d = opendir(dir);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[4096];
        struct stat info;
        int len = snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_name[0] == '.' || len >= (int)sizeof path || stat(path, &info))
            continue;
        if (S_ISDIR(info.st_mode)) {
            n += each_file(path, visit);
        } else {
            visit(path);
            n++;
        }
    }
    closedir(d);
    return n;
}

static void flip_a_byte(const char *path) {
    FILE *f = fopen(path, "r+b");
    ck_assert_ptr_nonnull(f);
    fseek(f, 200, SEEK_SET);
    int c = fgetc(f);
    fseek(f, 200, SEEK_SET);
    fputc(c ^ 1, f);
    fclose(f);
}

static void cut_short(const char *path) {
    ck_assert_int_eq(truncate(path, 100), 0);
}

static void remove_file(const char *path) {
    unlink(path);
}

static void remove_folders(const char *dir) {
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.')
            rmdir(path);
    }
    closedir(d);
    rmdir(dir);
}

START_TEST(objects_are_compiled_once) {
    ck_assert_ptr_nonnull(mkdtemp(folder));
    Run r = open_loops(10, 3);
    BackendReport first = compile_cached(&r, folder), second = compile_cached(&r, folder);
    ck_assert_int_eq(first.n_compiled, first.n_kernels);
    ck_assert_int_eq(first.n_cached, 0);
    ck_assert_int_eq(second.n_compiled, 0);
    ck_assert_int_eq(second.n_cached, second.n_kernels);

    // what is broken is made again, and then is whole
    each_file(folder, flip_a_byte);
    ck_assert_int_eq(compile_cached(&r, folder).n_cached, 0);
    ck_assert_int_eq(compile_cached(&r, folder).n_compiled, 0);
    each_file(folder, cut_short);
    ck_assert_int_eq(compile_cached(&r, folder).n_cached, 0);
    ck_assert_int_eq(compile_cached(&r, folder).n_compiled, 0);

    each_file(folder, remove_file);
    remove_folders(folder);
    check_close(&r);
}
END_TEST

// Cold and warm starts of a program with many kernels.
START_TEST(start_is_quick) {
    enum { MANY = 200 };
    char dir[] = "/tmp/gssm-check-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    Buf text = {0};
    buf_puts(&text, "schedule @many target=cpu arena=0 residual=0\ndim N max=100\n"
                    "input 0 in x: f32[N,100]\ninput 1 in w: f32[100,100]\n"
                    "output 0 out y: f32[N,100]\nbuffer %x: f32[100 * N] input 0\n"
                    "buffer %w: f32[10000] input 1\nbuffer %y: f32[100 * N] output 0\n");
    for (int i = 0; i < MANY; i++) {
        int n = 20 + i % 80;
        buf_printf(&text, "kernel @k%d \"k%d\" {\n  dims d0\n  args [f32 in, f32 in, f32 out]\n", i,
                   i);
        if (i % 4 == 0)
            buf_printf(&text,
                       "  axes [d0, %d | 100]\n  product f32 batch=0 m=1 n=1 k=1 a0[100*i0 + "
                       "i2], a1[i1 + 100*i2]\n  s0 = product : f32\n  s1 = const %d : f32\n"
                       "  s2 = add s0, s1 : f32\n  s3 = relu s2 : f32\n"
                       "  store a2[100*i0 + i1] = s3\n}\n",
                       n, i);
        else if (i % 4 == 1)
            buf_printf(&text,
                       "  axes [d0 | %d]\n  s0 = load a0[100*i0 + i1] : f32\n"
                       "  s1 = reduce_max s0 : f32\n  s2 = sub s0, s1 : f32\n  s3 = exp s2 : f32\n"
                       "  s4 = sum s3 : f32\n  s5 = div s3, s4 : f32\n  s6 = const %d : f32\n"
                       "  s7 = add s5, s6 : f32\n  store a2[100*i0 + i1] = s7\n}\n",
                       n, i);
        else
            buf_printf(&text,
                       "  axes [d0, %d]\n  s0 = load a0[100*i0 + i1] : f32\n"
                       "  s1 = load a1[i1] : f32\n  s2 = mul s0, s1 : f32\n  s3 = %s s2 : f32\n"
                       "  s4 = const %d : f32\n  s5 = add s3, s4 : f32\n"
                       "  store a2[100*i0 + i1] = s5\n}\n",
                       n, i % 4 == 2 ? "tanh" : "relu", i);
    }
    buf_puts(&text, "tree {\n");
    for (int i = 0; i < MANY; i++)
        buf_printf(&text, "  call @k%d(%%x, %%w, %%y) dims=[N]\n", i);
    buf_puts(&text, "}\n");

    Run r = {0};
    check_parse(&r, buf_text(&text));
    static const char *const names[] = {"cold", "warm"};
    for (int i = 0; i < 2; i++) {
        double start = check_seconds();
        BackendReport report = compile_cached(&r, dir);
        printf("  %s start of %d kernels: %.0f ms (emit %.0f, optimize %.0f, generate %.0f, link "
               "%.0f), %.0f kB\n",
               names[i], MANY, 1e3 * (check_seconds() - start), 1e3 * report.emit_seconds,
               1e3 * report.optimize_seconds, 1e3 * report.codegen_seconds,
               1e3 * report.link_seconds, (double)report.code_bytes / 1024);
        ck_assert_int_eq(report.n_compiled, i == 0 ? MANY + 1 : 0);
    }
    each_file(dir, remove_file);
    remove_folders(dir);
    buf_free(&text);
    check_close(&r);
}
END_TEST

// ---- code ---------------------------------------------------------------------------------------

static const char product[] = "  args [f32 in, f32 in, f32 in, f32 out]\n"
                              "  axes [d0, %d | %d]\n"
                              "  product f32 batch=0 m=1 n=1 k=1 a0[%d*i0 + i2], a1[i1 + %d*i2]\n"
                              "  s0 = product : f32\n"
                              "  s1 = load a2[i1] : f32\n"
                              "  s2 = add s0, s1 : f32\n"
                              "  s3 = relu s2 : f32\n"
                              "  store a3[%d*i0 + i1] = s3\n";

static Run open_product(int m, int n, int k) {
    Buf text = {0};
    buf_printf(&text, product, n, k, k, n, n);
    // the slack keeps masked vectors off the guard page, where the processor handles them slowly
    Case c = {.name = "product",
              .kernel = buf_text(&text),
              .n_dims = 1,
              .dims = {m},
              .counts = {m * k + 64, k * n + 64, n + 64, m * n + 64}};
    Run r = check_open(&c);
    buf_free(&text);
    return r;
}

static char *emitted(const Run *r, const char *cpu, const char *form, bool gemm_blas) {
    LlvmTarget t;
    char *text = NULL, why[256] = "";
    size_t len;
    FILE *out = open_memstream(&text, &len);
    check_target(cpu, &t);
    t.gemm_blas = gemm_blas;
    bool ok = llvm_jit_emit(&t, r->s, form, out, why, sizeof why);
    fclose(out);
    ck_assert_msg(ok, "%s", why);
    return text;
}

START_TEST(product_is_multiply_adds_in_a_loop) {
    Run r = open_product(25, 200, 200);
    char *text = emitted(&r, "x86-64-v3", "asm", false);
    int n = 0;
    for (const char *p = text; (p = strstr(p, "vfmadd")); p++)
        n++;
    ck_assert_int_ge(n, 12);

    // no call before the step function, which calls the kernel
    const char *step = strstr(text, "wait_for_all:"), *call = strstr(text, "\tcall");
    ck_assert_ptr_nonnull(step);
    ck_assert(!call || call > step);
    free(text);
    check_close(&r);
}
END_TEST

START_TEST(every_form_is_written) {
    Run r = open_loops(10, 3);
    char *text = emitted(&r, NULL, "llvm", false);
    ck_assert_ptr_nonnull(strstr(text, "define void @step(ptr %call, i32 %thread)"));
    ck_assert_ptr_nonnull(strstr(text, "fma.v16f32"));
    free(text);
    text = emitted(&r, NULL, "llvm-opt", false);
    ck_assert_ptr_nonnull(strstr(text, "!\"columns\""));
    free(text);
    text = emitted(&r, NULL, "obj", false);
    ck_assert(!memcmp(text, "\177ELF", 4));
    free(text);
    check_close(&r);
}
END_TEST

START_TEST(openblas_is_called_on_request) {
    Run r = open_product(25, 200, 200);
    char *text = emitted(&r, NULL, "llvm", true);
    ck_assert_ptr_nonnull(strstr(text, "call void @cblas_sgemm"));
    free(text);
    check_close(&r);
}
END_TEST

// ---- speed --------------------------------------------------------------------------------------

void openblas_set_num_threads(int n);

START_TEST(speed_of_products_is_printed) {
    static const int sizes[][3] = {{25, 200, 200},  {100, 200, 200}, {50, 32, 32}, {256, 400, 400},
                                   {500, 400, 400}, {1, 200, 200},   {50, 1, 200}, {1000, 6, 400}};
    openblas_set_num_threads(1);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
        Run r = open_product(m, n, k);
        BackendStep *step = check_compile(&r, NULL);
        atomic_int barrier[2] = {0};
        BackendCall call = {
            .inputs = r.in, .outputs = r.out, .dims = r.dims, .n_threads = 1, .barrier = barrier};
        double ours = 1, theirs = 1;
        int repeat = 1 + (int)(4e6 / ((double)m * n * k));
        for (int round = 0; round < 15; round++) {
            double start = check_seconds();
            for (int j = 0; j < repeat; j++)
                llvm_backend.run(step, &call, 0);
            double middle = check_seconds();
            for (int j = 0; j < repeat; j++)
                cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, r.in[0], k,
                            r.in[1], n, 0, r.out[0], n);
            double end = check_seconds();
            ours = fmin(ours, (middle - start) / repeat);
            theirs = fmin(theirs, (end - middle) / repeat);
        }
        double work = 2e-9 * m * n * k;
        printf("  %4d x %3d x %3d: %6.1f GFLOP/s with epilogue, OpenBLAS %6.1f without\n", m, n, k,
               work / ours, work / theirs);
        llvm_backend.free(step);
        check_close(&r);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("llvm_step");
    TCase *steps = tcase_create("steps");
    tcase_set_timeout(steps, 60);
    tcase_add_loop_test(steps, step_agrees_with_the_reference, 0, 5);
    tcase_add_test(steps, bits_do_not_depend_on_threads);
    tcase_add_test(steps, barrier_is_fast);
    suite_add_tcase(suite, steps);
    TCase *cache = tcase_create("cache");
    tcase_set_timeout(cache, 60);
    tcase_add_test(cache, objects_are_compiled_once);
    tcase_add_test(cache, start_is_quick);
    suite_add_tcase(suite, cache);
    TCase *code = tcase_create("code");
    tcase_set_timeout(code, 60);
    tcase_add_test(code, product_is_multiply_adds_in_a_loop);
    tcase_add_test(code, every_form_is_written);
    tcase_add_test(code, openblas_is_called_on_request);
    tcase_add_test(code, speed_of_products_is_printed);
    suite_add_tcase(suite, code);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
