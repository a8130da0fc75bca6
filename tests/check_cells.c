// tests/check_cells.c -- the experiments of the paper, and the controls: each can be trained and
// tested in its profile `quick`, cut short, to the same bytes on one and two threads, and after its
// last commit was lost; those of the paper to the bytes that were recorded; and each has all
// profiles.
//
// tests/golden/cells.txt has a hash of each cell's events. Its first line tells the C library that
// they were recorded with: another one may round its functions otherwise, and is not compared.
// UPDATE_GOLDEN=1 records them anew (tools/update-golden).
#include <glob.h>
#include <gnu/libc-version.h>
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

// The run on two threads goes on without its last commit.
static void lose_a_commit(void) {
    ck_assert_int_eq(cli_shell(&cli, "truncate -s 1000 $DIR/2/*/checkpoints/000002.safetensors"), 0);
    ck_assert_msg(cli_shell(&cli, "$PROGRAM resume --quiet --threads=2 $DIR/2/*") == EXIT_OK, "%s",
                  buf_text(&cli.err));
}

// Trains and tests; false where a body on MuJoCo is needed and missing.
static bool train_and_test(const char *cell) {
    if (!train(cell, 1)) {
        printf("skipped: %s: %s", cell, buf_text(&cli.err));
        return false;
    }
    ck_assert_int_eq(cli_shell(&cli, "! grep -E 'nan|inf[,}]|null' $DIR/1/*/events.jsonl"), 0);
    ck_assert(train(cell, 2));
    lose_a_commit();
    ck_assert_msg(cli_shell(&cli, "cmp $DIR/1/*/events.jsonl $DIR/2/*/events.jsonl") == 0,
                  "%s: %s", cell, buf_text(&cli.out));
    cli_expect(&cli, EXIT_OK, "test --quiet --threads=1 --tasks=1 --episodes=1 $DIR/1/*");
    cli_expect_out(&cli, "\nscore ");
    return true;
}

// ---- what was recorded

static const char golden_path[] = "tests/golden/cells.txt";

static void put_origin(char text[64]) {
    snprintf(text, 64, "# glibc %s\n", gnu_get_libc_version());
}

// The line of the cell that was trained last: a hash of its events, and its name.
static void put_line(char text[256], const char *cell) {
    ck_assert_int_eq(cli_shell(&cli, "sha256sum < $(echo $DIR/1/*)/events.jsonl | cut -c 1-32"), 0);
    snprintf(text, 256, "%.32s %s\n", buf_text(&cli.out), cell);
}

static void record(const char *cell, const char *line) {
    char origin[64];
    bool first = strcmp(cell, "cartpole/gssm") == 0;
    FILE *f = fopen(golden_path, first ? "w" : "a");

    ck_assert_ptr_nonnull(f);
    put_origin(origin);
    fprintf(f, "%s%s", first ? origin : "", line);
    fclose(f);
}

static void compare(const char *cell, const char *line) {
    char origin[64], why[256];
    Buf golden = {0};

    put_origin(origin);
    ck_assert_msg(buf_read_file(&golden, golden_path, 0, why, sizeof why), "%s", why);
    if (strncmp(buf_text(&golden), origin, strlen(origin)) != 0)
        printf("skipped: %s is not compared with what another C library gave\n", cell);
    else
        ck_assert_msg(strstr(buf_text(&golden), line) != NULL,
                      "%s: other bytes than recorded; tools/update-golden records them anew", cell);
    buf_free(&golden);
}

// ---- tests

START_TEST(cells_train_and_are_tested) {
    char cell[128], line[256];

    snprintf(cell, sizeof cell, "%s/%s", families[_i / N_SYSTEMS], systems[_i % N_SYSTEMS]);
    if (!train_and_test(cell))
        return;
    put_line(line, cell);
    if (getenv("UPDATE_GOLDEN"))
        record(cell, line);
    else
        compare(cell, line);
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
