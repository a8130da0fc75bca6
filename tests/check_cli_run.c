// tests/check_cli_run.c -- the command line of gssm-run, by running the program.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <cjson/cJSON.h>

#include "ir/base/exits.h"
#include "tests/support_cli.h"

static Cli cli;

static const char tiny[] =
    " iterations=2 fit.times=3 improve.times=2 'dims.objective={K: 3, H: 3}' dynamics.hidden=6"
    " dynamics.width=4 dynamics.latent=2 policy.centres=3 test.tasks=2 test.act.episodes=2 ";

static void setup(void) {
    cli_open(&cli, "gssm-run");
}

static void teardown(void) {
    cli_close(&cli);
}

// Runs the program in the test's folder, with arguments as a shell would take them.
static int run(const char *arguments) {
    return cli_shell(&cli, "cd \"$DIR\" && \"$PROGRAM\" %s", arguments);
}

// The same with the run folder in place of '@'.
static int run_on(const char *folder, const char *arguments) {
    Buf b = {0};

    for (const char *s = arguments; *s; s++) {
        if (*s == '@')
            buf_puts(&b, folder);
        else
            buf_put(&b, s, 1);
    }
    int code = run(b.data);
    buf_free(&b);
    return code;
}

static const struct {
    const char *arguments, *message;
} wrong[] = {
    {"", "gssm-run: say what to do\n"},
    {"trian", "gssm-run: no command is called 'trian'; did you mean 'train'?\n"},
    {"train --sed=3", "gssm-run train: no option is called '--sed'; did you mean '--seed'?\n"},
    {"train --seed", "gssm-run train: --seed needs a value: N\n"},
    {"train --seed=x", "gssm-run train: --seed is 'x', and should be a whole number from 0 on\n"},
    {"train --threads=0",
     "gssm-run train: --threads is '0', and should be a whole number from 1 to 256\n"},
    {"train --quiet=yes", "gssm-run train: --quiet takes no value\n"},
    {"train --target=cpo", "gssm-run train: --target is 'cpo', and should be cpu, ref or cuda; did "
                           "you mean 'cpu'?\n"},
    {"train a b", "gssm-run train: 'b' is a second recipe, after 'a'\n"},
    {"train --seeds=3..1", "gssm-run train: --seeds is '3..1', and should be as 0..4 or 0,1,2\n"},
    {"train --sweep=rate", "gssm-run train: --sweep is 'rate', and should be as KEY=a,b\n"},
    {"train --jobs=0",
     "gssm-run train: --jobs is '0', and should be a whole number from 1 to 1024\n"},
    {"resume --job=2 a", "gssm-run resume: no option is called '--job'; did you mean '--jobs'?\n"},
    {"train --system=gssm default",
     "gssm-run train: --system and --env name recipes, and 'default' is one already\n"},
    {"resume", "gssm-run resume: RUN is missing\n"},
    {"resume a b", "gssm-run resume: 'b' is one argument too many\n"},
    {"test --latent=others a", "gssm-run test: --latent is 'others', and should be own, other or "
                               "zero; did you mean 'other'?\n"},
    {"test --task=m_c=1 --tasks=2 a",
     "gssm-run test: --task gives one task by hand, --tasks draws some: say one of them\n"},
    {"env lst", "gssm-run env: 'lst' is none of ls, bench, check and show; did you mean 'ls'?\n"},
    {"env ls cartpol",
     "gssm-run env: no family of tasks is called 'cartpol'; did you mean 'cartpole'?\n"},
    {"env ls --variant=inertia=1", "gssm-run env: --variant is of one family: name it\n"},
    {"env show cartpole --variant=cost_haf=0",
     "gssm-run env: cartpole has no variant 'cost_haf'; did you mean 'cost_half'?\n"},
    {"table", "gssm-run table: RUN... is missing\n"},
    {"plot a", "gssm-run plot: say where the picture goes: -o FILE.png or -o FILE.svg\n"},
    {"plot a -o b.gif", "gssm-run plot: 'b.gif' ends neither in .png nor in .svg\n"},
    {"plot a -o b.png --x=episode", "gssm-run plot: --x is 'episode', and should be iteration, "
                                    "episodes or timesteps; did you mean 'episodes'?\n"},
    {"plot a -o b.png --budget", "gssm-run plot: --budget counts real episodes or transitions: say "
                                 "--x=episodes or --x=timesteps\n"},
    {"table --format=txt a",
     "gssm-run table: --format is 'txt', and should be text, csv, latex or json; did you mean "
     "'text'?\n"},
};

