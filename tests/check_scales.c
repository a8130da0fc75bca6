// tests/check_scales.c -- scales/standard: which rows each of its programs counts, floors and
// limits, and that models and policies see scaled numbers and speak in raw ones.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "ir/lang/lang.h"
#include "runtime/exec/call.h"
#include "runtime/exec/roots.h"
#include "tests/support_files.h"

static char cache[] = "/tmp/check_scales_XXXXXX"; // compiled objects, shared by the tests

enum { S = 19, X = 24, Y = 19, F = 18, ROWS = 40 }; // of tasks/half_cheetah

// A model of Half-Cheetah with its statistics, at f64.
typedef struct World {
    Arena arena;
    Diag diag;
    LangWorld *world;
    RtState *state;
    char why[512];
} World;

static void give_up(World *w, const char *what) {
    diag_print(&w->diag, stderr, false);
    ck_abort_msg("%s: %s", what, w->why);
}

static void open_world(World *w, const char *dynamics, const char *scale) {
    const LangPair binds[] = {{"", dynamics},
                              {"task", "tasks/half_cheetah"},
                              {"policy", "policies/mlp_gaussian"},
                              {"actor", "actors/policy"},
                              {"scale", scale}};
    const LangPair sets[] = {{"hidden", "20"}, {"policy.hidden", "20"}};
    LangOptions o = {.real = IR_F64,
                     .binds = binds,
                     .n_binds = scale ? 5 : 4,
                     .sets = sets,
                     .n_sets = 2};

    *w = (World){0};
    o.n_roots = rt_model_roots(&o.roots);
    w->world = lang_open(&w->arena, &w->diag, &o);
    if (!w->world || w->diag.n_errors)
        give_up(w, "the world");
    w->state = rt_initial_state(&w->arena, w->world, &w->diag, 5, w->why, sizeof w->why);
    if (!w->state)
        give_up(w, "initial values");
}

static void close_world(World *w) {
    rt_state_free(w->state);
    diag_free(&w->diag);
    arena_free(&w->arena);
}

typedef struct Input {
    const char *name;
    const double *data;
    int n;
} Input;

// Calls a function or program on `rows` rows; its output `out`, if given, belongs to the world.
static const double *call_of(World *w, const char *instance, const char *name, Input *inputs, int n,
                             int rows, const char *out) {
    LangRequest request = {.instance = instance, .name = name};
    RtProgramDef def = {.backend = &llvm_backend,
                        .options = {.cache_dir = cache, .compile_threads = 2}};
    RtProgram *p =
        rt_program_new(&w->arena, w->world, &w->diag, &request, &def, w->why, sizeof w->why);
    const double *result = NULL;

    if (!p)
        give_up(w, name);
    RtCall *call = rt_call_new(p, w->state, NULL);
    rt_call_set_dim(call, "N", rows);
    rt_call_set_dim(call, "M", rows);
    rt_call_set_dim(call, "B", rows);
    for (int i = 0; i < n; i++) {
        int at = rt_call_find_input(call, inputs[i].name);
        ck_assert_msg(at >= 0, "no input '%s'", inputs[i].name);
        rt_call_put(call, at, inputs[i].data, inputs[i].n * rows);
    }
    rt_call_run(call, 3, 0);
    if (out) {
        int at = rt_call_find_output(call, out);
        ck_assert_msg(at >= 0, "no output '%s'", out);
        int64_t count = rt_call_output_count(call, at);
        double *v = arena_array(&w->arena, double, count);
        rt_call_get(call, at, v, count);
        result = v;
    }
    rt_call_free(call);
    rt_program_free(p);
    return result;
}

static double x[ROWS * X], y[ROWS * Y], s[ROWS * S];

