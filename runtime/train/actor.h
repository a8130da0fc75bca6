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

// How episodes are run.
typedef struct RtRollout {
    const double *task;
    uint64_t key; // of initial states and the actor's draws

    // transitions that the actor's belief is made from
    const RtExperience *experience;
    const int64_t *context;
    int64_t n_context;
    bool zero; // the real leaves of the carry are set to 0
} RtRollout;

// What an actor is made for, and where the recipe says each part.
typedef struct RtActorDef {
    const char *name;    // of the instance
    int64_t rows, steps; // episodes at once, transitions of each
    int64_t context;     // rows of context at most
    Loc loc, rows_loc, context_loc;
} RtActorDef;

// What the collecting stage `s` needs for `episodes` episodes.
RtActorDef rt_actor_def(const RtStage *s, const RtRecipe *recipe, int64_t episodes);

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

#endif