START_TEST(a_wrong_command_line_is_usage_with_a_hint) {
    char want[256];

    ck_assert_int_eq(run(wrong[_i].arguments), EXIT_BAD_USAGE);
    snprintf(want, sizeof want, "%s", wrong[_i].message);
    ck_assert_msg(strncmp(cli.err.data, want, strlen(want)) == 0, "%s", cli.err.data);
    ck_assert_ptr_nonnull(strstr(cli.err.data, "try 'gssm-run"));
    ck_assert_uint_eq(cli.out.len, 0);
}
END_TEST

static const char *const commands[] = {"train", "resume", "test", "table",
                                       "plot",  "ls",     "show", "env"};

START_TEST(every_command_has_help_and_version) {
    char arguments[64];

    snprintf(arguments, sizeof arguments, "%s --help", commands[_i]);
    ck_assert_int_eq(run(arguments), EXIT_OK);
    ck_assert_ptr_nonnull(strstr(cli.out.data, "usage: gssm-run"));
    ck_assert_ptr_nonnull(strstr(cli.out.data, "--help"));
    snprintf(arguments, sizeof arguments, "%s --version", commands[_i]);
    ck_assert_int_eq(run(arguments), EXIT_OK);
    ck_assert_int_eq(strncmp(cli.out.data, "gssm-run ", 9), 0);
    ck_assert_int_eq(run("--help"), EXIT_OK);
    ck_assert_ptr_nonnull(strstr(cli.out.data, commands[_i]));
}
END_TEST

START_TEST(what_is_not_there_is_told) {
    ck_assert_int_eq(run("resume nothing"), EXIT_MISSING);
    ck_assert_int_eq(run("test nothing"), EXIT_MISSING);
    ck_assert_int_eq(run("show nothing"), EXIT_MISSING);
    ck_assert_int_eq(run("ls nothing"), EXIT_MISSING);
    ck_assert_int_eq(run("train no/such/recipe"), EXIT_BAD_USAGE);
    ck_assert_int_eq(run("train iteration=3"), EXIT_BAD_USAGE);
    ck_assert_ptr_nonnull(strstr(cli.err.data, "did you mean 'iterations'?"));
    ck_assert_ptr_null(strchr(cli.err.data, '\x1b'));
}
END_TEST

START_TEST(families_are_listed_checked_and_shown) {
    ck_assert_int_eq(run("env ls --json"), EXIT_OK);
    cJSON *list = cJSON_Parse(cli.out.data);
    ck_assert_str_eq(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 0), "name")->valuestring,
                     "cartpole");
    cJSON_Delete(list);
    ck_assert_int_eq(run("env ls"), EXIT_OK);
    ck_assert_ptr_nonnull(strstr(cli.out.data, "mass of the cart"));
    ck_assert_int_eq(run("env check"), EXIT_OK);
    ck_assert_ptr_nonnull(strstr(cli.out.data, "transitions are those of the reference data"));
    ck_assert_ptr_null(strstr(cli.out.data, "no reference data"));
    ck_assert_int_eq(run("env show cartpole --task=m_c=1.5"), EXIT_OK);
    ck_assert_ptr_nonnull(strstr(cli.out.data, "\n  25 "));
    ck_assert_ptr_nonnull(strstr(cli.out.data, "# score -"));
    ck_assert_int_eq(run("env show cartpole --task=m_c=99"), EXIT_BAD_USAGE);
    ck_assert_int_eq(run("env bench cartpole --rows=10 --json"), EXIT_OK);
}
END_TEST

