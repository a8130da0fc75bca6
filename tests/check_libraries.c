// tests/check_libraries.c -- models/lib against closed forms, on both targets.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "envs/env_random.h"
#include "ir/base/exits.h"
#include "runtime/exec/call.h"
#include "runtime/exec/roots.h"
#include "tests/support_cli.h"
#include "tests/support_files.h"

static char cache[] = "/tmp/check_libraries_XXXXXX"; // compiled objects, shared by the tests

static Backend *const targets[] = {&ref_backend, &llvm_backend};

enum { WIDTH = 3 };

// An entry of tests/models/libraries.yaml at f64, with random inputs.
typedef struct Entry {
    Arena arena;
    Diag diag;
    RtState *state;
    RtProgram *program;
    RtCall *call;
} Entry;

static void open_entry(Entry *e, const char *name, Backend *backend) {
    static const LangPair binds[] = {{"", "tests/models/libraries.yaml"}};
    LangOptions o = {.real = IR_F64, .binds = binds, .n_binds = 1};
    LangRequest request = {.instance = "", .name = name};
    RtProgramDef def = {.backend = backend,
                        .passes.verify_each = true,
                        .options = {.cache_dir = cache, .compile_threads = 2}};
    char why[512] = "";

    *e = (Entry){0};
    o.n_roots = rt_model_roots(&o.roots);
    LangWorld *w = lang_open(&e->arena, &e->diag, &o);
    if (w && !e->diag.n_errors)
        e->program = rt_program_new(&e->arena, w, &e->diag, &request, &def, why, sizeof why);
    if (e->program)
        e->state = rt_initial_state(&e->arena, w, &e->diag, 5, why, sizeof why);
    diag_print(&e->diag, stderr, false);
    ck_assert_msg(e->state != NULL, "%s: %s", name, why);
    e->call = rt_call_new(e->program, e->state, NULL);
}

static void close_entry(Entry *e) {
    rt_call_free(e->call);
    rt_program_free(e->program);
    rt_state_free(e->state);
    diag_free(&e->diag);
    arena_free(&e->arena);
}

static double *in(Entry *e, const char *name) {
    int i = rt_call_find_input(e->call, name);

    ck_assert_msg(i >= 0, "no input '%s'", name);
    return rt_call_input_data(e->call, i);
}

static const double *out(const Entry *e, const char *name) {
    int i = rt_call_find_output(e->call, name);

    ck_assert_msg(i >= 0, "no output '%s'", name);
    return rt_call_output_data(e->call, i);
}

static int count_of(const Entry *e, const char *name) {
    return *(const int32_t *)(const void *)out(e, name);
}

// Numbers in -2 .. 2 for the input, which has `n` elements.
static double *fill(Entry *e, const char *name, int n) {
    double *x = in(e, name);

    ck_assert_int_eq(rt_call_input_count(e->call, rt_call_find_input(e->call, name)), n);
    for (int i = 0; i < n; i++)
        x[i] = 4 * env_random_uniform(env_random_key(7, name, 0, 0), (uint64_t)i) - 2;
    return x;
}

static void check_near(double got, double want) {
    ck_assert_msg(fabs(got - want) <= 1e-12 * fmax(1, fabs(want)), "%.17g, and %.17g was expected",
                  got, want);
}

// ---- distributions ------------------------------------------------------------------------------

static const int some_rows[] = {0, 1, 5, 40};
enum { N_CASES = 2 * sizeof some_rows / sizeof *some_rows };

START_TEST(normal_distributions_meet_closed_forms) {
    int n = some_rows[_i / 2];
    Entry e;

    open_entry(&e, "normals", targets[_i & 1]);
    rt_call_set_dim(e.call, "N", n);
    const double *mu = fill(&e, "mu", WIDTH * n), *lv = fill(&e, "logvar", WIDTH * n);
    const double *mu2 = fill(&e, "mu2", WIDTH * n), *lv2 = fill(&e, "logvar2", WIDTH * n);
    const double *x = fill(&e, "x", WIDTH * n);
    rt_call_run(e.call, 1, 0);
    for (int i = 0; i < n; i++) {
        double kl = 0, standard = 0, density = 1, entropy = 0;
        for (int k = WIDTH * i; k < WIDTH * (i + 1); k++) {
            double s = exp(lv[k] / 2), s2 = exp(lv2[k] / 2), d = mu[k] - mu2[k];
            kl += log(s2 / s) + (s * s + d * d) / (2 * s2 * s2) - 0.5;
            standard += log(1 / s) + (s * s + mu[k] * mu[k]) / 2 - 0.5;
            density *= exp(-pow((x[k] - mu[k]) / s, 2) / 2) / (s * sqrt(2 * M_PI));
            entropy += log(s * sqrt(2 * M_PI * M_E));
        }
        check_near(out(&e, "kl")[i], kl);
        check_near(out(&e, "kl_standard")[i], standard);
        check_near(exp(out(&e, "log_prob")[i]), density);
        check_near(out(&e, "entropy")[i], entropy);
    }
    close_entry(&e);
}
END_TEST

