// tests/check_compile.c -- what there is to compile, which is what compiling costs.
//
// tools/compile-time measures the seconds.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/exits.h"
#include "tests/support_cli.h"

static Cli cli;

static void setup(void) {
    cli_open(&cli, "gssmc");
}

static void teardown(void) {
    cli_close(&cli);
}

// Kernels that the program calls, and how many of them differ.
typedef struct Kernels {
    int calls, distinct;
} Kernels;

static Kernels compile(const char *arguments) {
    Kernels k = {0};
    cli_expect(&cli, EXIT_OK, "compile %s --target=ref", arguments);
    const char *line = strstr(buf_text(&cli.out), "  work ");
    ck_assert_ptr_nonnull(line);
    ck_assert_int_eq(sscanf(line, "  work %d kernels (%d distinct)", &k.calls, &k.distinct), 2);
    return k;
}

static const struct {
    const char *program, *shallow, *deep;
} nets[] = {
    {"models/gssm.yaml fit -D dx=24 -D dy=19 --set hidden=40", "decoder_depth=5",
     "decoder_depth=40"},
    {"models/m_dpilco.yaml fit -D dx=24 -D dy=19 --set hidden=40", "decoder_depth=5",
     "decoder_depth=10"},
    {"models/l2a.yaml fit -D dx=24 -D dy=19 --set hidden=40", "depth=5", "depth=10"},
};

// Layers of one size are compiled once.
START_TEST(depth_adds_calls_but_no_kernels) {
    char arguments[256];
    snprintf(arguments, sizeof arguments, "%s --set %s", nets[_i].program, nets[_i].shallow);
    Kernels shallow = compile(arguments);
    snprintf(arguments, sizeof arguments, "%s --set %s", nets[_i].program, nets[_i].deep);
    Kernels deep = compile(arguments);
    ck_assert_int_gt(deep.calls, shallow.calls);
    ck_assert_int_eq(deep.distinct, shallow.distinct);
}
END_TEST

// Ten updates in one call are a loop.
START_TEST(updates_add_no_kernels) {
    static const char ppo[] =
        "models/objectives/ppo.yaml step --bind policy=policies/mlp_gaussian -D updates=";
    char arguments[256];
    snprintf(arguments, sizeof arguments, "%s2", ppo);
    Kernels two = compile(arguments);
    snprintf(arguments, sizeof arguments, "%s10", ppo);
    Kernels ten = compile(arguments);
    ck_assert_int_eq(ten.distinct, two.distinct);
    ck_assert_int_eq(ten.calls, two.calls);
}
END_TEST

int main(void) {
    Suite *s = suite_create("compile");

    TCase *kernels = tcase_create("kernels");
    tcase_add_checked_fixture(kernels, setup, teardown);
    tcase_set_timeout(kernels, 60);
    tcase_add_loop_test(kernels, depth_adds_calls_but_no_kernels, 0,
                        (int)(sizeof nets / sizeof *nets));
    tcase_add_test(kernels, updates_add_no_kernels);
    suite_add_tcase(s, kernels);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
