// tests/check_numeric.c -- verify, --verify-each=numeric, traces and pictures.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <cjson/cJSON.h>

#include "ir/base/exits.h"
#include "ir/text.h"
#include "runtime/exec/numeric.h"
#include "tests/support_cli.h"
#include "tests/support_graph.h"

static Cli cli;

static const char small[] =
    "module: small\n"
    "import: {optim: lib/optim}\n"
    "dims: {N: {max: 9, likely: 3}}\n"
    "params: {w: \"uniform([4, 2], 0.5)\"}\n"
    "functions:\n"
    "  apply:\n"
    "    inputs: {x: \"[N, 4]\"}\n"
    "    output: tanh(x @ w)\n"
    "  loss:\n"
    "    inputs: {x: \"[N, 4]\", y: \"[N, 2]\"}\n"
    "    output: {loss: mean((apply(x) - y) ** 2)}\n"
    "  noisy:\n"
    "    inputs: {x: \"[N, 4]\"}\n"
    "    nodes:\n"
    "      path:\n"
    "        scan: {carry: {s: \"sum(x, axis=0)\"}, steps: N}\n"
    "        nodes: {e: \"draw.normal([4])\"}\n"
    "        next: {s: 0.5 * s + e}\n"
    "    output: {s: path.s, best: argmax(path.s)}\n"
    "programs:\n"
    "  fit:\n"
    "    inputs: {x: \"[N, 4]\", y: \"[N, 2]\"}\n"
    "    nodes: {l: \"loss(x, y)\"}\n"
    "    minimize: {value: l.loss, over: params, by: optim.adam(rate=0.1)}\n"
    "    outputs: l\n";

static void setup(void) {
    cli_open(&cli, "gssmc");
    cli_write(&cli, "small.yaml", small);
}

static void teardown(void) {
    cli_close(&cli);
}

// ---- distances and the watch --------------------------------------------------------------------

START_TEST(distances_are_relative_to_the_greatest) {
    const double a[] = {1, 10, INFINITY, NAN}, b[] = {1.5, 10, INFINITY, NAN};
    const double c[] = {1, NAN};

    ck_assert_double_eq(rt_numeric_distance(a, b, 4), 0.05);
    ck_assert_double_eq(rt_numeric_distance(a, a, 4), 0);
    ck_assert(isinf(rt_numeric_distance(a, c, 2)));
    ck_assert_double_eq(rt_numeric_distance(a, b, 0), 0);
}
END_TEST

static void add_a_little(IrNode *n, IrBlock *in, void *data) {
    (void)in;
    if (n->op == IR_OP_const)
        n->attrs.value += *(double *)data;
}

// What a pass that breaks the graph would leave.
START_TEST(the_first_pass_that_differs_is_named) {
    static const char text[] = "dim N max=1000\n"
                               "func @f(%0: f64[N] in \"x\") {\n"
                               "  %1 = const 2 : f64[N]\n"
                               "  %2 = mul %0, %1 : f64[N]\n"
                               "  return %2 out \"y\"\n"
                               "}\n";
    Arena a = {0};
    Diag d = {0};
    IrFunction *f = graph_entry(graph_parse(&a, &d, text));
    RtNumeric n = {0};
    double little = 1e-6;

    rt_numeric_watch(&n, PASS_inline, 1, f);
    rt_numeric_watch(&n, PASS_simplify, 2, f);
    ck_assert(!n.failed);
    ck_assert_int_eq(n.n_passes, 1);
    ck_assert_int_eq(f->dims->vars[0]->max, 1000); // the program's own
    ir_walk(f->body, add_a_little, &little);
    rt_numeric_watch(&n, PASS_fold, 3, f);
    rt_numeric_watch(&n, PASS_cse, 4, f);
    ck_assert(n.failed);
    ck_assert_int_eq(n.pass, PASS_fold);
    ck_assert_int_eq(n.number, 3);
    ck_assert_str_eq(n.output, "y");
    ck_assert_double_eq_tol(n.error, 0.5e-6, 1e-9);
    rt_numeric_end(&n);
    arena_free(&a);
    diag_free(&d);
}
END_TEST

