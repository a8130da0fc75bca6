// tests/check_recipe.c -- recipes: layers, precedence, origins, and what is refused with what
// words.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "ir/base/exits.h"
#include "runtime/train/formula.h"
#include "runtime/train/recipe.h"

static char dir[64]; // of the test
static RtRecipe recipe;
static int code;

// A recipe of a family that learns nothing, small enough to see all of it.
static const char base_text[] = "experiment: base\n"
                                "env: cartpole\n"
                                "system: none\n"
                                "seed: 1\n"
                                "iterations: 4\n"
                                "bind: {task: tasks/cartpole, actor: actors/random}\n"
                                "transitions: {x: task.input, y: task.target}\n"
                                "every_task:\n"
                                "  explore: {collect: actor, episodes: 2, steps: 25, as: random}\n"
                                "every_iteration:\n"
                                "  act: {collect: actor, episodes: 1, steps: 25}\n"
                                "test:\n"
                                "  tasks: 3\n"
                                "  act: {collect: actor, episodes: 2}\n";

static const char *at(const char *name) {
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void put_file(const char *name, const char *text) {
    FILE *f = fopen(at(name), "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static void setup(void) {
    strcpy(dir, "/tmp/check_recipe_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    put_file("base.yaml", base_text);
    recipe = (RtRecipe){0};
}

static void teardown(void) {
    static const char *const names[] = {"base.yaml", "a.yaml", "b.yaml", "c.yaml", "config.yaml"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(at(names[i]));
    rmdir(dir);
    rt_recipe_free(&recipe);
}

static void open_with(const char *name, const char *profile, const char *const *settings, int n) {
    RtRecipeDef def = {.name = at(name), .profile = profile, .settings = settings, .n_settings = n};

    rt_recipe_free(&recipe);
    code = rt_recipe_open(&recipe, &def);
}

// Opens a recipe that must be good.
static void open_good(const char *name, const char *profile, const char *const *settings, int n) {
    open_with(name, profile, settings, n);
    if (code != EXIT_OK)
        diag_print(&recipe.diag, stderr, false);
    ck_assert_int_eq(code, EXIT_OK);
}

// The origin of a key at the top, or of a key of a map there, without the test's folder.
static const char *origin(const char *first, const char *second) {
    Loc loc;
    Yaml *y = yaml_find_loc(recipe.root, first, &loc);

    ck_assert_ptr_nonnull(y);
    if (second)
        ck_assert_ptr_nonnull(yaml_find_loc(y, second, &loc));
    const char *text = rt_tree_origin(&recipe.arena, &recipe.origins, loc);
    const char *folder = strstr(text, dir);
    if (!folder)
        return text;
    return arena_printf(&recipe.arena, "%.*s%s", (int)(folder - text), text,
                        folder + strlen(dir) + 1);
}

// All messages as they are printed.
static const char *messages(void) {
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    diag_print(&recipe.diag, f, false);
    fclose(f);
    const char *copy = arena_strdup(&recipe.arena, text);
    free(text);
    return copy;
}

// ---- layers -------------------------------------------------------------------------------------

START_TEST(a_recipe_is_read_into_its_parts) {
    open_good("base.yaml", NULL, NULL, 0);
    ck_assert_str_eq(recipe.experiment, "base");
    ck_assert_str_eq(recipe.env, "cartpole");
    ck_assert_str_eq(recipe.profile, "none");
    ck_assert_str_eq(recipe.target, "cpu");
    ck_assert_int_eq(recipe.seed, 1);
    ck_assert_int_eq(recipe.iterations, 4);
    ck_assert_int_eq(recipe.iterations_each, 1);
    ck_assert_int_eq(recipe.n_binds, 2);
    ck_assert_str_eq(recipe.binds[1].name, "actor");
    ck_assert_int_eq(recipe.n_fields, 2);
    ck_assert_int_eq(recipe.every_task.n, 1);
    ck_assert_int_eq(recipe.test.tasks, 3);
    ck_assert(isnan(recipe.paper_score));
    ck_assert_int_eq(rt_stages_transitions(&recipe, &recipe.every_task, "random"), 50);
    ck_assert_int_eq(rt_stages_transitions(&recipe, &recipe.every_task, "act"), 0);
    ck_assert_int_eq(rt_stages_transitions(&recipe, &recipe.every_iteration, NULL), 25);
}
END_TEST

START_TEST(maps_merge_lists_replace_and_null_removes) {
    put_file("a.yaml", "base: [base]\n"
                       "bind: {policy: policies/rbf}\n"
                       "every_task: null\n"
                       "paper: {score: -0.5, mse: 0.1}\n");
    put_file("b.yaml", "base: [a]\npaper: {mse: ~}\ntest: {act: {episodes: 9}}\n");
    open_good("b.yaml", NULL, NULL, 0);
    ck_assert_int_eq(recipe.n_binds, 3);
    ck_assert_int_eq(recipe.every_task.n, 0);
    ck_assert_double_eq(recipe.paper_score, -0.5);
    ck_assert(isnan(recipe.paper_mse));
    const RtCollect *act = recipe.test.act->def;
    ck_assert_int_eq(act->episodes, 9);
    ck_assert_str_eq(recipe.test.act->object, "actor");

    put_file("a.yaml", "base: [base]\nprofile: p\nprofiles: {p: {bind: {other: b}}}\n");
    put_file("b.yaml", "base: [a]\nbind: {actor: null, other: ~}\n");
    open_with("b.yaml", NULL, NULL, 0); // above a profile
    ck_assert_int_eq(yaml_find(recipe.root, "bind")->n, 1);

    put_file("a.yaml", "every_task: null\ntest: {act: {episodes: null, steps: 4}}\n");
    put_file("b.yaml", "base: [base, a]\n");
    open_good("b.yaml", NULL, NULL, 0); // a base takes from those before it
    ck_assert_int_eq(recipe.every_task.n, 0);
    act = recipe.test.act->def;
    ck_assert_int_eq(act->episodes, 1);
    ck_assert_int_eq(act->steps, 4);
    put_file("b.yaml", "base: [a, base]\n");
    open_good("b.yaml", NULL, NULL, 0); // and later ones give again
    ck_assert_int_eq(recipe.every_task.n, 1);

    put_file("a.yaml", "base: [base]\nx: [1, 2]\n");
    put_file("b.yaml", "base: [a]\nx: [3]\n");
    open_with("b.yaml", NULL, NULL, 0);
    ck_assert_int_eq(yaml_find(recipe.root, "x")->n, 1);
}
END_TEST

START_TEST(later_bases_win_over_earlier_ones) {
    put_file("a.yaml", "seed: 2\niterations: 5\n");
    put_file("b.yaml", "seed: 3\n");
    put_file("c.yaml", "base: [base, a, b]\n");
    open_good("c.yaml", NULL, NULL, 0);
    ck_assert_int_eq(recipe.seed, 3);
    ck_assert_int_eq(recipe.iterations, 5);
    put_file("c.yaml", "base: [b, a, base]\n");
    open_good("c.yaml", NULL, NULL, 0);
    ck_assert_int_eq(recipe.seed, 1);
}
END_TEST

START_TEST(base_cell_profile_file_command_line_win_in_this_order) {
    static const char *const setting[] = {"iterations=50"};

    put_file("a.yaml", "base: [base]\niterations: 20\nseed: 20\n"
                       "profiles: {quick: {iterations: 30, seed: 30}, best: {}}\n");
    put_file("b.yaml", "base: [a]\niterations: 40\n");
    open_good("a.yaml", NULL, NULL, 0);
    ck_assert_int_eq(recipe.iterations, 20);
    open_good("a.yaml", "quick", NULL, 0);
    ck_assert_int_eq(recipe.iterations, 30);
    open_good("b.yaml", "quick", NULL, 0);
    ck_assert_int_eq(recipe.iterations, 40);
    ck_assert_int_eq(recipe.seed, 30);
    open_good("b.yaml", "quick", setting, 1);
    ck_assert_int_eq(recipe.iterations, 50);
    ck_assert_str_eq(recipe.profile, "quick");
    ck_assert_str_eq(origin("iterations", NULL), "command line");
    ck_assert_str_eq(origin("seed", NULL), "profile quick, a.yaml:4");
    ck_assert_str_eq(origin("env", NULL), "base.yaml:2");
    ck_assert_str_eq(origin("test", "tasks"), "base.yaml:13");
}
END_TEST

START_TEST(a_recipe_names_its_own_profile) {
    put_file("a.yaml",
             "base: [base]\nprofile: best\nprofiles: {quick: {seed: 3}, best: {seed: 4}}\n");
    open_good("a.yaml", NULL, NULL, 0);
    ck_assert_int_eq(recipe.seed, 4);
    open_good("a.yaml", "quick", NULL, 0);
    ck_assert_int_eq(recipe.seed, 3);
    ck_assert_str_eq(recipe.profile, "quick");
    ck_assert_str_eq(origin("profile", NULL), "command line");
}
END_TEST

START_TEST(keys_are_found_by_stage_and_instance) {
    static const char *const settings[] = {"act.episodes=7", "task.far=10", "test.act.episodes=8",
                                           "explore.steps=5"};

    open_good("base.yaml", NULL, settings, 4);
    const RtCollect *act = rt_recipe_find_stage(&recipe, "act")->def;
    ck_assert_int_eq(act->episodes, 7);
    ck_assert_int_eq(recipe.n_sets, 1);
    ck_assert_str_eq(recipe.sets[0].name, "task.far");
    ck_assert_str_eq(recipe.sets[0].value, "10");
    ck_assert_int_eq(((const RtCollect *)recipe.test.act->def)->episodes, 8);
    ck_assert_int_eq(rt_stages_transitions(&recipe, &recipe.every_task, NULL), 10);
}
END_TEST

START_TEST(a_module_beside_its_recipe_is_found_from_anywhere) {
    char want[256];

    put_file("b.yaml", "module: b\n");
    put_file("a.yaml", "base: [base]\nbind: {actor: b, other: actors/policy, none: nothing}\n");
    open_good("a.yaml", NULL, NULL, 0);
    snprintf(want, sizeof want, "%s/b.yaml", dir);
    ck_assert_str_eq(recipe.binds[1].value, want);
    ck_assert_str_eq(recipe.binds[0].value, "tasks/cartpole");
    ck_assert_str_eq(recipe.binds[2].value, "actors/policy");
    ck_assert_str_eq(recipe.binds[3].value, "nothing");
}
END_TEST

START_TEST(a_resolved_recipe_reads_back_to_the_same) {
    static const char *const settings[] = {"seed=9", "departs={a: \"x: \\\"y\\\", # z\"}"};
    Buf first = {0}, second = {0};

    open_good("base.yaml", NULL, settings, 2);
    char hash[33];
    strcpy(hash, recipe.hash);
    rt_recipe_print(&first, &recipe);
    put_file("config.yaml", first.data);

    open_good("config.yaml", NULL, NULL, 0);
    rt_recipe_print(&second, &recipe);
    ck_assert_str_eq(first.data, second.data);
    ck_assert_str_eq(recipe.hash, hash);
    ck_assert_int_eq(recipe.seed, 9);
    ck_assert_str_eq(recipe.departs[0], "a: x: \"y\", # z");
    ck_assert_str_eq(origin("seed", NULL), "command line");
    buf_free(&first);
    buf_free(&second);
}
END_TEST

START_TEST(the_hash_is_of_values_not_of_places) {
    static const char *const setting[] = {"seed=2"}, *const same[] = {"seed=1"};
    char hash[33];

    open_good("base.yaml", NULL, NULL, 0);
    strcpy(hash, recipe.hash);
    open_good("base.yaml", NULL, same, 1);
    ck_assert_str_eq(recipe.hash, hash);
    open_good("base.yaml", NULL, setting, 1);
    ck_assert_str_ne(recipe.hash, hash);
}
END_TEST

START_TEST(every_experiment_that_comes_along_is_good) {
    static const char *const names[] = {"default", "cartpole/gssm", "cartpole/dropout"};
    static const char *const profiles[] = {NULL, "quick", "paper"};

    for (int i = 0; i < 9; i++) {
        RtRecipeDef def = {.name = names[i / 3], .profile = profiles[i % 3]};
        rt_recipe_free(&recipe);
        code = rt_recipe_open(&recipe, &def);
        if (code != EXIT_OK)
            diag_print(&recipe.diag, stderr, false);
        ck_assert_int_eq(code, EXIT_OK);
    }
}
END_TEST

// ---- mistakes on the command line ---------------------------------------------------------------

static const struct {
    const char *setting, *message;
} bad_settings[] = {
    {"iteration=3", "1:1: error[E0203]: the recipe has no key 'iteration'\n"
                    "   1 | iteration=3\n"
                    "     | ^\n"
                    "command line:1:1: note: did you mean 'iterations'?\n"},
    {"at.episodes=3", "1:1: error[E0203]: the recipe has no key 'at'\n"
                      "   1 | at.episodes=3\n"
                      "     | ^\n"
                      "command line:1:1: note: did you mean 'act'?\n"},
    {"act.episode=3", "1:5: error[E0203]: unknown key 'episode' in the stage 'act'\n"
                      "   1 | act.episode=3\n"
                      "     |     ^\n"
                      "command line:1:5: note: did you mean 'episodes'?\n"},
    {"act.episodes=-1", "1:14: error[E0702]: episodes is '-1', and should be a whole number from 1 "
                        "to 1048576\n"
                        "   1 | act.episodes=-1\n"
                        "     |              ^\n"},
    {"seed=x", "1:6: error[E0702]: seed is 'x', and should be a whole number from 0 on\n"
               "   1 | seed=x\n"
               "     |      ^\n"},
    {"env=cartpol", "1:5: error[E0702]: env is 'cartpol', and no family of tasks is called so\n"
                    "   1 | env=cartpol\n"
                    "     |     ^\n"
                    "command line:1:5: note: did you mean 'cartpole'?\n"},
    {"variant.tip_sing=1", "1:9: error[E0203]: unknown key 'tip_sing' in variant\n"
                           "   1 | variant.tip_sing=1\n"
                           "     |         ^\n"
                           "command line:1:9: note: did you mean 'tip_sign'?\n"},
    {"variant.tip_sign=2", "1:18: error[E0702]: tip_sign is '2', and should be a number from -1 "
                           "to 1\n"
                           "   1 | variant.tip_sign=2\n"
                           "     |                  ^\n"},
    {"dtype=f3", "1:7: error[E0702]: dtype is 'f3', and should be f32 or f64\n"
                 "   1 | dtype=f3\n"
                 "     |       ^\n"
                 "command line:1:7: note: did you mean 'f32'?\n"},
    {"act.collect=actr", "1:13: error[E0201]: nothing is bound as 'actr'\n"
                         "   1 | act.collect=actr\n"
                         "     |             ^\n"
                         "command line:1:13: note: did you mean 'actor'?\n"},
    {"act.context.as=randm", "1:16: error[E0201]: no stage collects episodes as 'randm'\n"
                             "   1 | act.context.as=randm\n"
                             "     |                ^\n"
                             "command line:1:16: note: did you mean 'random'?\n"},
    {"act.steps=0", "1:11: error[E0702]: steps is '0', and should be a whole number from 1 to 1000000\n"
                    "   1 | act.steps=0\n"
                    "     |           ^\n"},
    {"set.tas.far=1", "1:9: error[E0201]: nothing is bound as 'tas'\n"
                      "   1 | set.tas.far=1\n"
                      "     |         ^\n"
                      "command line:1:9: note: did you mean 'task'?\n"},
    {"iterations=", "1:12: error[E0702]: a value is missing\n"
                    "   1 | iterations=\n"
                    "     |            ^\n"},
    {"iterations", "1:1: error[E0702]: 'iterations' is not KEY=VALUE\n"
                   "   1 | iterations\n"
                   "     | ^\n"},
    {"a..b=1", "1:1: error[E0702]: 'a..b' is no key of a recipe\n"
               "   1 | a..b=1\n"
               "     | ^\n"},
    {"profile=quik", "1:9: error[E0702]: the recipe has no profile 'quik'\n"
                     "   1 | profile=quik\n"
                     "     |         ^\n"},
    {"test.latent=owns", "1:13: error[E0702]: latent is 'owns', and should be own, other or zero\n"
                         "   1 | test.latent=owns\n"
                         "     |             ^\n"
                         "command line:1:13: note: did you mean 'own'?\n"},
    {"act.choose=actor", "1:1: error[E0702]: the stage 'act' has two verbs, 'collect' and "
                         "'choose'\n"
                         "   1 | act.choose=actor\n"
                         "     | ^\n"},
    {"act.when=1 +", "1:13: error[E0107]: expected an expression, found the end\n"
                     "   1 | act.when=1 +\n"
                     "     |             ^\n"},
    {"test.act=3", "1:10: error[E0105]: the stage 'act' should be a mapping, not text\n"
                   "   1 | test.act=3\n"
                   "     |          ^\n"},
};
enum { N_BAD_SETTINGS = sizeof bad_settings / sizeof *bad_settings };

START_TEST(a_mistake_on_the_command_line_is_told_and_is_usage) {
    const char *const setting[] = {bad_settings[_i].setting};
    char want[1024];

    open_with("base.yaml", NULL, setting, 1);
    snprintf(want, sizeof want, "command line:%s", bad_settings[_i].message);
    ck_assert_str_eq(messages(), want);
    ck_assert_int_eq(code, EXIT_BAD_USAGE);
}
END_TEST

// ---- mistakes in files --------------------------------------------------------------------------

static const struct {
    const char *text, *message; // a.yaml; with @ for the test's folder
} bad_files[] = {
    {"base: [bse]\n", "@/a.yaml:1:8: error[E0109]: there is no recipe 'bse'\n"
                      "   1 | base: [bse]\n"
                      "     |        ^\n"},
    {"base: [base, a]\n", "@/a.yaml:1:14: error[E0206]: the recipe '@/a.yaml' is a base of "
                          "itself\n"
                          "   1 | base: [base, a]\n"
                          "     |              ^\n"},
    {"base: base\n", "@/a.yaml:1:7: error[E0702]: base is 'base', and should be a list\n"
                     "   1 | base: base\n"
                     "     |       ^\n"},
    {"- 1\n", "@/a.yaml:1:1: error[E0105]: a recipe should be a mapping, not a list\n"
              "   1 | - 1\n"
              "     | ^\n"},
    {"base: [base]\nsead: 3\n", "@/a.yaml:2:1: error[E0203]: unknown key 'sead' in the recipe\n"
                                "   2 | sead: 3\n"
                                "     | ^\n"
                                "@/a.yaml:2:1: note: did you mean 'seed'?\n"},
    {"base: [base]\nprofile: best\nprofiles: {beast: {}}\n",
     "@/a.yaml:2:10: error[E0702]: the recipe has no profile 'best'\n"
     "   2 | profile: best\n"
     "     |          ^\n"
     "@/a.yaml:2:10: note: did you mean 'beast'?\n"},
    {"base: [base]\nevery_iteration:\n  fit: {updat: dynamics.fit}\n",
     "@/a.yaml:3:3: error[E0701]: the stage 'fit' has no verb\n"
     "   3 |   fit: {updat: dynamics.fit}\n"
     "     |   ^\n"
     "@/a.yaml:3:9: note: did you mean 'update'?\n"
     "   3 |   fit: {updat: dynamics.fit}\n"
     "     |         ^\n"
     "@/a.yaml:3:3: note: a verb is one of: collect, update, estimate, imagine, "
     "repeat, choose, evaluate\n"
     "   3 |   fit: {updat: dynamics.fit}\n"
     "     |   ^\n"},
    {"base: [base]\nevery_iteration:\n  fit: {update: task.fit, batch: {rows: 76}}\n",
     "@/a.yaml:3:41: error[E0702]: batch.rows is 76, but a task has only 75 transitions when 'fit' "
     "first runs\n"
     "   3 |   fit: {update: task.fit, batch: {rows: 76}}\n"
     "     |                                         ^\n"},
    {"base: [base]\nevery_iteration:\n"
     "  fit: {update: task.fit, contexts: {rows: 51, as: random}, batch: {rows: 1}}\n",
     "@/a.yaml:3:27: error[E0702]: contexts and batch exclude each other\n"
     "   3 |   fit: {update: task.fit, contexts: {rows: 51, as: random}, batch: {rows: 1}}\n"
     "     |                           ^\n"
     "@/a.yaml:3:44: error[E0702]: contexts.rows is 51, but a task has only 50 transitions "
     "labelled "
     "'random' when 'fit' first runs\n"
     "   3 |   fit: {update: task.fit, contexts: {rows: 51, as: random}, batch: {rows: 1}}\n"
     "     |                                            ^\n"
     "2 errors\n"},
    {"base: [base]\nevery_iteration:\n"
     "  try: {choose: actor, value: v, stages: [fot]}\n  fit: {update: task.fit}\n",
     "@/a.yaml:3:43: error[E0701]: no update or repeat is called 'fot'\n"
     "   3 |   try: {choose: actor, value: v, stages: [fot]}\n"
     "     |                                           ^\n"
     "@/a.yaml:3:43: note: did you mean 'fit'?\n"},
    {"base: [base]\nevery_iteration:\n  try: {choose: actor, stages: []}\n",
     "@/a.yaml:3:8: error[E0401]: the stage 'try' has no 'value'\n"
     "   3 |   try: {choose: actor, stages: []}\n"
     "     |        ^\n"},
    {"base: [base]\nevery_iteration:\n  explore: {collect: actor}\n",
     "@/a.yaml:3:3: error[E0204]: two stages are called 'explore', one of every task\n"
     "   3 |   explore: {collect: actor}\n"
     "     |   ^\n"},
    {"base: [base]\ntest: {act: {update: task.fit, collect: ~, episodes: ~}}\n",
     "@/a.yaml:2:22: error[E0702]: test.act should collect episodes\n"
     "   2 | test: {act: {update: task.fit, collect: ~, episodes: ~}}\n"
     "     |                      ^\n"},
    {"base: [base]\nset: {far: 3}\n",
     "@/a.yaml:2:7: error[E0702]: set.far should be a mapping of an instance's options and "
     "settings\n"
     "   2 | set: {far: 3}\n"
     "     |       ^\n"},
    {"base: [base]\ntransitions: {x: input}\n",
     "@/a.yaml:2:18: error[E0702]: transitions.x should be a function such as task.input\n"
     "   2 | transitions: {x: input}\n"
     "     |                  ^\n"},
    {"base: [base]\nevery_iteration:\n  2x: {collect: actor}\n",
     "@/a.yaml:3:3: error[E0702]: '2x' is no name for a stage\n"
     "   3 |   2x: {collect: actor}\n"
     "     |   ^\n"},
    {"base: [base]\nevery_iteration:\n  fit: {update: fit}\n",
     "@/a.yaml:3:17: error[E0702]: update is 'fit', and should be a program such as dynamics.fit\n"
     "   3 |   fit: {update: fit}\n"
     "     |                 ^\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  dream: {imagine: task.f, starts: {count: 3}}\n"
     "  fit: {update: task.fit, buffer: draem}\n",
     "@/a.yaml:4:35: error[E0701]: no stage is called 'draem'\n"
     "   4 |   fit: {update: task.fit, buffer: draem}\n"
     "     |                                   ^\n"
     "@/a.yaml:4:35: note: did you mean 'dream'?\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  fit: {update: task.fit, buffer: dream}\n"
     "  dream: {imagine: task.f}\n",
     "@/a.yaml:3:35: error[E0702]: 'dream' gives its buffer later: a buffer is of a stage before\n"
     "   3 |   fit: {update: task.fit, buffer: dream}\n"
     "     |                                   ^\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  fit: {update: task.fit, buffer: explore}\n",
     "@/a.yaml:3:35: error[E0702]: 'explore' is a stage of another list, and no buffer outlives its own\n"
     "   3 |   fit: {update: task.fit, buffer: explore}\n"
     "     |                                   ^\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  fit: {update: task.fit, buffer: act, batch: {rows: 3}}\n",
     "@/a.yaml:3:35: error[E0702]: buffer and batch exclude each other\n"
     "   3 |   fit: {update: task.fit, buffer: act, batch: {rows: 3}}\n"
     "     |                                   ^\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  fit: {update: task.fit, batch: {windows: 26}}\n",
     "@/a.yaml:3:44: error[E0702]: batch.windows is 26, but an episode has at most 25 transitions\n"
     "   3 |   fit: {update: task.fit, batch: {windows: 26}}\n"
     "     |                                            ^\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  fit: {update: task.fit, batch: {windows: 76}}\n",
     "@/a.yaml:3:44: error[E0702]: batch.windows is 76, but a task has only 75 transitions when 'fit' first runs\n"
     "   3 |   fit: {update: task.fit, batch: {windows: 76}}\n"
     "     |                                            ^\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  fit: {update: task.fit, batch: {windows: 8, rows: 8}}\n",
     "@/a.yaml:3:44: error[E0702]: windows and rows exclude each other\n"
     "   3 |   fit: {update: task.fit, batch: {windows: 8, rows: 8}}\n"
     "     |                                            ^\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  fit: {update: task.fit, batch: {windows: 8}, context: {rows: 8}}\n",
     "@/a.yaml:3:64: error[E0702]: rows is '8', and should be a whole number from 0 to 7\n"
     "   3 |   fit: {update: task.fit, batch: {windows: 8}, context: {rows: 8}}\n"
     "     |                                                                ^\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  fit: {update: task.fit, batch: {rows: 8, newest: 7}}\n",
     "@/a.yaml:3:52: error[E0702]: newest is '7', and should be a whole number from 8 to 1073741824\n"
     "   3 |   fit: {update: task.fit, batch: {rows: 8, newest: 7}}\n"
     "     |                                                    ^\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  fit: {update: task.fit, every: 5}\n",
     "@/a.yaml:3:34: error[E0702]: every is how often until is looked at, and there is none\n"
     "   3 |   fit: {update: task.fit, every: 5}\n"
     "     |                                  ^\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  dream: {imagine: f}\n",
     "@/a.yaml:3:20: error[E0702]: imagine is 'f', and should be a function such as objective.imagine_from\n"
     "   3 |   dream: {imagine: f}\n"
     "     |                    ^\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  dream: {imagine: task.f, contexts: {rows: 51, as: random}}\n",
     "@/a.yaml:3:45: error[E0702]: contexts.rows is 51, but a task has only 50 transitions labelled 'random' when 'dream' first runs\n"
     "   3 |   dream: {imagine: task.f, contexts: {rows: 51, as: random}}\n"
     "     |                                             ^\n"},
    {"base: [base]\n"
     "every_task: {explore: {when: iteration > 0}, dream: {imagine: task.f, starts: {count: 3, as: act}}}\n",
     "@/a.yaml:2:79: error[E0702]: starts has nothing to begin from: a task has no transitions labelled 'act' when 'dream' first runs\n"
     "   2 | every_task: {explore: {when: iteration > 0}, dream: {imagine: task.f, starts: {count: 3, as: act}}}\n"
     "     |                                                                               ^\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  more: {repeat: 2}\n",
     "@/a.yaml:3:9: error[E0401]: the stage 'more' has no 'stages'\n"
     "   3 |   more: {repeat: 2}\n"
     "     |         ^\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  more: {repeat: 0, stages: {fit: {update: task.fit}}}\n",
     "@/a.yaml:3:18: error[E0702]: repeat is '0', and should be a whole number from 1 to 1000000\n"
     "   3 |   more: {repeat: 0, stages: {fit: {update: task.fit}}}\n"
     "     |                  ^\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  more: {repeat: 2, stages: {again: {collect: actor}}}\n",
     "@/a.yaml:3:30: error[E0702]: the rounds of a repeat cannot collect into memory: say into: buffer\n"
     "   3 |   more: {repeat: 2, stages: {again: {collect: actor}}}\n"
     "     |                              ^\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  more: {repeat: 2, stages: {act: {update: task.fit}}}\n",
     "@/a.yaml:3:30: error[E0204]: two stages are called 'act'\n"
     "   3 |   more: {repeat: 2, stages: {act: {update: task.fit}}}\n"
     "     |                              ^\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  more: {repeat: 2, stages: {dream: {imagine: task.f}}}\n"
     "  fit: {update: task.fit, buffer: more, tims: 3}\n",
     "@/a.yaml:4:41: error[E0203]: unknown key 'tims' in the stage 'fit'\n"
     "   4 |   fit: {update: task.fit, buffer: more, tims: 3}\n"
     "     |                                         ^\n"
     "@/a.yaml:4:41: note: did you mean 'times'?\n"},
    {"base: [base]\n"
     "every_iteration:\n"
     "  scale: {estimate: task, as: randm}\n",
     "@/a.yaml:3:21: error[E0702]: estimate is 'task', and should be a program such as scale.pooled\n"
     "   3 |   scale: {estimate: task, as: randm}\n"
     "     |                     ^\n"
     "@/a.yaml:3:31: error[E0201]: no stage collects episodes as 'randm'\n"
     "   3 |   scale: {estimate: task, as: randm}\n"
     "     |                               ^\n"
     "@/a.yaml:3:31: note: did you mean 'random'?\n"
     "2 errors\n"},
    {"base: [base]\n"
     "test:\n"
     "  context: {collect: actor}\n"
     "  model: {collect: actor}\n"
     "  measure: task.f\n"
     "  adapt: {fit: {update: task.fit, batch: {rows: 3}}, scale: {estimate: task.f}}\n",
     "@/a.yaml:6:42: error[E0401]: batch has no 'as': in test.adapt it would use the transitions of test.model\n"
     "   6 |   adapt: {fit: {update: task.fit, batch: {rows: 3}}, scale: {estimate: task.f}}\n"
     "     |                                          ^\n"
     "@/a.yaml:6:54: error[E0401]: the stage 'scale' has no 'as': in test.adapt it would use the transitions of test.model\n"
     "   6 |   adapt: {fit: {update: task.fit, batch: {rows: 3}}, scale: {estimate: task.f}}\n"
     "     |                                                      ^\n"
     "2 errors\n"},
    {"base: [base]\n"
     "test:\n"
     "  context: {collect: actor, episodes: 2, steps: 5, as: few}\n"
     "  adapt: {fit: {update: task.fit, contexts: {rows: 11, as: few}}, dream: {imagine: task.f, starts: {count: 1, as: random}}}\n",
     "@/a.yaml:4:52: error[E0702]: contexts.rows is 11, but a task has only 10 transitions labelled 'few' when 'fit' first runs\n"
     "   4 | ... adapt: {fit: {update: task.fit, contexts: {rows: 11, as: few}}, dream: {imagine: task.f, starts: {c...\n"
     "     |                                                      ^\n"
     "@/a.yaml:4:100: error[E0702]: starts has nothing to begin from: a task has no transitions labelled 'random' when 'dream' first runs\n"
     "   4 | ... task.fit, contexts: {rows: 11, as: few}}, dream: {imagine: task.f, starts: {count: 1, as: random}}}\n"
     "     |                                                                                ^\n"
     "2 errors\n"},
    {"base: [base]\n"
     "test: {adapt: {look: {evaluate: test}, more: {collect: actor}}}\n",
     "@/a.yaml:2:16: error[E0702]: test.adapt cannot evaluate itself\n"
     "   2 | test: {adapt: {look: {evaluate: test}, more: {collect: actor}}}\n"
     "     |                ^\n"
     "@/a.yaml:2:40: error[E0702]: test.adapt cannot collect into memory: say into: buffer\n"
     "   2 | test: {adapt: {look: {evaluate: test}, more: {collect: actor}}}\n"
     "     |                                        ^\n"
     "2 errors\n"},
};
enum { N_BAD_FILES = sizeof bad_files / sizeof *bad_files };

START_TEST(a_mistake_in_a_file_is_told_with_its_place) {
    Buf want = {0};

    put_file("a.yaml", bad_files[_i].text);
    open_with("a.yaml", NULL, NULL, 0);
    for (const char *s = bad_files[_i].message; *s; s++) {
        if (*s == '@')
            buf_puts(&want, dir);
        else
            buf_put(&want, s, 1);
    }
    ck_assert_str_eq(messages(), want.data);
    ck_assert_int_eq(code, EXIT_BAD_INPUT);
    buf_free(&want);
}
END_TEST

START_TEST(an_unknown_recipe_is_usage) {
    code = rt_recipe_open(&recipe, &(RtRecipeDef){.name = "no/such"});
    ck_assert_int_eq(code, EXIT_BAD_USAGE);
    ck_assert_str_eq(messages(),
                     "command line:1:1: error[E0109]: there is no recipe 'no/such', as a path or "
                     "under models/experiments\n"
                     "   1 | no/such\n"
                     "     | ^\n");
}
END_TEST

// ---- formulas -----------------------------------------------------------------------------------

static const struct {
    const char *text;
    double value;
} formulas[] = {
    {"1e-3 * 0.9 ** (iteration / 10)", 1e-3 * 0.81},
    {"5e-3 * (1 - 0.9 * update / times)", 5e-3 * (1 - 0.9 * 3 / 4)},
    {"imagined_cost > 0.985 or (iteration >= 3 and imagined_cost > 0.6)", 1},
    {"imagined_cost > 0.985", 0},
    {"unknown > 0", 0},
    {"-fit.mse", -0.25},
    {"1 if iteration < 10 else 2", 2},
    {"not true", 0},
    {"7 // 2 + 7 % 4 + -7 // 2", 3 + 3 - 4},
    {"maximum(exp(0), minimum(3, 2))", 2},
    {"iteration != 20", 0},
    {"2 ** 3 ** 2 / 8", 64},
};
enum { N_FORMULAS = sizeof formulas / sizeof *formulas };

static RtVars vars;

static RtFormula *formula(const char *text) {
    const DiagFile *file = diag_add_file(&recipe.diag, "formula", text, strlen(text));
    const Expr *e = expr_parse_text(&recipe.arena, &recipe.diag, text, (Loc){file, 1, 1});

    *rt_vars_ensure(&vars, "iteration") = 20;
    *rt_vars_ensure(&vars, "update") = 3;
    *rt_vars_ensure(&vars, "times") = 4;
    *rt_vars_ensure(&vars, "imagined_cost") = 0.7;
    *rt_vars_ensure(&vars, "fit.mse") = 0.25;
    rt_vars_ensure(&vars, "unknown");
    return e ? rt_formula_new(&recipe.arena, &recipe.diag, e, &vars) : NULL;
}

START_TEST(a_formula_has_a_value) {
    RtFormula *f = formula(formulas[_i].text);

    ck_assert_ptr_nonnull(f);
    ck_assert_double_eq_tol(rt_formula_value(f), formulas[_i].value, 1e-15);
    rt_vars_free(&vars);
}
END_TEST

static const struct {
    const char *text, *message;
} bad_formulas[] = {
    {"iterations + 1", "formula:1:1: error[E0201]: no number is called 'iterations' here\n"
                       "   1 | iterations + 1\n"
                       "     | ^\n"
                       "formula:1:1: note: did you mean 'iteration'?\n"},
    {"iteration @ 2", "formula:1:11: error[E0702]: '@' is no part of a formula\n"
                      "   1 | iteration @ 2\n"
                      "     |           ^\n"},
    {"[1]", "formula:1:1: error[E0702]: a list is no part of a formula\n"
            "   1 | [1]\n"
            "     | ^\n"},
    {"sum(1)",
     "formula:1:1: error[E0202]: a formula calls elementwise functions only, such as exp, "
     "floor, maximum\n"
     "   1 | sum(1)\n"
     "     | ^\n"},
    {"exp(1, 2)", "formula:1:1: error[E0306]: 'exp' takes 1 arguments\n"
                  "   1 | exp(1, 2)\n"
                  "     | ^\n"},
};

START_TEST(a_bad_formula_is_told) {
    ck_assert_ptr_null(formula(bad_formulas[_i].text));
    ck_assert_str_eq(messages(), bad_formulas[_i].message);
    rt_vars_free(&vars);
}
END_TEST

static Suite *recipe_suite(void) {
    Suite *s = suite_create("recipe");

    TCase *layers = tcase_create("layers");
    tcase_add_checked_fixture(layers, setup, teardown);
    tcase_add_test(layers, a_recipe_is_read_into_its_parts);
    tcase_add_test(layers, maps_merge_lists_replace_and_null_removes);
    tcase_add_test(layers, later_bases_win_over_earlier_ones);
    tcase_add_test(layers, base_cell_profile_file_command_line_win_in_this_order);
    tcase_add_test(layers, a_recipe_names_its_own_profile);
    tcase_add_test(layers, keys_are_found_by_stage_and_instance);
    tcase_add_test(layers, a_module_beside_its_recipe_is_found_from_anywhere);
    tcase_add_test(layers, a_resolved_recipe_reads_back_to_the_same);
    tcase_add_test(layers, the_hash_is_of_values_not_of_places);
    tcase_add_test(layers, every_experiment_that_comes_along_is_good);
    suite_add_tcase(s, layers);

    TCase *mistakes = tcase_create("mistakes");
    tcase_add_checked_fixture(mistakes, setup, teardown);
    tcase_add_loop_test(mistakes, a_mistake_on_the_command_line_is_told_and_is_usage, 0,
                        N_BAD_SETTINGS);
    tcase_add_loop_test(mistakes, a_mistake_in_a_file_is_told_with_its_place, 0, N_BAD_FILES);
    tcase_add_test(mistakes, an_unknown_recipe_is_usage);
    suite_add_tcase(s, mistakes);

    TCase *numbers = tcase_create("formulas");
    tcase_add_checked_fixture(numbers, setup, teardown);
    tcase_add_loop_test(numbers, a_formula_has_a_value, 0, N_FORMULAS);
    tcase_add_loop_test(numbers, a_bad_formula_is_told, 0,
                        sizeof bad_formulas / sizeof *bad_formulas);
    suite_add_tcase(s, numbers);
    return s;
}

int main(void) {
    SRunner *r = srunner_create(recipe_suite());

    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
