// tests/check_gradcheck.c -- gradients against finite differences: what is held, kinks, and that a
// wrong gradient is found.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <cjson/cJSON.h>

#include "ir/base/exits.h"
#include "ir/text.h"
#include "passes/hold.h"
#include "runtime/exec/gradcheck.h"
#include "tests/support_cli.h"
#include "tests/support_graph.h"

static Cli cli;

static const char model[] =
    "module: kinks\n"
    "dims: {N: {max: 9}}\n"
    "params: {w: \"zeros([3])\", u: \"uniform([3], 1.0)\"}\n"
    "functions:\n"
    "  smooth: {inputs: {x: \"[N, 3]\"}, output: {a: tanh(x @ u), b: sum(x * w)}}\n"
    "  relu_at_0: {inputs: {x: \"[N, 3]\"}, output: sum(relu(x * w))}\n"
    "  ties: {inputs: {x: \"[N, 3]\"}, output: \"max(x * w, axis=1)\"}\n"
    "  step: {inputs: {x: \"[N, 3]\"}, output: \"where(x > 0, x, -x) + floor(x)\"}\n"
    "  always: {inputs: {x: \"[N, 3]\"}, output: sum(relu(x * 0.0 * w))}\n"
    "  never: {inputs: {i: \"i32[N]\"}, output: i + 1}\n"
    "  constant: {inputs: {x: \"[N]\"}, output: sum(stop_gradient(x))}\n"
    "  positive: {inputs: {x: \"[N, 3]\"}, output: log(x) * u}\n"
    "  nowhere: {inputs: {x: \"[N, 3]\"}, output: sqrt(-1 - x * x)}\n"
    "  open: {inputs: {x: \"[Q, Q]\"}, output: x @ x}\n"
    "  anything: {inputs: {x: P}, output: x}\n"
    "  rows: {inputs: {i: \"i32[N]\", x: \"[3, 2]\"}, output: \"gather(x, i) ** 2\"}\n"
    "  inner:\n"
    "    inputs: {x: \"[N, 3]\"}\n"
    "    output: mean(tanh(x @ u) * stop_gradient(x @ u) ** 2 + x @ w)\n"
    "  second:\n"
    "    inputs: {x: \"[N, 3]\"}\n"
    "    nodes:\n"
    "      g: grad(inner, wrt=params)(x)\n"
    "      p: \"{w: w - 0.1 * g.w, u: u - 0.1 * g.u}\"\n"
    "    output: sum((x @ p.u) ** 2 * sin(p.w[0]))\n"
    "  loops:\n"
    "    inputs: {x: \"[N, 3]\"}\n"
    "    nodes:\n"
    "      path:\n"
    "        scan: {carry: {s: u + 0}, over: {e: x}}\n"
    "        nodes:\n"
    "          k: stop_gradient(sin(s) * e)\n"
    "          m: {map: {over: {a: s}}, output: stop_gradient(a * a) * a * sum(e)}\n"
    "          z: draw.normal([3])\n"
    "        next: {s: tanh(s + k * s + m + z)}\n"
    "        collect: {c: sum(s * k)}\n"
    "    output: {a: path.s, b: path.c}\n";

static void setup(void) {
    cli_open(&cli, "gssmc");
    cli_write(&cli, "model.yaml", model);
}

static void teardown(void) {
    cli_close(&cli);
}

// ---- a gradient that is wrong -------------------------------------------------------------------

// The reference back end, but for one element of the second output, which is g of the gradient
// program: the programs of values have none.
static void run_wrong(const BackendStep *step, const BackendCall *call, int thread) {
    ref_backend.run(step, call, thread);
    if (call->outputs[1])
        ((double *)call->outputs[1])[2] *= 1 + 1e-5;
}

static RtGradcheck check_text(Arena *a, Diag *d, const char *text, Backend *backend) {
    char why[256] = "";
    RtProgramDef program = {.backend = backend};
    RtGradcheckDef def = rt_gradcheck_def();

    def.program = &program;
    RtGradcheck r = rt_gradcheck(a, graph_entry(graph_parse(a, d, text)), d, &def, why, sizeof why);
    ck_assert_msg(r.status == RT_GRAD_CHECKED, "%s", why);
    return r;
}

START_TEST(a_wrong_gradient_is_found_with_its_element) {
    static const char text[] = "dim N max=9\n"
                               "func @f(%0: f64[4] in \"x\") {\n"
                               "  %1 = exp %0 : f64[4]\n"
                               "  return %1 out \"y\"\n"
                               "}\n";
    Arena a = {0};
    Diag d = {0};
    Backend wrong = ref_backend;
    wrong.run = run_wrong;

    RtGradcheck right = check_text(&a, &d, text, &ref_backend);
    ck_assert(right.ok);
    ck_assert_int_eq(right.n, 1);
    ck_assert_double_lt(right.worst, 1e-9);
    RtGradcheck r = check_text(&a, &d, text, &wrong);
    ck_assert(!r.ok);
    ck_assert_str_eq(r.worst_array->name, "in.x");
    ck_assert_int_eq(r.worst_array->worst_at, 2);
    ck_assert_double_gt(r.worst, 1e-6);
    ck_assert_int_eq(r.n_kinks, 0);
    arena_free(&a);
    diag_free(&d);
}
END_TEST