static void softmax(const double *logits, double *p) {
    double sum = 0;

    for (int k = 0; k < WIDTH; k++)
        sum += exp(logits[k]);
    for (int k = 0; k < WIDTH; k++)
        p[k] = exp(logits[k]) / sum;
}

START_TEST(categorical_distributions_meet_closed_forms) {
    int n = some_rows[_i / 2];
    Entry e;

    open_entry(&e, "categoricals", targets[_i & 1]);
    rt_call_set_dim(e.call, "N", n);
    double *logits = fill(&e, "logits", WIDTH * n);
    const double *other = fill(&e, "other", WIDTH * n);
    for (int i = 0; i < n; i++)
        rt_call_put_at(e.call, rt_call_find_input(e.call, "i"), i, i % WIDTH);
    if (n > 2)
        logits[WIDTH * 2] = -INFINITY; // a choice that never is taken
    rt_call_run(e.call, 1, 0);
    for (int i = 0; i < n; i++) {
        double p[WIDTH], q[WIDTH], entropy = 0, kl = 0, drawn = 0;
        int best = 0;
        softmax(logits + WIDTH * i, p);
        softmax(other + WIDTH * i, q);
        for (int k = 0; k < WIDTH; k++) {
            entropy -= p[k] > 0 ? p[k] * log(p[k]) : 0;
            kl += p[k] > 0 ? p[k] * log(p[k] / q[k]) : 0;
            best = p[k] > p[best] ? k : best;
            drawn += out(&e, "sample")[WIDTH * i + k];
        }
        check_near(exp(out(&e, "log_prob")[i]), p[i % WIDTH]);
        check_near(out(&e, "entropy")[i], entropy);
        check_near(out(&e, "kl")[i], kl);
        for (int k = 0; k < WIDTH; k++)
            ck_assert_double_eq(out(&e, "best")[WIDTH * i + k], k == best);
        ck_assert_double_eq(drawn, 1);
    }
    close_entry(&e);
}
END_TEST

START_TEST(choices_are_drawn_as_often_as_they_are_probable) {
    enum { ROWS = 40, CALLS = 200 };
    int count[WIDTH] = {0};
    double p[WIDTH];
    Entry e;

    open_entry(&e, "categoricals", targets[_i]);
    rt_call_set_dim(e.call, "N", ROWS);
    double *logits = fill(&e, "logits", WIDTH * ROWS);
    for (int i = 0; i < ROWS; i++)
        memcpy(logits + WIDTH * i, (double[]){0.3, -0.5, 0.9}, WIDTH * sizeof *logits);
    softmax(logits, p);
    for (uint64_t c = 0; c < CALLS; c++) {
        rt_call_run(e.call, 1, c);
        for (int i = 0; i < WIDTH * ROWS; i++)
            count[i % WIDTH] += out(&e, "sample")[i] == 1;
    }
    for (int k = 0; k < WIDTH; k++)
        ck_assert_double_eq_tol(count[k] / (double)(ROWS * CALLS), p[k], 0.02);
    close_entry(&e);
}
END_TEST

// ---- columns ------------------------------------------------------------------------------------

// Mean and sum of squared distances of column `k` of two arrays, in one pass over all rows.
static void column(const double *x, int n, const double *y, int m, int k, double *mean,
                   double *m2) {
    double sum = 0;

    for (int i = 0; i < n + m; i++)
        sum += i < n ? x[WIDTH * i + k] : y[WIDTH * (i - n) + k];
    *mean = n + m > 0 ? sum / (n + m) : 0;
    *m2 = 0;
    for (int i = 0; i < n + m; i++)
        *m2 += pow((i < n ? x[WIDTH * i + k] : y[WIDTH * (i - n) + k]) - *mean, 2);
}