START_TEST(reference_data_that_differ_fail_the_check) {
    cli_write(&cli, "cartpole.safetensors", "no such format");
    ck_assert_int_eq(run("env check cartpole --json --data=$DIR"), EXIT_CHECK);
    ck_assert_ptr_nonnull(strstr(cli.out.data, "reference data\", \"holds\": false}"));
    ck_assert_ptr_nonnull(strstr(cli.err.data, "cartpole.safetensors"));
    // Acrobot's episodes are none of Cart-Pole's
    ck_assert_int_eq(
        cli_shell(&cli, "cp tests/data/acrobot.safetensors $DIR/cartpole.safetensors"), EXIT_OK);
    ck_assert_int_eq(run("env check cartpole --data=$DIR"), EXIT_CHECK);
    ck_assert_ptr_nonnull(strstr(cli.err.data, "holds no episodes of cartpole"));
    // data are of the usual variant, whichever is checked otherwise
    ck_assert_int_eq(run("env check cartpole --variant=cost_half=0"), EXIT_OK);
}
END_TEST

// Whether $DIR/name begins as a file of its kind does.
static void check_picture(const char *name, const char *magic) {
    Buf picture = {0};

    cli_read(&cli, &picture, name);
    ck_assert_uint_gt(picture.len, 1000);
    ck_assert_mem_eq(picture.data, magic, strlen(magic));
    buf_free(&picture);
}

START_TEST(episodes_are_drawn) {
    ck_assert_int_eq(run("env show acrobot -o $DIR/a.png"), EXIT_OK);
    ck_assert_ptr_nonnull(strstr(cli.out.data, "a.png: 200 steps, score -1.0"));
    check_picture("a.png", "\x89PNG\r\n");
    ck_assert_int_eq(run("env show cartpole --policy=zero -o $DIR/c.gif"), EXIT_OK);
    check_picture("c.gif", "GIF89a");

    ck_assert_int_eq(run("env show cartpole -o $DIR/c.jpg"), EXIT_BAD_USAGE);
    ck_assert_ptr_nonnull(strstr(cli.err.data, "ends neither in .png nor in .gif"));
    ck_assert_int_eq(run("env show -o $DIR/c.gif"), EXIT_BAD_USAGE);
    ck_assert_int_eq(run("env show cartpole -o $DIR/no/c.gif"), EXIT_CANNOT_CREATE);
    ck_assert_ptr_nonnull(strstr(cli.err.data, "cannot be written"));
    ck_assert_int_eq(run("env show cartpole -o $DIR/no/c.png"), EXIT_CANNOT_CREATE);
}
END_TEST

START_TEST(a_dry_run_shows_the_recipe_and_creates_nothing) {
    char arguments[512];

    snprintf(arguments, sizeof arguments, "train --dry-run --profile=quick --seed 3 -- %s", tiny);
    ck_assert_int_eq(run(arguments), EXIT_OK);
    ck_assert_ptr_nonnull(strstr(cli.out.data, "# resolved recipe"));
    ck_assert_ptr_nonnull(
        strstr(cli.out.data, "# profile quick, models/experiments/imagined/cartpole.yaml:"));
    ck_assert_ptr_nonnull(strstr(cli.out.data, "# command line"));
    ck_assert_ptr_nonnull(
        strstr(cli.out.data, "# real episodes: 4 (2 of new tasks, 2 of iterations)"));
    ck_assert_ptr_nonnull(
        strstr(cli.out.data, "# variant of cartpole: reset_noise=1, cost_half=1, tip_sign=1\n"));
    ck_assert_ptr_nonnull(strstr(cli.out.data, "# time expected:"));
    ck_assert_int_eq(run("ls"), EXIT_MISSING);
}
END_TEST

