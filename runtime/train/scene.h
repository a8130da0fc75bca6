// runtime/train/scene.h -- what a stage runs in.
//
// Training and each test task have a scene of their own: an experience, a current task, the names
// that random choices are made from. A stage changes its scene's state, experience and outputs, and
// nothing else.
#ifndef RUNTIME_TRAIN_SCENE_H
#define RUNTIME_TRAIN_SCENE_H

#include "runtime/record/log.h"
#include "runtime/train/experience.h"
#include "runtime/train/formula.h"

// Real episodes of an iteration's stages.
typedef struct RtTally {
    int64_t episodes, failed; // failed: whose physics broke down
    double sum, score;        // over the episodes
} RtTally;

struct RtScene {
    RtRecipe *recipe;
    RtWorld *world; // with the state that stages work on
    RtExperience *experience;
    int task;    // the first of the current ones, of the experience
    int n_tasks; // current ones, one after the other
    int64_t iteration;
    uint64_t key; // of all random choices: of the seed and the names that lead here

    // numbers of formulas: iteration, update, times, the round of a repeat, and outputs of stages as
    // `loss`, `fit.loss`
    RtVars *vars;
    double *v_iteration, *v_update, *v_times, *v_round;

    RtLog *events; // NULL: nothing is recorded
    RtTally tally;
    double physics_seconds;
    double first_step;    // when the first training step was done, 0 before
    const char *diverged; // an output that is no finite number: "fit.loss"; NULL

    // called while a stage runs, to show progress; NULL: nobody looks
    void (*tick)(void *data, const RtStage *s, int64_t done, int64_t times);
    void *tick_data;

    char *why;
    size_t why_size;
};

// Takes the scene's numbers into `vars` where they are missing.
void rt_scene_open(RtScene *scene);

// Forgets the numbers that stages gave, which are not known until they run again.
void rt_scene_forget(RtScene *scene);

// Runs a stage where its condition holds. An exit code.
int rt_scene_run(RtScene *scene, RtStage *s);

// For a list of stages: asks for their programs; declares their outputs, before any is bound, and
// frees what they held of a scene before; binds them; frees what they hold.
void rt_stages_ask(const RtStages *list, const RtRecipe *recipe, RtWorld *w);
void rt_stages_declare(const RtStages *list, RtScene *scene);
bool rt_stages_bind(const RtStages *list, RtScene *scene);
void rt_stages_free(const RtStages *list);

// ---- stopping

// From now on SIGTERM and SIGINT ask the run to stop; a second one ends the process.
void rt_stop_install(void);

// Whether it was asked to.
bool rt_stop_asked(void);

#endif
