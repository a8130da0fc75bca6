// runtime/train/recipe.h -- an experiment: what is bound, trained, tested and compared.
//
// A recipe is YAML, laid together from layers: the files of its `base:` list in order, the file's
// own keys, the chosen profile, what further files say above it, and KEY=VALUE of the command line.
// Everything in it is checked before anything is created. docs/experiments.md describes the keys.
#ifndef RUNTIME_TRAIN_RECIPE_H
#define RUNTIME_TRAIN_RECIPE_H

#include "envs/env.h"
#include "ir/lang/lang.h"
#include "runtime/train/read.h"
#include "runtime/train/stage.h"
#include "runtime/train/tree.h"

// How a policy and a model are tested on unseen tasks (paper, algorithm 2).
typedef struct RtTest {
    int64_t tasks;
    int64_t seed;        // of the tasks and all streams: the same tests for every training seed
    const char *latent;  // "own", "other" or "zero": whose task the actor's carry is made from
    RtStage *context;    // episodes of each task that are its context
    RtStage *model;      // further episodes, which the model is measured on; or NULL
    const char *measure; // function that measures it: "dynamics.loss"
    Loc measure_loc;
    int64_t window_rows, window_context; // of transitions one after the other, where it takes them
    RtStages adapt; // on a copy of the state, before the model is measured and the actor acts
    RtStage *act;
} RtTest;

typedef struct RtRecipe {
    Arena arena;
    Diag diag; // files of all places, and the errors
    RtOrigins origins;
    Yaml *root; // as merged

    const char *experiment, *system, *env, *profile, *target;
    const EnvFamily *family;
    double variant[ENV_VARIANT_MAX]; // of the family
    int64_t seed, iterations, checkpoints;
    int64_t iterations_each; // until other tasks are current
    int64_t at_once;         // current tasks
    int64_t pool;            // tasks in all, which are met again in turn; 0: always new ones
    bool redrawn;            // every episode has a task of its own (FACTS 11.6)
    IrDtype real;

    const LangPair *binds, *sets, *dims;
    int n_binds, n_sets, n_dims;
    const char *state; // function that makes states of observations, or NULL
    Loc state_loc;
    const RtEntry *fields; // of a transition as programs see it: x: task.input
    int n_fields;
    RtStages every_task, every_iteration;
    const RtEntry *log; // tags of the iteration's record: expressions over outputs
    int n_log;
    RtTest test;

    // the paper's figures with their spread across tasks, and its seconds to adapt to a task; NAN
    // where it has none
    double paper_score, paper_mse, paper_seconds;
    double paper_score_sd, paper_mse_sd, paper_seconds_sd;
    const char **departs;          // "model input: ..."
    int n_departs;

    char hash[33]; // of the resolved recipe, places aside
} RtRecipe;

// How a recipe is asked for.
typedef struct RtRecipeDef {
    const char *name;            // path, or name under models/experiments; NULL for "default"
    const char *profile;         // NULL: what the recipe says
    const char *const *settings; // KEY=VALUE
    int n_settings;
} RtRecipeDef;

// Reads and checks a recipe. Errors are in r->diag; gives EXIT_OK, EXIT_BAD_USAGE where the command
// line alone is wrong, or EXIT_BAD_INPUT. The caller frees it in any case.
int rt_recipe_open(RtRecipe *r, const RtRecipeDef *def);
void rt_recipe_free(RtRecipe *r);

// The exit code of the errors so far.
int rt_recipe_code(const RtRecipe *r);

// Puts config.yaml: the resolved recipe, each value with its origin as a comment.
void rt_recipe_print(Buf *b, const RtRecipe *r);

// Reports (E_unknown_name, with the nearest) when no stage gives episodes the label `label`.
void rt_recipe_need_label(RtRecipe *r, const char *label, Loc loc);

// The stage called `name` among those of every task and iteration, those within others too, or NULL.
RtStage *rt_recipe_find_stage(const RtRecipe *r, const char *name);

// The list that stage `s` is of: &r->every_task, &r->every_iteration, &r->test.adapt; or NULL.
const RtStages *rt_recipe_list_of(const RtRecipe *r, const RtStage *s);

// Transitions with label `as` (NULL for all) that a task has when `s` first runs, where no episode
// ends early.
int64_t rt_recipe_rows_before(const RtRecipe *r, const RtStage *s, const char *as);

// Transitions of the longest episode with label `as` that `s` can find in memory.
int64_t rt_recipe_longest(const RtRecipe *r, const RtStage *s, const char *as);

// Tasks that a training meets, and transitions that it keeps, at most.
int64_t rt_recipe_tasks(const RtRecipe *r);
int64_t rt_recipe_transitions(const RtRecipe *r);

// Transitions of one task that the stages of one list collect into memory, with label `as` (NULL for
// all).
int64_t rt_stages_transitions(const RtRecipe *r, const RtStages *s, const char *as);

// The instance called `name` of `bind:`, or NULL with an error at `loc`.
const LangPair *rt_recipe_need_instance(RtRecipe *r, const char *name, Loc loc);

// Keys at the top of a recipe, ending in NULL.
extern const char *const rt_recipe_keys[];

// Reads the layers of a recipe into r->root (recipe_load.c). False with errors in r->diag.
bool rt_recipe_load(RtRecipe *r, const RtRecipeDef *def);

#endif