START_TEST(train_test_table_ls_and_show_go_together) {
    char arguments[512], folder[256];

    snprintf(arguments, sizeof arguments, "train --threads=1 %s", tiny);
    ck_assert_int_eq(run(arguments), EXIT_OK);
    snprintf(folder, sizeof folder, "%.*s", (int)strcspn(cli.out.data, "\n"), cli.out.data);
    ck_assert_str_eq(cli.out.data + strlen(folder), "\n");
    ck_assert_ptr_nonnull(strstr(cli.err.data, "iteration 2"));

    ck_assert_int_eq(run_on(folder, "show @"), EXIT_OK);
    ck_assert_ptr_nonnull(strstr(cli.out.data, "done, 2 of 2 iterations"));
    ck_assert_int_eq(run_on(folder, "table @"), EXIT_BAD_INPUT);
    ck_assert_int_eq(run_on(folder, "test @ --quiet"), EXIT_OK);
    ck_assert_ptr_nonnull(strstr(cli.out.data, "(paper -0.5957)"));
    ck_assert_uint_eq(cli.err.len, 0);
    ck_assert_int_eq(run_on(folder, "test @ --quiet --json --latent=zero"), EXIT_OK);
    cJSON *result = cJSON_Parse(cli.out.data);
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(result, "each")), 2);
    cJSON_Delete(result);
    ck_assert_int_eq(run_on(folder, "test @ --task=m_c=99"), EXIT_BAD_USAGE);
    ck_assert_int_eq(run_on(folder, "test @ --task=m_c=1.2 --quiet"), EXIT_OK);

    ck_assert_int_eq(run_on(folder, "table @ --json"), EXIT_OK);
    cJSON *table = cJSON_Parse(cli.out.data), *row = cJSON_GetArrayItem(table, 0);
    ck_assert_int_eq(cJSON_GetArraySize(table), 1);
    ck_assert_str_eq(cJSON_GetObjectItem(row, "system")->valuestring, "gssm");
    ck_assert_double_eq(cJSON_GetObjectItem(row, "paper_mse")->valuedouble, 0.0291);
    ck_assert_double_eq(cJSON_GetObjectItem(row, "real_episodes")->valuedouble, 4);
    ck_assert_double_eq(cJSON_GetObjectItem(row, "adapt_seconds")->valuedouble, 0);
    ck_assert_double_gt(cJSON_GetObjectItem(row, "belief_seconds")->valuedouble, 0);
    cJSON_Delete(table);
    ck_assert_int_eq(run_on(folder, "table @ --format=csv"), EXIT_OK);
    ck_assert_int_eq(run_on(folder, "table @ --format latex"), EXIT_OK);
    ck_assert_int_eq(run("table runs --by=dynamics.hidden,tasks.iterations_each"), EXIT_OK);
    cli_expect_out(&cli, "dynamics.hidden=6, tasks.iterations_each=10");
    ck_assert_int_eq(run_on(folder, "table @ --by=dynamics.width,no.such"), EXIT_BAD_USAGE);
    cli_expect_err(&cli, "no recipe of these runs has the key 'no.such'");

    // a second test writes the same bytes; what it took stands beside it
    ck_assert_int_eq(run_on(folder, "test @ --quiet --threads=2 --latent=zero"), EXIT_OK);
    ck_assert_int_eq(cli_shell(&cli,
                               "cd \"$DIR/%s/eval\" && cp test_zero_2_2x2.json before &&"
                               " \"$PROGRAM\" test .. -q --latent=zero && cmp before test_zero_2_2x2.json &&"
                               " grep -q belief test_zero_2_2x2.timing.jsonl && rm before",
                               folder),
                     EXIT_OK);

    ck_assert_int_eq(run("ls --json"), EXIT_OK);
    cJSON *list = cJSON_Parse(cli.out.data);
    ck_assert_str_eq(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 0), "state")->valuestring,
                     "done");
    cJSON_Delete(list);
    ck_assert_int_eq(run_on(folder, "show @ --json"), EXIT_OK);
    cJSON *shown = cJSON_Parse(cli.out.data);
    const cJSON *seed = cJSON_GetObjectItem(cJSON_GetObjectItem(shown, "config"), "iterations");
    ck_assert_str_eq(cJSON_GetObjectItem(seed, "value")->valuestring, "2");
    ck_assert_str_eq(cJSON_GetObjectItem(seed, "origin")->valuestring, "command line");
    cJSON_Delete(shown);
}
END_TEST

