// runtime/train/stage.h -- what a recipe can ask for: the verbs of its stages.
//
// A stage is an entry of a list of the recipe, `name: {verb: object, ...}`. Each verb of stages.def
// has a file of its own, stage_<verb>.c: `read` and `check` take its keys, `ask` requests the
// programs it will call, `declare` and `bind` look them over once they are compiled, `run` does it.
#ifndef RUNTIME_TRAIN_STAGE_H
#define RUNTIME_TRAIN_STAGE_H

#include <stdint.h>

#include "runtime/train/buffer.h"
#include "runtime/train/read.h"

typedef struct RtStage RtStage;
typedef struct RtScene RtScene;
typedef struct RtRecipe RtRecipe;
typedef struct RtWorld RtWorld;
typedef struct RtFormula RtFormula;

typedef struct RtVerb {
    const char *name;

    // Takes the verb's keys from the stage's mapping, with errors to the reader.
    void (*read)(RtStage *s, RtReader *r);

    // Checks it against the rest of the recipe, with errors to the recipe's diag.
    void (*check)(RtStage *s, RtRecipe *recipe);

    // Requests the programs that it calls.
    void (*ask)(RtStage *s, const RtRecipe *recipe, RtWorld *w);

    // Takes the numbers that it will give into the scene, before any formula is read; or NULL.
    void (*declare)(RtStage *s, RtScene *scene);

    // Finds inputs, outputs and dims of the compiled programs, and allocates what `run` needs.
    // False with errors in the recipe's diag.
    bool (*bind)(RtStage *s, RtScene *scene);

    // Runs the stage. EXIT_OK, or another exit code with a sentence in the scene's `why`.
    int (*run)(RtStage *s, RtScene *scene);

    // Frees what `bind` allocated. Accepts a stage that was not bound.
    void (*free)(RtStage *s);
} RtVerb;

// A list of stages, in the order they run.
typedef struct RtStages {
    int n;
    RtStage **items;
} RtStages;

struct RtStage {
    const char *name;
    Loc loc;
    const Yaml *map;
    const RtVerb *verb;
    const char *object; // what the verb is done to: an instance, a program, "test"
    Loc object_loc;
    const Expr *when;     // NULL: always
    RtFormula *condition; // of `when`, once bound
    void *def;            // the verb's own

    // for estimates: the program that it calls so many times in a row, or NULL; the stages that it
    // runs itself, in so many rounds
    struct RtJob *job;
    int64_t times;
    RtStages stages;
    int64_t rounds;

    // rows of memory that were there when it last ran; 0 for most verbs. Part of a commit.
    int64_t seen;

    // what it gives to later stages, made by `declare` and freed by `free`; NULL: nothing
    RtBuffer *buffer;
};

// The stage of `map`, owned by the reader's arena, or NULL (errors).
RtStage *rt_stage_read(RtReader *r, const char *name, Loc loc, const Yaml *map);

// The stages of the mapping at `key`, in order. Those with errors are left out.
void rt_stages_read(RtReader *r, const Yaml *map, const char *key, RtStages *out);

// The stages of a list and those within them, each before its own; owned by `a`.
RtStages rt_stages_flat(Arena *a, const RtStages *list);

// "the stage 'fit'"; owned by `a`.
const char *rt_stage_title(Arena *a, const RtStage *s);

// ---- verbs

// What a stage collects. Shared with the tests of algorithm 2.
typedef struct RtCollect {
    int64_t episodes, steps; // steps 0: the family's horizon
    const char *as;          // label of the transitions
    bool to_buffer;          // they are not kept, but are the stage's buffer
    struct RtContext {
        const char *as; // label of the transitions that the actor's belief is made from; NULL: all
        int64_t rows;
    } context;
    struct RtActor *actor; // once bound
} RtCollect;

#define VERB(name, doc) extern const RtVerb rt_verb_##name;
#include "runtime/train/stages.def"

#endif