// Column c of each field has the mean c and a spread of its own; the last ones do not vary.
static void fill(void) {
    for (int i = 0; i < ROWS; i++) {
        double u = sin(1 + 3.7 * i);
        for (int c = 0; c < X; c++)
            x[i * X + c] = c + (c == X - 1 ? 0 : (1 + c) * u);
        for (int c = 0; c < Y; c++)
            y[i * Y + c] = -c + (2 + c) * cos(1.3 * i);
        for (int c = 0; c < S; c++)
            s[i * S + c] = 2 * c + 5 * sin(0.9 * i + c);
    }
}

static void estimate(World *w, const char *program, int from, int rows) {
    Input in[] = {{"x", x + from * X, X}, {"y", y + from * Y, Y}, {"s", s + from * S, S}};

    call_of(w, "scale", program, in, 3, rows, NULL);
}

// Mean and standard deviation of column c of rows from .. to - 1.
static double column(const double *v, int width, int c, int from, int to, double *spread) {
    double mean = 0, m2 = 0;

    for (int i = from; i < to; i++)
        mean += v[i * width + c] / (to - from);
    for (int i = from; i < to; i++)
        m2 += pow(v[i * width + c] - mean, 2) / (to - from);
    *spread = sqrt(m2);
    return mean;
}

static void expect_scaled(World *w, const char *name, const double *v, int width, int skip,
                          int row_width, int from, int to) {
    double *in = arena_array(&w->arena, double, ROWS * width);
    for (int i = 0; i < ROWS; i++)
        memcpy(in + i * width, v + i * row_width + skip, (size_t)width * sizeof *in);
    Input input = {name, in, width};
    const double *got = call_of(w, "scale", name, &input, 1, ROWS, "out");

    for (int c = 0; c < width - 1; c++) {
        double spread, mean = column(in, width, c, from, to, &spread);
        for (int i = 0; i < ROWS; i++) {
            double want = (in[i * width + c] - mean) / spread;
            ck_assert_msg(fabs(got[i * width + c] - want) < 1e-9, "%s, row %d, column %d: %g, not %g",
                          name, i, c, got[i * width + c], want);
        }
    }
}

// Calls of a program, and the rows that count after them.
static const struct {
    const char *program;
    int from, to;
} programs[] = {{"pooled", 0, ROWS}, {"frozen", 0, 15}, {"task", 15, ROWS}};

START_TEST(each_program_counts_its_rows) {
    World w;

    open_world(&w, "gssm", "scales/standard");
    estimate(&w, programs[_i].program, 0, 15);
    estimate(&w, programs[_i].program, 15, ROWS - 15);
    expect_scaled(&w, "x", x, X, 0, X, programs[_i].from, programs[_i].to);
    expect_scaled(&w, "y", y, Y, 0, Y, programs[_i].from, programs[_i].to);
    expect_scaled(&w, "features", s, F, 1, S, programs[_i].from, programs[_i].to);
    close_world(&w);
}
END_TEST

// 0.99 of the weight of earlier rows is kept, in whole rows.
START_TEST(running_statistics_forget) {
    World w;

    open_world(&w, "gssm", "scales/standard");
    estimate(&w, "running", 0, 15);
    estimate(&w, "running", 15, ROWS - 15);

    Input input = {"x", x, X};
    const double *got = call_of(&w, "scale", "x", &input, 1, ROWS, "out");
    double spread, first = column(x, X, 0, 0, 15, &spread), last = column(x, X, 0, 15, ROWS, &spread);
    // floor(0.99 * 15) = 14 of the earlier rows' weight
    double mean = (14 * first + 25 * last) / 39, m2 = 0;
    for (int i = 0; i < ROWS; i++)
        m2 += (i < 15 ? 14.0 / 15 : 1) * pow(x[i * X] - (i < 15 ? first : last), 2);
    m2 += pow(last - first, 2) * 14 * 25 / 39;
    for (int i = 0; i < ROWS; i++)
        ck_assert_double_eq_tol(got[i * X], (x[i * X] - mean) / sqrt(m2 / 39), 1e-9);
    close_world(&w);
}
END_TEST