static const char adapted[] =
    "experiment: adapted\n"
    "base: [experiments/cartpole/gssm]\n"
    "test:\n"
    "  adapt:\n"
    "    refit:\n"
    "      update: dynamics.fit\n"
    "      times: 2\n"
    "      batch: {rows: 50, as: random}\n"
    "      context: {rows: uniform}\n"
    "      settings: {rate: 1e-3}\n";

// Tests the run `run` with a folder in the place of its result, so that what is known of the tasks
// is left; takes all but two tasks of it away; tests again.
static const char cut_off[] =
    "cd \"$DIR/run/eval\" && mkdir test_own_2_4x2.json &&"
    " { \"$PROGRAM\" test -q ..; [ $? = 74 ]; } && rmdir test_own_2_4x2.json &&"
    " p=test_own_2_4x2.partial.jsonl && head -n 3 $p >part && printf '{\"task\":2,' >>part && mv part $p &&"
    " \"$PROGRAM\" test .. && [ ! -e $p ]";

START_TEST(a_test_that_was_cut_off_goes_on_to_the_same_bytes) {
    char arguments[512];

    cli_write(&cli, "adapted.yaml", adapted);
    snprintf(arguments, sizeof arguments, "train -q adapted.yaml %s test.tasks=4", tiny);
    ck_assert_int_eq(run(arguments), EXIT_OK);
    ck_assert_int_eq(cli_shell(&cli, "cd $DIR && mv runs/* run && cp -r run whole"), EXIT_OK);
    ck_assert_int_eq(run("test -q whole"), EXIT_OK);
    ck_assert_int_eq(cli_shell(&cli, cut_off), EXIT_OK);
    cli_expect_err(&cli, "going on: 2 of 4 tasks were tested before\n");
    ck_assert_int_eq(cli_shell(&cli, "cd $DIR && cmp whole/eval/test_own_2_4x2.json run/eval/test_own_2_4x2.json"
                                     " && grep -c '\"event\":\"task\"' run/eval/*.timing.jsonl"),
                     EXIT_OK);
    ck_assert_str_eq(cli.out.data, "4\n");
    ck_assert_int_eq(run("table run --json"), EXIT_OK);
    cJSON *table = cJSON_Parse(cli.out.data);
    const cJSON *adapt = cJSON_GetObjectItem(cJSON_GetArrayItem(table, 0), "adapt_seconds");
    ck_assert_double_gt(adapt->valuedouble, 0);
    cJSON_Delete(table);

    // what another recipe left is not taken
    ck_assert_int_eq(cli_shell(&cli, "cd $DIR/run/eval && printf '{\"tested\":\"x\"}\\n{\"task\":0,\"score\":9}\\n'"
                                     " >test_own_2_4x2.partial.jsonl && rm *.json && \"$PROGRAM\" test .. &&"
                                     " cmp $DIR/whole/eval/test_own_2_4x2.json test_own_2_4x2.json"),
                     EXIT_OK);
    ck_assert_ptr_null(strstr(cli.err.data, "going on"));
}
END_TEST

// ---- sweeps -------------------------------------------------------------------------------------

// The number of runs that `ls` lists in `state`.
static int count_runs(const char *state) {
    int n = 0;

    ck_assert_int_eq(run("ls --json"), EXIT_OK);
    cJSON *list = cJSON_Parse(cli.out.data), *item;
    cJSON_ArrayForEach(item, list)
        n += strcmp(cJSON_GetObjectItem(item, "state")->valuestring, state) == 0;
    cJSON_Delete(list);
    return n;
}