START_TEST(verify_each_takes_numeric) {
    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml --verify-each=numeric --target=ref");
    cli_expect(&cli, EXIT_OK, "run $DIR/small.yaml loss --grad=loss --verify-each=numeric");
    cli_expect(&cli, EXIT_OK, "bench $DIR/small.yaml fit --verify-each=numeric --seconds=0");
    cli_expect(&cli, EXIT_OK,
               "compile $DIR/small.yaml fit --emit=ir --target=ref -o $DIR/x.gir && "
               "\"$PROGRAM\" opt $DIR/x.gir --verify-each=numeric >/dev/null");
    cli_expect(&cli, EXIT_BAD_USAGE, "compile $DIR/small.yaml --verify-each=numbers");
    cli_expect_err(&cli, "--verify-each is 'numbers', and should be numeric or nothing");
}
END_TEST

// ---- verify -------------------------------------------------------------------------------------

START_TEST(verify_compares_all_ways) {
    cli_expect(&cli, EXIT_OK, "verify $DIR/small.yaml");
    cli_expect_out(&cli, "\nnoisy ");
    cli_expect_out(&cli, "\nfit ");
    cli_expect(&cli, EXIT_OK, "verify $DIR/small.yaml fit noisy --seed=3");
    cli_expect_out(&cli, "  cpu f64 --disable-pass=cse ");
    cli_expect_out(&cli, "  cpu f32 with 2 and 3 threads ");
    cli_expect_out(&cli, "the bits of 1 thread\n");
    cli_expect_out(&cli, "  ref f64 after each pass ");
}
END_TEST

START_TEST(verify_fails_above_its_tolerance) {
    cli_expect(&cli, EXIT_CHECK, "verify $DIR/small.yaml loss --tolerance-f32=1e-12");
    cli_expect_out(&cli, "DIFFERS");
    cli_expect_out(&cli, "in out.loss at N = ");
    cli_expect(&cli, EXIT_BAD_USAGE, "verify $DIR/small.yaml los");
    cli_expect(&cli, EXIT_BAD_USAGE, "verify $DIR/small.yaml --tolerance=0");
}
END_TEST

START_TEST(verify_prints_json) {
    cli_expect(&cli, EXIT_OK, "verify $DIR/small.yaml loss --json");
    cJSON *all = cJSON_Parse(buf_text(&cli.out));
    ck_assert_msg(all != NULL, "%s", buf_text(&cli.out));
    const cJSON *loss = cJSON_GetArrayItem(cJSON_GetObjectItem(all, "entries"), 0);
    ck_assert(cJSON_IsTrue(cJSON_GetObjectItem(loss, "ok")));
    ck_assert_int_ge(cJSON_GetArraySize(cJSON_GetObjectItem(loss, "ways")), 10);
    cJSON_Delete(all);
}
END_TEST

// ---- traces -------------------------------------------------------------------------------------

static int count_spans(const cJSON *events, const char *category, const char *name) {
    const cJSON *e;
    int n = 0;

    cJSON_ArrayForEach(e, events) {
        const cJSON *c = cJSON_GetObjectItem(e, "cat");
        if (c && strcmp(c->valuestring, category) == 0 &&
            (!name || strcmp(cJSON_GetObjectItem(e, "name")->valuestring, name) == 0)) {
            ck_assert_double_ge(cJSON_GetObjectItem(e, "dur")->valuedouble, 0);
            n++;
        }
    }
    return n;
}

