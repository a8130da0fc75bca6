// tests/check_cells.c -- the experiments of the paper, and the controls: each can be trained and
// tested in its profile `quick`, cut short, to the same bytes on one and two threads; and each has
// all profiles.
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "ir/base/exits.h"
#include "tests/support_cli.h"

static const char *const families[] = {"cartpole", "acrobot", "half_cheetah", "slim_humanoid"};
static const char *const systems[] = {"gssm", "mlsm_v0", "mlsm_v1", "m_dpilco",
                                      "l2a",  "dr_ppo",  "pe_ppo"};
enum { N_FAMILIES = 4, N_SYSTEMS = 7, N_CELLS = N_FAMILIES * N_SYSTEMS };

static Cli cli;
static glob_t controls;

static void setup(void) {
    cli_open(&cli, "gssm-run");
}

static void teardown(void) {
    cli_close(&cli);
}

// What makes two iterations of Cart-Pole's policy search take a second; other cells are quick.
static const char *shortened(const char *cell) {
    static const char *const searched[] = {"gssm", "mlsm", "m_dpilco", "controls/cartpole"};

    for (int i = 0; i < 4; i++)
        if (strstr(cell, "cartpole") && strstr(cell, searched[i]))
            return "fit.times=20 improve.times=8 restart.tries=1";
    return "";
}

// Trains `cell` on so many threads; false where a body on MuJoCo is needed and missing.
static bool train(const char *cell, int threads) {
    char arguments[512];

    snprintf(arguments, sizeof arguments,
             "train --quiet --profile=quick --threads=%d --runs=$DIR/%d %s iterations=2 %s", threads,
             threads, cell, shortened(cell));
    int code = cli_run(&cli, arguments);
    if (code == EXIT_MISSING)
        return false;
    ck_assert_msg(code == EXIT_OK, "%s: %d: %s", cell, code, buf_text(&cli.err));
    return true;
}

static void train_and_test(const char *cell) {
    if (!train(cell, 1)) {
        printf("skipped: %s: %s", cell, buf_text(&cli.err));
        return;
    }
    ck_assert_int_eq(cli_shell(&cli, "! grep -E 'nan|inf[,}]|null' $DIR/1/*/events.jsonl"), 0);
    ck_assert(train(cell, 2));
    ck_assert_msg(cli_shell(&cli, "cmp $DIR/1/*/events.jsonl $DIR/2/*/events.jsonl") == 0,
                  "%s: %s", cell, buf_text(&cli.out));
    cli_expect(&cli, EXIT_OK, "test --quiet --threads=1 --tasks=1 --episodes=1 $DIR/1/*");
    cli_expect_out(&cli, "\nscore ");
}

START_TEST(cells_train_and_are_tested) {
    char cell[128];

    snprintf(cell, sizeof cell, "%s/%s", families[_i / N_SYSTEMS], systems[_i % N_SYSTEMS]);
    train_and_test(cell);
}
END_TEST

START_TEST(controls_train_and_are_tested) {
    train_and_test(controls.gl_pathv[_i]);
}
END_TEST

START_TEST(cells_have_all_profiles) {
    static const char *const profiles[] = {"paper", "best"}; // `quick` is trained above

    for (int p = 0; p < 2; p++) {
        char arguments[256];
        snprintf(arguments, sizeof arguments, "train --dry-run --profile=%s %s/%s", profiles[p],
                 families[_i / N_SYSTEMS], systems[_i % N_SYSTEMS]);
        int code = cli_run(&cli, arguments);
        ck_assert_msg(code == EXIT_OK || code == EXIT_MISSING, "%s: %s", arguments,
                      buf_text(&cli.err));
    }
}
END_TEST

static Suite *cells_suite(void) {
    Suite *s = suite_create("cells");
    TCase *all = tcase_create("cells");

    tcase_set_timeout(all, 300);
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_loop_test(all, cells_train_and_are_tested, 0, N_CELLS);
    tcase_add_loop_test(all, controls_train_and_are_tested, 0, (int)controls.gl_pathc);
    tcase_add_loop_test(all, cells_have_all_profiles, 0, N_CELLS);
    suite_add_tcase(s, all);
    return s;
}

int main(void) {
    if (glob("models/experiments/controls/*.yaml", 0, NULL, &controls) != 0)
        return EXIT_FAILURE;
    SRunner *r = srunner_create(cells_suite());
    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    globfree(&controls);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