// Runs a command that prints the folder of a sweep, and keeps that in `folder`.
static void run_sweep(int code, char folder[256], const char *arguments) {
    ck_assert_int_eq(run(arguments), code);
    snprintf(folder, 256, "%.*s", (int)strcspn(cli.out.data, "\n"), cli.out.data);
    ck_assert_str_eq(cli.out.data + strlen(folder), "\n");
}

START_TEST(seeds_and_sweeps_make_several_runs) {
    char arguments[512], folder[256];

    snprintf(arguments, sizeof arguments, "train --seeds=0..1 --sweep fit.times=2,3 --test %s",
             tiny);
    run_sweep(EXIT_OK, folder, arguments);
    cli_expect_err(&cli, "started: cartpole__gssm__0__000-fit.times-2\n");
    cli_expect_err(&cli, "done: cartpole__gssm__1__003-fit.times-3, ");
    cli_expect_err(&cli, "\n4 of 4 runs done, 0 failed\n");
    ck_assert_int_eq(count_runs("done"), 4);

    // seeds are one line, values of the key are lines of their own
    ck_assert_int_eq(run_on(folder, "table @ --json"), EXIT_OK);
    cJSON *table = cJSON_Parse(cli.out.data), *row = cJSON_GetArrayItem(table, 1);
    ck_assert_int_eq(cJSON_GetArraySize(table), 2);
    ck_assert_str_eq(cJSON_GetObjectItem(row, "swept")->valuestring, "fit.times=3");
    ck_assert_int_eq(cJSON_GetObjectItem(row, "seeds")->valueint, 2);
    cJSON_Delete(table);

    // and so they are drawn
    ck_assert_int_eq(run_on(folder, "plot @ -o $DIR/a.png --smooth=2"), EXIT_OK);
    cli_expect_out(&cli, "a.png: rollout/score of 4 runs, 1 panels, 2 lines\n");
    check_picture("a.png", "\x89PNG\r\n");
    ck_assert_int_eq(run_on(folder, "plot @ -o $DIR/a.svg --x=episodes --tag=model/mse"), EXIT_OK);
    check_picture("a.svg", "<?xml");
    ck_assert_int_eq(run_on(folder, "plot @ -o $DIR/no/a.svg"), EXIT_CANNOT_CREATE);
    ck_assert_int_eq(run_on(folder, "plot @ -o b.png --tag=rollout/scor"), EXIT_BAD_INPUT);
    cli_expect_err(&cli, "has no 'rollout/scor'");
    ck_assert_int_eq(run_on(folder, "plot @ -o b.png --x=episodes --budget"), EXIT_BAD_INPUT);
    cli_expect_err(&cli, "all of these runs have a model; --budget draws those without");

    // nothing is left to do; a run that is gone is made again, with the same events
    ck_assert_int_eq(run_on(folder, "resume @"), EXIT_OK);
    ck_assert_ptr_null(strstr(cli.err.data, "started"));
    ck_assert_int_eq(cli_shell(&cli,
                               "cd \"$DIR/%s\" && mv cartpole__gssm__1__002-fit.times-2 $DIR/old &&"
                               " rm cartpole__gssm__0__000-fit.times-2/eval/*",
                               folder),
                     EXIT_OK);
    ck_assert_int_eq(run_on(folder, "resume @ --jobs=1"), EXIT_OK);
    cli_expect_err(&cli, "going on: cartpole__gssm__0__000-fit.times-2\n");
    cli_expect_err(&cli, "started: cartpole__gssm__1__002-fit.times-2\n");
    ck_assert_int_eq(
        cli_shell(&cli, "cd $DIR/%s/cartpole__gssm__1__002-fit.times-2 &&"
                        " cmp events.jsonl $DIR/old/events.jsonl && cmp config.yaml $DIR/old/config.yaml"
                        " && ls eval/*.json ../cartpole__gssm__0__000-fit.times-2/eval/*.json",
                  folder),
        EXIT_OK);
}
END_TEST