START_TEST(statistics_join_batches_as_if_all_came_at_once) {
    int n = some_rows[_i / 2], m = n == 40 ? 0 : n + 3;
    double mean, m2;
    Entry e;

    open_entry(&e, "columns", targets[_i & 1]);
    rt_call_set_dim(e.call, "N", n);
    rt_call_set_dim(e.call, "M", m);
    double *x = fill(&e, "x", WIDTH * n), *y = fill(&e, "y", WIDTH * m);
    memcpy(in(&e, "floor"), (double[]){0.1, 0.1, 3}, WIDTH * sizeof(double));
    for (int i = 0; i < n; i++)
        x[WIDTH * i] += 1e4; // far from 0, where a sum of squares would lose all digits
    for (int i = 0; i < m; i++)
        y[WIDTH * i] += 1e4;
    rt_call_run(e.call, 1, 0);
    ck_assert_int_eq(count_of(&e, "count"), n + m);
    ck_assert_int_eq(count_of(&e, "first.count"), n);
    ck_assert_int_eq(count_of(&e, "frozen.count"), n > 0 ? n : m);
    for (int k = 0; k < WIDTH; k++) {
        column(x, n, y, m, k, &mean, &m2);
        double deviation = fmax(sqrt(m2 / (n + m)), in(&e, "floor")[k]);
        check_near(out(&e, "mean")[k], mean);
        check_near(out(&e, "deviation")[k], deviation);
        ck_assert(k < 2 || out(&e, "deviation")[k] == 3);
        for (int i = 0; i < m; i++) {
            double z = (y[WIDTH * i + k] - mean) / deviation;
            z = fmin(fmax(z, -1.5), 1.5);
            ck_assert_double_eq_tol(out(&e, "z")[WIDTH * i + k], z, 1e-9);
            check_near(out(&e, "back")[WIDTH * i + k], z * deviation + mean);
        }
        column(x, n, y, 0, k, &mean, &m2);
        check_near(out(&e, "first.mean")[k], mean);
        ck_assert_double_eq_tol(out(&e, "first.m2")[k], m2, 1e-6);
        if (n == 0)
            column(y, m, x, 0, k, &mean, &m2);
        check_near(out(&e, "frozen.mean")[k], mean);
        ck_assert_double_eq_tol(out(&e, "frozen.m2")[k], m2, 1e-6);
        ck_assert_double_eq(out(&e, "of_nothing")[k], 1);
    }
    close_entry(&e);
}
END_TEST

// ---- networks -----------------------------------------------------------------------------------

START_TEST(activations_are_found_by_name) {
    static const double edges[] = {0, -0.0, 1e-9, -1e-9, 40, -40, 700, -700, 1e5, -1e5};
    enum { N = 5, ALL = WIDTH * N, EDGES = sizeof edges / sizeof *edges };
    Entry e;

    open_entry(&e, "activations", targets[_i]);
    rt_call_set_dim(e.call, "N", N);
    double *x = fill(&e, "x", ALL);
    memcpy(x, edges, sizeof edges);
    rt_call_run(e.call, 1, 0);
    for (int i = 0; i < ALL; i++) {
        double cube = x[i] * x[i] * x[i];
        check_near(out(&e, "relu")[i], x[i] > 0 ? x[i] : 0);
        check_near(out(&e, "tanh")[i], tanh(x[i]));
        check_near(out(&e, "sigmoid")[i], 1 / (1 + exp(-x[i])));
        check_near(out(&e, "gelu")[i],
                   0.5 * x[i] * (1 + tanh(sqrt(2 / M_PI) * (x[i] + 0.044715 * cube))));
        double soft = x[i] > 0 ? x[i] + log1p(exp(-x[i])) : log1p(exp(x[i]));
        ck_assert_double_le(fabs(out(&e, "softplus")[i] - soft), 1e-12 * soft);
        ck_assert_double_eq(out(&e, "identity")[i], x[i]);
    }
    close_entry(&e);

    // its slope is the logistic function, also at 0 and far away
    open_entry(&e, "slopes", targets[_i]);
    rt_call_set_dim(e.call, "N", N);
    x = fill(&e, "x", ALL);
    memcpy(x, edges, sizeof edges);
    rt_call_run(e.call, 1, 0);
    for (int i = 0; i < ALL; i++)
        check_near(out(&e, "slope")[i], 1 / (1 + exp(-x[i])));
    ck_assert_int_gt(ALL, EDGES);
    close_entry(&e);
}
END_TEST

