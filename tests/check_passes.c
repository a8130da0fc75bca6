// tests/check_passes.c -- the runner, and the cleaning passes on random graphs.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support_graph.h"
#include "tests/support_random.h"

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

static const char twice[] = "func @f(%x: f32[4] in \"x\") {"
                            "  %a = tanh %x : f32[4]"
                            "  %b = tanh %x : f32[4]"
                            "  %c = add %a, %b : f32[4]"
                            "  return %c out \"c\""
                            "}";

static const PassId tidy[] = {PASS_simplify, PASS_cse, PASS_dce};

static IrFunction *parse(const char *text) {
    return graph_entry(graph_parse(&arena, &diag, text));
}

static bool run(IrFunction *f, PassOptions o, PassReport *report) {
    o.pipeline = tidy;
    o.n_pipeline = 3;
    return pass_run_pipeline(f, &o, &diag, &arena, report);
}

// ---- runner

START_TEST(every_pass_is_found_by_its_name) {
    ck_assert_int_eq(pass_find(pass_info[_i].name), _i);
    ck_assert((pass_info[_i].run != NULL) != (pass_info[_i].lower != NULL));
    ck_assert_uint_gt(strlen(pass_info[_i].doc), 10);
}
END_TEST

START_TEST(unknown_name_finds_nothing) {
    ck_assert_int_eq(pass_find("no_such_pass"), PASS_COUNT);
}
END_TEST

START_TEST(default_pipeline_has_graph_passes_first) {
    bool lower = false;
    for (int i = 0; i < pass_default_pipeline_length; i++) {
        bool is_lower = pass_info[pass_default_pipeline[i]].lower != NULL;
        ck_assert(!lower || is_lower);
        lower = is_lower;
    }
    ck_assert(lower);
}
END_TEST

START_TEST(report_counts_nodes) {
    IrFunction *f = parse(twice);
    PassReport report = {0};
    ck_assert(run(f, (PassOptions){0}, &report));
    ck_assert_int_eq(report.n, 3);
    ck_assert(!report.stats[0].changed);
    ck_assert(report.stats[1].changed);
    ck_assert_int_eq(report.stats[1].pass, PASS_cse);
    ck_assert_int_eq(report.stats[1].nodes_before, 3);
    ck_assert_int_eq(report.stats[1].nodes_after, 2);
}
END_TEST

// Before each of them dce runs: on what stands in the inner body, and on what that became.
START_TEST(eliminations_go_from_the_inside_out) {
    IrFunction *f = parse("func @f(%x: f64[3] in \"x\") {"
                          "  %g = grad %x wrt=[0] : (f64[], f64[3]) {"
                          "  ^(%a: f64[3]):"
                          "    %m = map %a captured=0 over=1 steps=3 name=\"m\" : (f64[3]) {"
                          "    ^(%b: f64[], %i: i32[]):"
                          "      %s = grad %b wrt=[0] : (f64[], f64[]) {"
                          "      ^(%c: f64[]):"
                          "        %t = sin %c : f64[]"
                          "        %unused = cos %c : f64[]"
                          "        yield %t"
                          "      }"
                          "      %d = get %s index=1 : f64[]"
                          "      yield %d"
                          "    }"
                          "    %y = get %m index=0 : f64[3]"
                          "    %l = sum %y axes=[0] : f64[]"
                          "    yield %l"
                          "  }"
                          "  %d = get %g index=1 : f64[3]"
                          "  return %d g \"x\""
                          "}");
    static const PassId rows[] = {PASS_inline, PASS_dce, PASS_grad, PASS_map};
    static const PassId runs[] = {PASS_inline, PASS_dce,  PASS_grad, PASS_dce,  PASS_grad, PASS_map,
                                  PASS_dce,    PASS_grad, PASS_dce,  PASS_grad, PASS_map};
    PassOptions o = {.pipeline = rows, .n_pipeline = sizeof rows / sizeof *rows};
    PassReport report = {0};
    IrFunction *before = ir_clone_function(&arena, f);
    ck_assert(pass_run_pipeline(f, &o, &diag, &arena, &report));

    int n = sizeof runs / sizeof *runs;
    ck_assert_int_eq(report.n, n);
    for (int i = 0; i < n; i++)
        ck_assert_str_eq(pass_info[report.stats[i].pass].name, pass_info[runs[i]].name);
    ck_assert_int_eq(graph_count(f, IR_OP_grad), 0);
    ck_assert_int_eq(graph_count(f, IR_OP_map), 0);
    ck_assert_double_lt(graph_distance(before, f, 3, 1), 1e-6);
}
END_TEST

