// runtime/train/feed.h -- where the inputs of a stage's program come from.
//
//   batch:    {tasks: 4, current: 0.5, rows: 50}     transitions of each of so many tasks
//   batch:    {tasks: 10, windows: 32}               or so many that follow each other in an
//   episode context:  {rows: uniform}                        so many of them go to xc, the others
//   to x contexts: {count: 2, current: 0.5, rows: 50}     transitions that go to xc alone starts:
//   {count: 50, as: random}                states of transitions, which go to start buffer:
//   imagined                               columns of what an earlier stage gave
//
// Transitions and states are drawn anew for every call, a buffer is copied once a run. Input `x` is
// filled with the field x of transitions or with the column x of the buffer. `current` is the share
// of the current tasks, which take turns; any task seen so far takes another slot.
#ifndef RUNTIME_TRAIN_FEED_H
#define RUNTIME_TRAIN_FEED_H

#include "runtime/train/experience.h"
#include "runtime/train/stage.h"

typedef struct RtFeedInput RtFeedInput;

// Windows of one episode: `n` of them, the first begins at row `first`.
typedef struct RtSpan {
    int64_t first, n;
} RtSpan;

typedef struct RtFeed {
    enum RtFeedKind {
        RT_FEED_NONE,
        RT_FEED_BATCH,
        RT_FEED_CONTEXTS,
        RT_FEED_GIVEN // rows that the stage names with each call
    } kind;
    int64_t slots;   // tasks of a batch, or contexts
    int64_t rows;    // transitions of each
    bool windows;    // they follow each other in one episode
    int64_t newest;  // of a task, that a batch is drawn from; 0: all
    int64_t context; // rows of a batch that are context; -1 for uniform
    double current;  // share of the current tasks
    const char *as;  // label of the transitions; NULL for all
    struct RtStarts {
        int64_t count; // of each slot; 0 without `starts`
        const char *as;
        double current; // share of the slot's own task
    } starts;
    const char *buffer_name; // NULL without `buffer`
    RtStage *buffer;

    RtUnit *unit;
    RtFeedInput *inputs;
    int n_inputs;
    int *tasks;      // of the slots
    int64_t *picked; // rows of a slot
    RtPicker picker;

    // windows that there are, task after task: those of task t are spans from[t] .. from[t + 1] - 1
    RtSpan *spans;
    int64_t *from, *n_windows; // n_windows: of each task
    int64_t cap_spans;
    int cap_tasks;
} RtFeed;

// Takes the keys above from the mapping of `s`. A zeroed feed with them, or with the kind given.
void rt_feed_read(RtFeed *f, RtStage *s, RtReader *r);

// Checks them against the rest of the recipe.
void rt_feed_check(RtFeed *f, const RtStage *s, RtRecipe *recipe);

// Finds what each input of `unit` is filled with. False with errors in the world's diag.
bool rt_feed_bind(RtFeed *f, const RtStage *s, RtScene *scene, RtUnit *unit);

// Sets the dims of the inputs to the greatest values that they will have.
void rt_feed_set_most(const RtFeed *f);

// Prepares a run of calls, whose dims are reset. EXIT_OK, or another code with a sentence in the
// scene's `why`; so do the next two.
int rt_feed_begin(RtFeed *f, RtScene *scene);

// Fills the inputs of call number `call`, by the random choices of `key`.
int rt_feed_fill(RtFeed *f, RtScene *scene, uint64_t key, int64_t call);

// Fills the inputs with `n` rows of memory.
int rt_feed_give(RtFeed *f, RtScene *scene, const int64_t *rows, int64_t n);

// Frees what `begin` allocated. Accepts a feed that was not bound.
void rt_feed_free(RtFeed *f);

#endif