START_TEST(layer_norm_and_dropout_do_what_they_say) {
    enum { N = 40 };
    static const double gain[] = {2, 1, -1}, shift[] = {0, 0.5, 1};
    int n_kept = 0;
    Entry e;

    open_entry(&e, "layer", targets[_i]);
    rt_call_set_dim(e.call, "N", N);
    const double *x = fill(&e, "x", WIDTH * N);
    memcpy(rt_state_find(e.state, "norm.gain")->data, gain, sizeof gain);
    memcpy(rt_state_find(e.state, "norm.shift")->data, shift, sizeof shift);
    rt_call_run(e.call, 1, 0);
    for (int i = 0; i < N; i++) {
        const double *r = x + WIDTH * i;
        double mean = (r[0] + r[1] + r[2]) / 3, v = 0;
        for (int k = 0; k < WIDTH; k++)
            v += (r[k] - mean) * (r[k] - mean) / 3;
        for (int k = 0; k < WIDTH; k++)
            check_near(out(&e, "norm")[WIDTH * i + k],
                       (r[k] - mean) / sqrt(v + 1e-5) * gain[k] + shift[k]);
    }
    close_entry(&e);

    open_entry(&e, "kept", targets[_i]);
    rt_call_set_dim(e.call, "N", N);
    x = fill(&e, "x", WIDTH * N);
    in(&e, "keep")[0] = 0.75;
    for (uint64_t c = 0; c < 100; c++) {
        rt_call_run(e.call, 1, c);
        for (int i = 0; i < WIDTH * N; i++) {
            double y = out(&e, "y")[i];
            n_kept += y != 0;
            if (y != 0)
                check_near(y, x[i] / 0.75);
        }
    }
    ck_assert_double_eq_tol(n_kept / (100.0 * WIDTH * N), 0.75, 0.02);
    close_entry(&e);
}
END_TEST

// ---- optimisers ---------------------------------------------------------------------------------

START_TEST(rates_fall_as_scheduled) {
    static const double steps[] = {0, 1, 99, 100, 101, 250, 1000};
    Entry e;

    open_entry(&e, "rates", targets[_i]);
    in(&e, "rate")[0] = 0.2;
    in(&e, "over")[0] = 250;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        double t = steps[i], done = fmin(t / 250, 1);
        in(&e, "step")[0] = t;
        rt_call_run(e.call, 1, 0);
        check_near(*out(&e, "stairs"), 0.2 * pow(0.9, floor(t / 100)));
        check_near(*out(&e, "smooth"), 0.2 * pow(0.5, t / 10));
        check_near(*out(&e, "linear"), 0.2 * (1 - 0.9 * done));
        check_near(*out(&e, "cosine"), 0.2 * (0.1 + 0.9 * (1 + cos(M_PI * done)) / 2));
    }
    close_entry(&e);
}
END_TEST

// Below the limit and above it.
START_TEST(gradients_are_clipped_by_length_and_by_value) {
    static const double limits[] = {0.5, 100};
    enum { N = 5, ALL = WIDTH * N };
    double squares = 0;
    Entry e;

    open_entry(&e, "clipped", targets[_i & 1]);
    rt_call_set_dim(e.call, "N", N);
    const double limit = limits[_i / 2], *a = fill(&e, "g.a", ALL), *b = fill(&e, "g.b", WIDTH);
    in(&e, "limit")[0] = limit;
    rt_call_run(e.call, 1, 0);
    for (int i = 0; i < ALL + WIDTH; i++)
        squares += i < ALL ? a[i] * a[i] : b[i - ALL] * b[i - ALL];
    double length = sqrt(squares), scale = length > limit ? limit / length : 1;
    for (int i = 0; i < ALL; i++) {
        check_near(out(&e, "norm.a")[i], a[i] * scale);
        check_near(out(&e, "value.a")[i], fmin(fmax(a[i], -limit), limit));
    }
    for (int i = 0; i < WIDTH; i++) {
        check_near(out(&e, "norm.b")[i], b[i] * scale);
        check_near(out(&e, "value.b")[i], fmin(fmax(b[i], -limit), limit));
    }
    check_near(*out(&e, "penalty"), 0.15 * squares);
    close_entry(&e);
}
END_TEST

// What each optimiser does to one parameter: w, and up to two moments.
typedef struct Moments {
    double m, v;
} Moments;

static double adam(double w, double g, Moments *s, int t, double decay, double l2) {
    g += l2 * w;
    s->m = 0.9 * s->m + 0.1 * g;
    s->v = 0.999 * s->v + 0.001 * g * g;
    double step = (s->m / (1 - pow(0.9, t))) / (sqrt(s->v / (1 - pow(0.999, t))) + 1e-8);
    return w - 0.1 * step - 0.1 * decay * w;
}

