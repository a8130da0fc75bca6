// runtime/train/actor.h -- an actor in real episodes: `begin` once, `step` for every action.
//
// Rows are episodes of one task, run side by side on one EnvBatch. What `begin` gives is carried
// from step to step: output `z` of begin is input `carry.z` of the first step, and output `carry.z`
// of each step is that input of the next. What it means is the actor's own matter.
#ifndef RUNTIME_TRAIN_ACTOR_H
#define RUNTIME_TRAIN_ACTOR_H

#include "runtime/train/scene.h"

typedef struct RtActor RtActor;

// Requests the programs of the actor that instance `name` is. False with an error at `loc`.
bool rt_actor_ask(const char *name, Loc loc, RtWorld *w);

// A task of a rollout, and the transitions of it that the actor's belief is made from.
typedef struct RtRolloutTask {
    const double *params;
    const int64_t *context;
    int64_t n_context;
} RtRolloutTask;

// How episodes are run: rows are shared evenly by the tasks, those of one beside each other.
typedef struct RtRollout {
    const RtRolloutTask *tasks;
    int n_tasks;
    uint64_t key; // of initial states and the actor's draws
    const RtExperience *experience;
    bool zero;    // the real leaves of the carry are set to 0
    bool redrawn; // every row has a training task of its own in the place of the one given
} RtRollout;

// What an actor is made for, and where the recipe says each part.
typedef struct RtActorDef {
    const char *name;    // of the instance
    int64_t rows, steps; // episodes at once, transitions of each
    int64_t tasks;       // that share the rows
    int64_t context;     // rows of context at most
    bool keeps_carry;    // what is carried is kept for rt_actor_carry()
    Loc loc, rows_loc, context_loc;
} RtActorDef;

// What the collecting stage `s` needs for `episodes` episodes of each of `tasks` tasks.
RtActorDef rt_actor_def(const RtStage *s, const RtRecipe *recipe, int64_t episodes, int64_t tasks);

// An actor with memory for its episodes. NULL with errors in the world's diag. The caller frees it
// with rt_actor_free().
RtActor *rt_actor_new(const RtActorDef *def, RtScene *scene);
void rt_actor_free(RtActor *a);

// Runs all rows to their end. An exit code; EXIT_CHECK where an action was refused, EXIT_STOPPED.
int rt_actor_run(RtActor *a, RtScene *scene, const RtRollout *r);

// Row `i` of the last run: its numbers, and n, start and terminated of its episode.
RtEpisodeData rt_actor_episode(const RtActor *a, int i, RtEpisode *e);

// Its score in the paper's unit.
double rt_actor_score(const RtActor *a, int i);

// Whether its physics broke down.
bool rt_actor_failed(const RtActor *a, int i);

// Seconds that the last run spent in `begin`, and in `step` for each real action of a row.
void rt_actor_times(const RtActor *a, double *begin, double *step);

// Part `k` of what is carried, if it has a row of numbers for each episode: its name and the bytes of
// a row. Gives false for another part.
int rt_actor_n_carry(const RtActor *a);
bool rt_actor_carry_part(const RtActor *a, int k, const char **name, int64_t *width,
                         size_t *row_bytes);

// Rows of part `k` that episode `i` of the last run had before each of its steps. NULL where the
// actor does not keep them.
const char *rt_actor_carry(const RtActor *a, int k, int i);

#endif