// ---- what is held -------------------------------------------------------------------------------

START_TEST(values_under_stop_gradient_leave_and_enter_bodies) {
    static const char text[] = "dim H max=9\n"
                               "func @f(%0: f64[3] in \"x\", %1: f64[H] in \"e\") {\n"
                               "  %9 = scan %0, %1 captured=0 carry=1 over=1 steps=H : (f64[3]) {\n"
                               "  ^(%2: f64[3], %3: f64[], %4: i32[]):\n"
                               "    %5 = stop_gradient %2 : f64[3]\n"
                               "    %6 = mul %5, %2 : f64[3]\n"
                               "    yield %6\n"
                               "  }\n"
                               "  %7 = get %9 index=0 : f64[3]\n"
                               "  %8 = stop_gradient %7 : f64[3]\n"
                               "  return %8 out \"y\"\n"
                               "}\n";
    Arena a = {0};
    Diag d = {0};
    Buf why = {0};
    IrFunction *give = graph_entry(graph_parse(&a, &d, text)), *take = ir_clone_function(&a, give);

    ck_assert_int_eq(hold_outputs(give), 2);
    ck_assert_int_eq(hold_inputs(take), 2);
    ck_assert_msg(ir_verify_function(give, &why), "%s", buf_text(&why));
    ck_assert_msg(ir_verify_function(take, &why), "%s", buf_text(&why));
    ck_assert_int_eq(give->body->n_results, 3);
    ck_assert_int_eq(take->body->n_params, 4);
    for (int i = 0; i < 2; i++) {
        const IrType *out = &give->body->results[1 + i]->types[0];
        ck_assert(ir_type_equal(out, &take->body->params[2 + i]->types[0]));
        ck_assert_int_eq(out->rank, i == 0 ? 2 : 1); // every step's, and the one behind the loop
        ck_assert_str_eq(give->outputs[1 + i].name, take->inputs[2 + i].name);
    }
    buf_free(&why);
    arena_free(&a);
    diag_free(&d);
}
END_TEST

// ---- the command --------------------------------------------------------------------------------

static const char *const good[] = {"smooth",   "relu_at_0", "ties", "step",  "always", "constant",
                                   "positive", "open",      "rows", "inner", "second", "loops"};

START_TEST(gradients_are_what_differences_say) {
    cli_expect(&cli, EXIT_OK, "gradcheck $DIR/model.yaml %s --threads=1", good[_i]);
    cli_expect_out(&cli, "differences   worst ");
    ck_assert_ptr_null(strstr(buf_text(&cli.out), "ABOVE"));
}
END_TEST

START_TEST(kinks_are_told_and_left) {
    cli_expect(&cli, EXIT_OK, "gradcheck $DIR/model.yaml relu_at_0 ties --target=ref");
    cli_expect_out(&cli, "moved off kinks");
    cli_expect(&cli, EXIT_OK, "gradcheck $DIR/model.yaml positive --target=ref");
    cli_expect_out(&cli, "positive values");
}
END_TEST

START_TEST(what_cannot_be_checked_is_told) {
    cli_expect(&cli, EXIT_CHECK, "gradcheck $DIR/model.yaml nowhere --target=ref");
    cli_expect_out(&cli, "not finite at random values: give some with --data");
    cli_expect(&cli, EXIT_CHECK, "gradcheck $DIR/model.yaml never");
    cli_expect_out(&cli, "nothing to differentiate");
    cli_expect(&cli, EXIT_CHECK, "gradcheck $DIR/model.yaml anything");
    cli_expect_out(&cli, "generic");
    cli_expect(&cli, EXIT_CHECK, "gradcheck models/gssm.yaml fit");
    cli_expect_out(&cli, "a program: check the function that it minimises");

    // without names that is no failure, but for what is not finite
    cli_expect(&cli, EXIT_CHECK, "gradcheck $DIR/model.yaml --target=ref --samples=2");
    cli_expect_out(&cli, "\nnever ");
    cli_expect_out(&cli, "\nanything ");
    cli_expect_out(&cli, "\nloops ");
}
END_TEST

START_TEST(what_differences_cannot_tell_is_no_success) {
    cli_expect(&cli, EXIT_CHECK, "gradcheck $DIR/model.yaml inner --tolerance=1e-20 --target=ref");
    cli_expect_out(&cli, "not compared at all: no difference settles"); // at such a tolerance
    cli_expect(&cli, EXIT_BAD_USAGE, "gradcheck $DIR/model.yaml inner --tolerance=0");
    cli_expect(&cli, EXIT_BAD_USAGE, "gradcheck $DIR/model.yaml inner --dtype=f32");
    cli_expect(&cli, EXIT_BAD_USAGE, "gradcheck $DIR/model.yaml inne");
    cli_expect_err(&cli, "did you mean 'inner'?");
}
END_TEST