START_TEST(a_dry_run_of_a_sweep_lists_its_runs) {
    char arguments[512];

    snprintf(arguments, sizeof arguments,
             "train --dry-run --system=gssm,dropout --env=cartpole --seeds=3,5 --jobs=2 --threads=5 "
             "iterations=2 test.tasks=2");
    ck_assert_int_eq(run(arguments), EXIT_OK);
    cli_expect_out(&cli, "cartpole__gssm__3__000  cartpole/gssm, profile paper: 2 iterations, 4 real");
    cli_expect_out(&cli, "cartpole__dropout__5__003  cartpole/dropout");
    cli_expect_out(&cli, "\n4 runs, 2 at once, threads of each: 2\n");
    ck_assert_int_eq(run("ls"), EXIT_MISSING);
}
END_TEST

START_TEST(one_bad_recipe_of_a_sweep_begins_nothing) {
    ck_assert_int_eq(run("train --system=gssm,gsm --env=cartpole"), EXIT_BAD_USAGE);
    cli_expect_err(&cli, "there is no recipe 'cartpole/gsm'");
    cli_expect_err(&cli, "did you mean 'cartpole/gssm'?");
    ck_assert_int_eq(run("train --sweep fit.tmes=1,2 default"), EXIT_BAD_USAGE);
    cli_expect_err(&cli, "did you mean 'times'?");
    ck_assert_int_eq(run("ls"), EXIT_MISSING);
}
END_TEST

// The first run's recipe is spoilt once the sweep has begun.
START_TEST(a_run_that_fails_is_told_and_the_others_go_on) {
    char arguments[512], folder[256];

    snprintf(arguments, sizeof arguments, "train -q --seeds=0..2 --jobs=1 %s", tiny);
    run_sweep(EXIT_OK, folder, arguments);
    ck_assert_int_eq(cli_shell(&cli,
                               "cd $DIR/%s && rm -r cartpole__gssm__0__000 cartpole__gssm__2__002 &&"
                               " echo 'iterations: x' >recipes/cartpole__gssm__0__000.yaml",
                               folder),
                     EXIT_OK);
    ck_assert_int_eq(run_on(folder, "resume @"), EXIT_BAD_INPUT);
    cli_expect_err(&cli, "failed: cartpole__gssm__0__000: ");
    cli_expect_err(&cli, "(exit code 65); see ");
    cli_expect_err(&cli, "2 of 3 runs done, 1 failed; to go on: gssm-run resume ");
    ck_assert_int_eq(count_runs("done"), 2);
}
END_TEST

// Begins a long sweep of three, two at once, and stops it when the second run has done an iteration.
static const char stopped[] =
    "cd \"$DIR\"; \"$PROGRAM\" train --seeds=0..2 --jobs=2 --threads=2 %s iterations=200000 >out 2>err &\n"
    "p=$!; for i in $(seq 600); do\n"
    "    [ -f \"$(cat out)/cartpole__gssm__1__001/progress.csv\" ] && break; sleep 0.1\n"
    "done; kill -TERM $p; wait $p; [ $? = 75 ] || exit 1; cat out; cat err >&2";

START_TEST(a_sweep_that_is_stopped_goes_on) {
    char folder[256];

    ck_assert_int_eq(cli_shell(&cli, stopped, tiny), EXIT_OK);
    snprintf(folder, sizeof folder, "%.*s", (int)strcspn(cli.out.data, "\n"), cli.out.data);
    cli_expect_err(&cli, "stopped: cartpole__gssm__1__001\n");
    cli_expect_err(&cli, "0 of 3 runs done, 0 failed; to go on: gssm-run resume ");
    ck_assert_int_eq(count_runs("stopped"), 2);

    // those that were stopped go on where they were
    ck_assert_int_eq(cli_shell(&cli,
                               "cd \"$DIR\"; \"$PROGRAM\" resume --jobs=2 %s >out 2>err & p=$!; sleep 1;"
                               " kill -TERM $p; wait $p; [ $? = 75 ] || exit 1; cat err >&2",
                               folder),
                     EXIT_OK);
    cli_expect_err(&cli, "going on: cartpole__gssm__0__000\n");
    cli_expect_err(&cli, "going on: cartpole__gssm__1__001\n");
}
END_TEST