START_TEST(disabled_pass_does_not_run) {
    IrFunction *f = parse(twice);
    PassOptions o = {0};
    o.disabled[PASS_cse] = true;
    ck_assert(run(f, o, NULL));
    ck_assert_int_eq(graph_count(f, IR_OP_tanh), 2);
}
END_TEST

START_TEST(bisection_stops_after_so_many_executions) {
    for (int limit = 1; limit <= 3; limit++) {
        IrFunction *f = parse(twice);
        PassReport report = {0};
        ck_assert(run(f, (PassOptions){.bisect_limit = limit}, &report));
        ck_assert_int_eq(report.n, limit);
        ck_assert_int_eq(graph_count(f, IR_OP_tanh), limit < 2 ? 2 : 1);
    }
}
END_TEST

START_TEST(print_after_shows_changes_alone) {
    IrFunction *f = parse(twice);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ck_assert(run(f, (PassOptions){.print_after = "change", .print = out}, NULL));
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "# after cse\n"));
    ck_assert_ptr_null(strstr(text, "simplify"));
    free(text);
}
END_TEST

START_TEST(dumps_are_numbered_files) {
    char folder[] = "/tmp/gssm-passes-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    IrFunction *f = parse(twice);
    ck_assert(run(f, (PassOptions){.dump_dir = folder}, NULL));

    static const char *const names[] = {"01-after-simplify.gir", "02-after-cse.gir",
                                        "03-after-dce.gir"};
    for (int i = 0; i < 3; i++) {
        Buf path = {0}, text = {0};
        char why[256];
        buf_printf(&path, "%s/%s", folder, names[i]);
        ck_assert_msg(buf_read_file(&text, buf_text(&path), 0, why, sizeof why), "%s", why);
        ck_assert_ptr_nonnull(strstr(buf_text(&text), "func @f"));
        unlink(buf_text(&path));
        buf_free(&path);
        buf_free(&text);
    }
    rmdir(folder);
}
END_TEST

// ---- random graphs

static PassFn *const clean[] = {pass_simplify, pass_fold,    pass_cse,   pass_dce,
                                pass_hoist,    pass_lowrank, pass_hoist, pass_simplify,
                                pass_cse,      pass_dce,     NULL};

START_TEST(cleaning_changes_no_number) {
    for (uint64_t seed = 0; seed < 8; seed++) {
        IrFunction *f = random_function(&arena, (uint64_t)_i * 8 + seed, 20);
        IrFunction *g = graph_after(&arena, f, clean);
        for (int64_t size = 1; size < 4; size++) {
            double d = graph_distance(f, g, size, seed);
            ck_assert_msg(d < 1e-9, "seed %d: %g", (int)(_i * 8) + (int)seed, d);
        }
    }
}
END_TEST

START_TEST(cleaning_twice_finds_nothing_more) {
    PassFn *const passes[] = {pass_simplify, pass_fold, pass_cse, pass_dce, NULL};
    PassFn *const again[] = {pass_dce, NULL};
    for (uint64_t seed = 100; seed < 110; seed++) {
        IrFunction *f = graph_after(&arena, random_function(&arena, seed, 20), passes);
        IrFunction *g = graph_after(&arena, f, again);
        ir_renumber(f);
        ir_renumber(g);
        ck_assert_int_eq(f->n_nodes, g->n_nodes);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("passes");

    TCase *runner = tcase_create("runner");
    tcase_add_checked_fixture(runner, setup, teardown);
    tcase_add_loop_test(runner, every_pass_is_found_by_its_name, 0, PASS_COUNT);
    tcase_add_test(runner, unknown_name_finds_nothing);
    tcase_add_test(runner, default_pipeline_has_graph_passes_first);
    tcase_add_test(runner, report_counts_nodes);
    tcase_add_test(runner, eliminations_go_from_the_inside_out);
    tcase_add_test(runner, disabled_pass_does_not_run);
    tcase_add_test(runner, bisection_stops_after_so_many_executions);
    tcase_add_test(runner, print_after_shows_changes_alone);
    tcase_add_test(runner, dumps_are_numbered_files);
    suite_add_tcase(s, runner);

    TCase *random = tcase_create("random");
    tcase_add_checked_fixture(random, setup, teardown);
    tcase_set_timeout(random, 60);
    tcase_add_loop_test(random, cleaning_changes_no_number, 0, 10);
    tcase_add_test(random, cleaning_twice_finds_nothing_more);
    suite_add_tcase(s, random);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