START_TEST(a_trace_holds_stages_passes_kernels_and_steps) {
    Buf text = {0};

    cli_expect(&cli, EXIT_OK,
               "bench $DIR/small.yaml fit --seconds=0 --no-cache --threads=2 "
               "--trace=$DIR/t.json");
    cli_read(&cli, &text, "t.json");
    cJSON *all = cJSON_Parse(buf_text(&text));
    ck_assert_msg(all != NULL, "%.500s", buf_text(&text));
    const cJSON *events = cJSON_GetObjectItem(all, "traceEvents");
    ck_assert_int_ge(count_spans(events, "stage", "open"), 1);
    ck_assert_int_ge(count_spans(events, "stage", "read"), 1);
    ck_assert_int_ge(count_spans(events, "stage", "link"), 1);
    ck_assert_int_ge(count_spans(events, "pass", "place"), 1);
    ck_assert_int_ge(count_spans(events, "kernel", NULL), 2);
    ck_assert_int_ge(count_spans(events, "kernel", "step"), 1);
    ck_assert_int_ge(count_spans(events, "step", "fit"), 5);
    cJSON_Delete(all);
    buf_free(&text);

    cli_expect(&cli, EXIT_CANNOT_CREATE, "compile $DIR/small.yaml loss --trace=$DIR/no/t.json");
}
END_TEST

// ---- pictures -----------------------------------------------------------------------------------

// What follows `head`, a number.
static int number_after(const char *line, const char *head) {
    const char *at = strstr(line, head);

    return at ? atoi(at + strlen(head)) : -1;
}

// Every line is one statement: a node, an edge between nodes that are there, a frame, or an end.
static void check_dot(char *text) {
    bool known[4096] = {false};
    int depth = 0, n_edges = 0, n_nodes = 0;

    ck_assert_int_eq(strncmp(text, "digraph \"", 9), 0);
    for (int pass = 0; pass < 2; pass++) { // an edge may lead into a frame behind it
        char *copy = strdup(text), *rest = NULL;
        for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
            bool edge = strstr(line, " -> ") && !strstr(line, "label=");
            int node = strstr(line, "[label=\"") ? number_after(line, " n") : -1;
            depth += pass == 0 && line[strlen(line) - 1] == '{';
            depth -= pass == 0 && line[strspn(line, " ")] == '}';
            if (!edge && node >= 0) {
                known[node] = true;
                n_nodes += pass;
            }
            if (pass == 0 || !edge || strstr(line, " in") || strstr(line, " out"))
                continue;
            ck_assert_msg(known[number_after(line, " n")], "%s", line);
            ck_assert_msg(known[number_after(line, "-> n")], "%s", line);
            n_edges++;
        }
        free(copy);
    }
    ck_assert_int_eq(depth, 0);
    ck_assert_int_gt(n_nodes, 3);
    ck_assert_int_gt(n_edges, 3);
}

START_TEST(dot_is_a_picture_of_the_graph) {
    Buf text = {0};

    cli_expect(&cli, EXIT_OK,
               "compile $DIR/small.yaml noisy --emit=dot --target=ref -o $DIR/f.dot");
    cli_read(&cli, &text, "f.dot");
    ck_assert_ptr_nonnull(strstr(buf_text(&text), "subgraph cluster_"));
    ck_assert_ptr_nonnull(strstr(buf_text(&text), "draw_normal path.e"));
    check_dot(text.data);
    if (cli_shell(&cli, "command -v dot") == 0)
        ck_assert_int_eq(cli_shell(&cli, "dot -Tsvg \"$DIR/f.dot\" -o \"$DIR/f.svg\""), 0);
    buf_free(&text);
}
END_TEST

static Suite *numeric_suite(void) {
    Suite *s = suite_create("numeric");

    TCase *library = tcase_create("library");
    tcase_add_test(library, distances_are_relative_to_the_greatest);
    tcase_add_test(library, the_first_pass_that_differs_is_named);
    suite_add_tcase(s, library);

    TCase *command = tcase_create("command");
    tcase_add_checked_fixture(command, setup, teardown);
    tcase_set_timeout(command, 300);
    tcase_add_test(command, verify_each_takes_numeric);
    tcase_add_test(command, verify_compares_all_ways);
    tcase_add_test(command, verify_fails_above_its_tolerance);
    tcase_add_test(command, verify_prints_json);
    tcase_add_test(command, a_trace_holds_stages_passes_kernels_and_steps);
    tcase_add_test(command, dot_is_a_picture_of_the_graph);
    suite_add_tcase(s, command);
    return s;
}

int main(void) {
    SRunner *r = srunner_create(numeric_suite());

    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
