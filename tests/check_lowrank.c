// tests/check_lowrank.c -- what the low-rank rewrite does to a learning system, seen in its
// schedule.
//
// Cases of the rewrite itself are golden files (tests/golden/lowrank).
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/exits.h"
#include "ir/schedule.h"
#include "runtime/record/safetensors.h"
#include "tests/support_cli.h"

static Arena arena;
static Diag diag;
static Cli cli;

static void setup(void) {
    arena = (Arena){0};
    diag = (Diag){0};
    cli_open(&cli, "gssmc");
}

static void teardown(void) {
    cli_close(&cli);
    diag_free(&diag);
    arena_free(&arena);
}

// The outer step of l2a for 3 windows of 4 + 4 rows, two layers of 40 x 48 and 48 x 36.
enum { WINDOWS = 3, ROWS = 4 };
static const char outer_step[] =
    "compile models/l2a.yaml fit -D dx=40 -D dy=36 -D T=3 -D N=4 -D M=4 "
    "--set hidden=48 --set depth=1 --emit=schedule -o $DIR/l2a.sched";

static IrSchedule *compile(const char *options) {
    Buf text = {0};
    cli_expect(&cli, EXIT_OK, "%s %s", outer_step, options);
    cli_read(&cli, &text, "l2a.sched");
    IrSchedule *s = ir_parse_schedule(&arena, &diag, "l2a.sched", buf_text(&text), text.len);
    ck_assert_ptr_nonnull(s);
    buf_free(&text);
    return s;
}

static bool starts_with(const char *s, const char *prefix) {
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

// Rows of the result of a product.
static int64_t count_rows(const IrKernel *k) {
    int64_t rows = 1;
    for (int i = k->product.n_batch; i < k->product.n_batch + k->product.n_m; i++)
        rows *= ir_dim_max(k->axes[i].extent);
    return rows;
}

// Products that read a layer's weights (or their transposed copy) by whether they go over the rows
// of all windows at once, and products with weights that a window has for itself.
typedef struct Products {
    int shared, apart, of_window;
} Products;

static void count_products(const IrSchedule *s, const IrTree *t, const char *layer, Products *n) {
    for (int i = 0; i < t->n; i++)
        count_products(s, t->children[i], layer, n);
    if (t->kind != IR_TREE_KERNEL || !t->call->kernel->product.present)
        return;
    const IrProduct *p = &t->call->kernel->product;
    const IrBuffer *rhs = &s->buffers[t->call->args[p->rhs.arg].buffer];
    if (ir_dim_max(rhs->count) == WINDOWS * 40 * 48 || ir_dim_max(rhs->count) == WINDOWS * 48 * 36)
        n->of_window++;
    if (!starts_with(rhs->name, layer))
        return;
    bool all_rows = p->n_batch == 0 && count_rows(t->call->kernel) == WINDOWS * ROWS;
    *(all_rows ? &n->shared : &n->apart) += 1;
}

static bool has_weights_for_each_window(const IrSchedule *s) {
    for (int i = 0; i < s->n_buffers; i++) {
        int64_t count = ir_dim_max(s->buffers[i].count);
        if (count == WINDOWS * 40 * 48 || count == WINDOWS * 48 * 36)
            return true;
    }
    return false;
}

START_TEST(windows_share_one_product_per_layer) {
    IrSchedule *s = compile("");
    ck_assert(!has_weights_for_each_window(s));

    // the step forward and backward, the adapted network forward and backward, and the gradient
    // through the step in both directions; the first layer has no gradient by its input
    Products first = {0}, last = {0};
    count_products(s, s->root, "net.0.w.", &first);
    count_products(s, s->root, "net.1.w.", &last);
    ck_assert_int_eq(first.shared, 2);
    ck_assert_int_eq(last.shared, 6);
    ck_assert_int_eq(first.apart + last.apart, 0);
    ck_assert_int_eq(first.of_window, 0);
}
END_TEST

START_TEST(without_the_pass_each_window_has_its_weights) {
    IrSchedule *s = compile("--disable-pass=lowrank");
    ck_assert(has_weights_for_each_window(s));
    Products first = {0};
    count_products(s, s->root, "net.0.w.", &first);
    ck_assert_int_gt(first.of_window, 0);
}
END_TEST

// Writes loss and gradients of the outer step at random values, after so many inner steps.
static void evaluate(int steps, const char *dtype, const char *options, RtTensorFile *to) {
    char path[sizeof cli.dir + 32], why[256];
    cli_expect(&cli, EXIT_OK,
               "run models/l2a.yaml windows -D dx=40 -D dy=36 -D T=3 -D N=4 -D M=4 --seed=3 "
               "--set hidden=48 --set depth=2 --set inner_rate=0.05 --set steps=%d --grad=loss "
               "--dtype=%s %s -o $DIR/results",
               steps, dtype, options);
    snprintf(path, sizeof path, "%s/results", cli.dir);
    ck_assert_msg(rt_safetensors_read(to, path, why, sizeof why), "%s", why);
}

static double element(const RtTensor *t, size_t i) {
    return t->dtype == RT_F64 ? ((const double *)t->data)[i] : ((const float *)t->data)[i];
}

// Greatest |a - b| over greatest |b|.
static double distance(const RtTensor *a, const RtTensor *b) {
    double most = 0, scale = 0;
    ck_assert_uint_eq(a->bytes, b->bytes);
    for (size_t i = 0; i < a->bytes / rt_dtype_size(a->dtype); i++) {
        most = fmax(most, fabs(element(a, i) - element(b, i)));
        scale = fmax(scale, fabs(element(b, i)));
    }
    return most / scale;
}

START_TEST(results_stay_within_rounding) {
    RtTensorFile got = {0}, want = {0};
    const char *dtype = _i & 1 ? "f64" : "f32";
    int steps = 1 + _i / 2;
    double most = 0;
    evaluate(steps, dtype, "", &got);
    evaluate(steps, dtype, "--disable-pass=lowrank", &want);
    ck_assert_int_eq(got.n, 8); // loss, mse, and three layers' w and b
    for (int i = 0; i < got.n; i++)
        most = fmax(most, distance(&got.tensors[i], &want.tensors[i]));
    ck_assert_double_le(most, _i & 1 ? 1e-13 : 1e-5);
    ck_assert_double_gt(most, 0); // another order of sums was used
    rt_safetensors_close(&got);
    rt_safetensors_close(&want);
}
END_TEST

int main(void) {
    Suite *s = suite_create("lowrank");

    TCase *l2a = tcase_create("l2a");
    tcase_add_checked_fixture(l2a, setup, teardown);
    tcase_set_timeout(l2a, 60);
    tcase_add_test(l2a, windows_share_one_product_per_layer);
    tcase_add_test(l2a, without_the_pass_each_window_has_its_weights);
    tcase_add_loop_test(l2a, results_stay_within_rounding, 0, 4);
    suite_add_tcase(s, l2a);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