START_TEST(results_are_json) {
    cli_expect(&cli, EXIT_OK,
               "gradcheck $DIR/model.yaml smooth never second --json --target=ref "
               "|| true");
    cJSON *all = cJSON_Parse(buf_text(&cli.out));
    ck_assert_msg(all != NULL, "%s", buf_text(&cli.out));
    const cJSON *functions = cJSON_GetObjectItem(all, "functions");
    ck_assert_int_eq(cJSON_GetArraySize(functions), 3);
    const cJSON *second = NULL, *one;
    cJSON_ArrayForEach(one, functions) {
        if (strcmp(cJSON_GetObjectItem(one, "name")->valuestring, "second") == 0)
            second = one;
    }
    ck_assert(cJSON_IsTrue(cJSON_GetObjectItem(second, "ok")));
    ck_assert_double_lt(cJSON_GetObjectItem(second, "worst")->valuedouble, 1e-6);
    const cJSON *arrays = cJSON_GetObjectItem(second, "arrays");
    ck_assert_int_eq(cJSON_GetArraySize(arrays), 4); // x, u, w, all together
    cJSON_Delete(all);
}
END_TEST

// The reference data of GSSM: parameters, inputs and draws from a file.
START_TEST(data_give_the_point) {
    cli_expect(&cli, EXIT_OK,
               "gradcheck models/gssm.yaml loss --set hidden=20 --samples=1 "
               "--data=tests/data/gssm.safetensors");
    cli_expect_out(&cli, "loss ");
    cli_expect(&cli, EXIT_BAD_USAGE,
               "gradcheck models/gssm.yaml --data=tests/data/gssm.safetensors");
    cli_expect_err(&cli, "--data is for one function: name it");
    cli_expect(&cli, EXIT_BAD_INPUT,
               "gradcheck models/gssm.yaml loss --data=tests/data/gssm.safetensors");
    cli_expect_err(&cli, "in the data, but the function takes");
    cli_expect(&cli, EXIT_BAD_USAGE,
               "gradcheck models/gssm.yaml loss --data=tests/data/gssm.safetensors --set hidden=20 "
               "--rename=in.xcc:in.xc");
    cli_expect_err(&cli, "no name of the data begins with 'in.xcc'; did you mean 'in.xc'?");
}
END_TEST

// A few coordinates of each array; tools/check-long tries more, of every model.
START_TEST(gradients_of_models) {
    ck_assert_int_eq(
        cli_shell(&cli, "GSSMC=\"$PROGRAM\" tools/each-model gradcheck --samples=2 "
                        "--threads=1 -- gssm.yaml objectives/bptt.yaml lib/nn.yaml l2a.yaml"),
        EXIT_OK);
    cli_expect_out(&cli, "\ncost ");
}
END_TEST

// Losses of objectives with policies that draw; those of tools/models.txt are deterministic.
START_TEST(gradients_of_objectives) {
    static const char *const arguments[] = {
        "objectives/ppo.yaml loss imagine_from --set dynamics.hidden=10 --bind dynamics=gssm "
        "--bind policy=policies/mlp_softmax --bind task=tasks/acrobot",
        "objectives/ppo_encoder.yaml loss --bind encoder=encoders/mean_pool "
        "--bind policy=policies/mlp_gaussian --bind task=tasks/half_cheetah "
        "--bind scale=scales/standard --set policy.log_std_start=0 --set policy.log_std_high=1",
    };
    cli_expect(&cli, EXIT_OK, "gradcheck models/%s --set policy.hidden=10 --samples=3 --threads=1",
               arguments[_i]);
    cli_expect_out(&cli, "\nloss ");
}
END_TEST

static Suite *gradcheck_suite(void) {
    Suite *s = suite_create("gradcheck");

    TCase *library = tcase_create("library");
    tcase_add_test(library, a_wrong_gradient_is_found_with_its_element);
    tcase_add_test(library, values_under_stop_gradient_leave_and_enter_bodies);
    suite_add_tcase(s, library);

    TCase *command = tcase_create("command");
    tcase_add_checked_fixture(command, setup, teardown);
    tcase_set_timeout(command, 300);
    tcase_add_loop_test(command, gradients_are_what_differences_say, 0, sizeof good / sizeof *good);
    tcase_add_test(command, kinks_are_told_and_left);
    tcase_add_test(command, what_cannot_be_checked_is_told);
    tcase_add_test(command, what_differences_cannot_tell_is_no_success);
    tcase_add_test(command, results_are_json);
    tcase_add_test(command, data_give_the_point);
    tcase_add_test(command, gradients_of_models);
    tcase_add_loop_test(command, gradients_of_objectives, 0, 2);
    suite_add_tcase(s, command);
    return s;
}

int main(void) {
    SRunner *r = srunner_create(gradcheck_suite());

    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