// A column that does not vary is divided by its floor, and what is far stays within the limit.
START_TEST(floors_and_limits_hold) {
    World w;

    open_world(&w, "gssm", "scales/standard");
    estimate(&w, "pooled", 0, ROWS);
    double far[X], raw[Y];
    for (int c = 0; c < X; c++)
        far[c] = c == X - 1 ? X - 1 + 0.05 : 1e9; // the last: an action, whose floor is 0.01
    Input in = {"x", far, X};
    const double *got = call_of(&w, "scale", "x", &in, 1, 1, "out");
    for (int c = 0; c < X - 1; c++)
        ck_assert_double_eq(got[c], 10);
    ck_assert_double_eq_tol(got[X - 1], 5, 1e-9);

    for (int c = 0; c < Y; c++)
        raw[c] = 1e4 * (c - 7); // targets have no limit: raw_y is the inverse of y
    in = (Input){"y", raw, Y};
    in = (Input){"y", call_of(&w, "scale", "y", &in, 1, 1, "out"), Y};
    got = call_of(&w, "scale", "raw_y", &in, 1, 1, "out");
    for (int c = 0; c < Y; c++)
        ck_assert_double_eq_tol(got[c], raw[c], 1e-6);
    close_world(&w);
}
END_TEST

static const char *const models[] = {"gssm",     "mlsm_v0", "mlsm_v1",
                                     "m_dpilco", "l2a",     "examples/dropout"};
enum { N_MODELS = sizeof models / sizeof *models };

// Raw inputs of a model with statistics, and scaled ones of a model without: the same network, and
// so the same prediction but for its unit. The loss is in scaled units, mse in raw ones.
START_TEST(models_scale_inputs_and_predict_raw_targets) {
    World with, without;
    const char *model = models[_i];

    open_world(&with, model, "scales/standard");
    open_world(&without, model, NULL);
    estimate(&with, "pooled", 0, ROWS);

    Input in = {"x", x, X};
    const double *sx = call_of(&with, "scale", "x", &in, 1, ROWS, "out");
    in = (Input){"y", y, Y};
    const double *sy = call_of(&with, "scale", "y", &in, 1, ROWS, "out");
    Input raw[] = {{"xc", x, X}, {"yc", y, Y}, {"x", x, X}, {"y", y, Y}};
    Input scaled[] = {{"xc", sx, X}, {"yc", sy, Y}, {"x", sx, X}, {"y", sy, Y}};
    double a = *call_of(&with, "", "loss", raw, 4, ROWS, "loss");
    double b = *call_of(&without, "", "loss", scaled, 4, ROWS, "loss");
    double mse = *call_of(&with, "", "loss", raw, 4, ROWS, "mse");
    double scaled_mse = *call_of(&without, "", "loss", scaled, 4, ROWS, "mse");
    ck_assert_msg(fabs(a - b) < 1e-9 * b, "%s: loss %.17g, not %.17g", model, a, b);
    ck_assert_double_gt(scaled_mse, 0);
    ck_assert_double_gt(mse, 4 * scaled_mse); // spreads of targets are 1.4 to 14

    double measured = *call_of(&with, "", "measure", raw, 4, ROWS, "mse");
    ck_assert_msg(measured > mse / 3 && measured < 3 * mse, "%s: measure %g, loss %g", model,
                  measured, mse);
    close_world(&with);
    close_world(&without);
}
END_TEST

int main(void) {

    if (!mkdtemp(cache))
        return EXIT_FAILURE;
    fill();
    Suite *suite = suite_create("scales");
    TCase *c = tcase_create("scales");
    tcase_set_timeout(c, 300);
    tcase_add_loop_test(c, each_program_counts_its_rows, 0, 3);
    tcase_add_test(c, running_statistics_forget);
    tcase_add_test(c, floors_and_limits_hold);
    tcase_add_loop_test(c, models_scale_inputs_and_predict_raw_targets, 0, N_MODELS);
    suite_add_tcase(suite, c);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return delete_tree(cache) && n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