// A run with a model takes 4 real episodes; the budget of them is drawn beside one without.
START_TEST(the_budget_of_runs_with_a_model_is_drawn) {
    char arguments[512];

    snprintf(arguments, sizeof arguments, "train -q --runs=a %s", tiny);
    ck_assert_int_eq(run(arguments), EXIT_OK);
    ck_assert_int_eq(cli_shell(&cli, "cd $DIR; mv a/* a/model && cp -r a/model a/free &&"
                                     " sed -i '/^  measure:/d; s/^system: gssm/system: free/' "
                                     "a/free/config.yaml"),
                     EXIT_OK);
    ck_assert_int_eq(run("plot a/model a/free --x=episodes --budget -o b.svg"), EXIT_OK);
    cli_expect_out(&cli, "b.svg: rollout/score of 2 runs, 1 panels, 1 lines\n");
    check_picture("b.svg", "<?xml");
}
END_TEST

START_TEST(what_is_no_sweep_is_told) {
    cli_write(&cli, "sweep.json", "{\"schema\": 2}");
    ck_assert_int_eq(run("resume ."), EXIT_BAD_INPUT);
    cli_expect_err(&cli, "is not the file of a sweep, or one of another version");
    ck_assert_int_eq(run("table ."), EXIT_BAD_INPUT);
    cli_expect_err(&cli, "'.' is neither a run nor a folder of runs");
}
END_TEST

static Suite *cli_suite(void) {
    Suite *s = suite_create("cli_run");

    TCase *usage = tcase_create("usage");
    tcase_add_checked_fixture(usage, setup, teardown);
    tcase_set_timeout(usage, 60);
    tcase_add_loop_test(usage, a_wrong_command_line_is_usage_with_a_hint, 0,
                        sizeof wrong / sizeof *wrong);
    tcase_add_loop_test(usage, every_command_has_help_and_version, 0,
                        sizeof commands / sizeof *commands);
    tcase_add_test(usage, what_is_not_there_is_told);
    tcase_add_test(usage, families_are_listed_checked_and_shown);
    tcase_add_test(usage, reference_data_that_differ_fail_the_check);
    tcase_add_test(usage, episodes_are_drawn);
    suite_add_tcase(s, usage);

    TCase *runs = tcase_create("runs");
    tcase_add_checked_fixture(runs, setup, teardown);
    tcase_set_timeout(runs, 600);
    tcase_add_test(runs, a_dry_run_shows_the_recipe_and_creates_nothing);
    tcase_add_test(runs, train_test_table_ls_and_show_go_together);
    tcase_add_test(runs, a_test_that_was_cut_off_goes_on_to_the_same_bytes);
    tcase_add_test(runs, seeds_and_sweeps_make_several_runs);
    tcase_add_test(runs, a_dry_run_of_a_sweep_lists_its_runs);
    tcase_add_test(runs, one_bad_recipe_of_a_sweep_begins_nothing);
    tcase_add_test(runs, a_run_that_fails_is_told_and_the_others_go_on);
    tcase_add_test(runs, a_sweep_that_is_stopped_goes_on);
    tcase_add_test(runs, what_is_no_sweep_is_told);
    tcase_add_test(runs, the_budget_of_runs_with_a_model_is_drawn);
    suite_add_tcase(s, runs);
    return s;
}

int main(void) {
    SRunner *r = srunner_create(cli_suite());

    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