static double adamw(double w, double g, Moments *s, int t) {
    return adam(w, g, s, t, 0.05, 0);
}

static double adam_l2(double w, double g, Moments *s, int t) {
    return adam(w, g, s, t, 0, 0.05);
}

static double rmsprop(double w, double g, Moments *s, int t) {
    (void)t;
    s->v = 0.9 * s->v + 0.1 * g * g;
    return w - 0.1 * g / (sqrt(s->v) + 1e-8);
}

static double momentum(double w, double g, Moments *s, int t) {
    (void)t;
    s->v = 0.8 * s->v + fmin(fmax(g, -0.5), 0.5); // clipped by value
    return w - 0.1 * s->v;
}

static const struct {
    const char *name;
    double (*step)(double w, double g, Moments *s, int t);
} optimisers[] = {
    {"adamw", adamw}, {"adam_l2", adam_l2}, {"rmsprop", rmsprop}, {"momentum", momentum}};
enum { N_OPTIMISERS = 2 * sizeof optimisers / sizeof *optimisers };

START_TEST(optimisers_meet_their_formulas) {
    double w[WIDTH] = {0.5, -2, 1};
    Moments moments[WIDTH] = {0};
    Entry e;

    open_entry(&e, optimisers[_i / 2].name, targets[_i & 1]);
    double *got = rt_state_find(e.state, "w")->data, *g = in(&e, "gradient");
    memcpy(got, w, sizeof w);
    for (int t = 1; t <= 6; t++) {
        for (int k = 0; k < WIDTH; k++) {
            g[k] = 2 * env_random_uniform(9, (uint64_t)(WIDTH * t + k)) - 1;
            w[k] = optimisers[_i / 2].step(w[k], g[k], &moments[k], t);
        }
        rt_call_run(e.call, 1, (uint64_t)t);
        for (int k = 0; k < WIDTH; k++)
            check_near(got[k], w[k]);
    }
    close_entry(&e);
}
END_TEST

// ---- gradients ----------------------------------------------------------------------------------

START_TEST(gradients_agree_with_differences) {
    Cli cli;

    cli_open(&cli, "gssmc");
    cli_expect(&cli, EXIT_OK, "gradcheck tests/models/libraries.yaml --threads=1");
    cli_expect_out(&cli, "normals          5 arrays");
    cli_expect_out(&cli, "clipped          3 arrays");
    cli_close(&cli);
}
END_TEST

static Suite *libraries_suite(void) {
    Suite *s = suite_create("libraries");

    TCase *distributions = tcase_create("distributions");
    tcase_set_timeout(distributions, 60);
    tcase_add_loop_test(distributions, normal_distributions_meet_closed_forms, 0, N_CASES);
    tcase_add_loop_test(distributions, categorical_distributions_meet_closed_forms, 0, N_CASES);
    tcase_add_loop_test(distributions, choices_are_drawn_as_often_as_they_are_probable, 0, 2);
    suite_add_tcase(s, distributions);

    TCase *columns = tcase_create("columns");
    tcase_set_timeout(columns, 60);
    tcase_add_loop_test(columns, statistics_join_batches_as_if_all_came_at_once, 0, N_CASES);
    suite_add_tcase(s, columns);

    TCase *networks = tcase_create("networks");
    tcase_set_timeout(networks, 60);
    tcase_add_loop_test(networks, activations_are_found_by_name, 0, 2);
    tcase_add_loop_test(networks, layer_norm_and_dropout_do_what_they_say, 0, 2);
    suite_add_tcase(s, networks);

    TCase *optimisation = tcase_create("optimisation");
    tcase_set_timeout(optimisation, 60);
    tcase_add_loop_test(optimisation, rates_fall_as_scheduled, 0, 2);
    tcase_add_loop_test(optimisation, gradients_are_clipped_by_length_and_by_value, 0, 4);
    tcase_add_loop_test(optimisation, optimisers_meet_their_formulas, 0, N_OPTIMISERS);
    suite_add_tcase(s, optimisation);

    TCase *gradients = tcase_create("gradients");
    tcase_set_timeout(gradients, 120);
    tcase_add_test(gradients, gradients_agree_with_differences);
    suite_add_tcase(s, gradients);
    return s;
}

int main(void) {

    if (!mkdtemp(cache))
        return EXIT_FAILURE;
    SRunner *r = srunner_create(libraries_suite());
    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return delete_tree(cache) && n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
