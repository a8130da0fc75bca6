// runtime/record/table.h -- results of evaluations, and the paper's tables made of them.
//
// An evaluation is one file `eval/{name}.json` of a run folder:
//
//   {"schema": 1, "system": "…", "env": "…", "profile": "…", "seed": 0,
//    "latent": "own",            what the policy saw: its own task's latent, another's, or zeros
//    "score": -0.6,              mean over tasks of each task's mean return, in the paper's unit
//    "score_sd_tasks": 0.06,     standard deviation across tasks
//    "mse": 0.03, "mse_sd": 0.04, "kl": 2.1,       model error in raw units, spread across tasks
//    "paper_score": -0.5957, "paper_mse": 0.0291,  the paper's figures for this cell, ...
//    "paper_score_sd": 0.058, "paper_mse_sd": 0.04,   their spread across tasks,
//    "paper_seconds": 0.34, "paper_seconds_sd": 0.02, and the time to adapt to a task
//    "real_episodes": 200,       used to train
//    "iteration": 100, "iterations": 100,          of training when it was tested, and in all
//    "tasks": 50, "episodes": 50,                  tested, and episodes of each
//    "recipe_tasks": 50, "recipe_episodes": 50,    the same as the run's recipe has them
//    "departs": ["…", …],        where the recipe leaves the paper
//    "task_scores": [...], "task_mses": [...]}     a value for each task
//
// and, beside it, `eval/{name}.timing.jsonl` with all that differs between equal runs:
//
//   {"event":"test","training_seconds":1234.5}     what training took
//   {"event":"task","task":0,"adapt":0.2,"belief":0.001,"step":1e-05}    a line for each task:
//                               seconds of test.adapt, of the actor's belief, of each action
//
// What is unknown is left out or null. Of several with the same latent that of the highest
// iteration counts, of these the one with most episodes, of these the last by name. One with
// "table": false (a task chosen by hand) is not read.
#ifndef RUNTIME_RECORD_TABLE_H
#define RUNTIME_RECORD_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/buf.h"

// The result of one run. NAN is an unknown value.
typedef struct RtRow {
    const char *system, *env, *profile;
    const char *swept; // what tells runs of equal names apart: "dynamics.latent=16"; or ""
    int64_t seed;
    double score, score_sd_tasks;
    double mse, mse_sd;
    double paper_score, paper_mse;
    double paper_score_sd, paper_mse_sd; // across tasks
    double paper_seconds, paper_seconds_sd;
    double adapt, adapt_sd; // seconds to adapt to a task before the actor acts
    double belief, step;    // seconds of the actor's belief, and of each of its actions
    double real_episodes, seconds;
    double kl;                            // of the model, raw units
    double iteration, iterations;         // of training: done when it was tested, and in all
    double tasks, episodes;               // of the test: tasks, and episodes of each
    double recipe_tasks, recipe_episodes; // the same as the recipe has them
    double score_other, score_zero;       // with another task's latent, and with zeros
    const char *const *departs;
    int n_departs;
} RtRow;

// A row of which nothing is known: every value NAN.
RtRow rt_row(void);

// An evaluation as it is written. `latent` is "own", "other" or "zero".
typedef struct RtEval {
    RtRow row; // score_other and score_zero are not written: each latent has a file of its own
    const char *latent;
    const double *task_scores, *task_mses; // (n_tasks), or NULL
    const double *adapts, *beliefs, *steps; // seconds of each task, or NULL
    int n_tasks;
    bool by_hand; // on a task chosen by hand: no row of a table
} RtEval;

// Writes `eval/{name}.json` and the times beside it. False with a sentence in `why`.
bool rt_eval_write(const char *run_dir, const char *name, const RtEval *e, char *why,
                   size_t why_size);

// Rows, with everything they point to. A zeroed table is empty.
typedef struct RtTable {
    Arena arena;
    RtRow *rows;
    int n, cap;
    Buf notes; // what the reader of the table must know, a line each
} RtTable;

// Adds a copy of `row`. One with the same system, env, profile, swept keys and seed is replaced, with
// a note.
void rt_table_add(RtTable *t, const RtRow *row);

// Adds the row of the run at `run_dir`; the caller says what was swept (NULL: nothing). False with a
// sentence in `why` where it has no evaluation or a file that does not fit the schema.
bool rt_table_read_run(RtTable *t, const char *run_dir, const char *swept, char *why,
                       size_t why_size);

void rt_table_free(RtTable *t);

// How a figure compares with the paper's.
typedef enum RtVerdict {
    RT_VERDICT_NONE,   // there is nothing to compare
    RT_VERDICT_BETTER, // at the paper's figure or beyond it
    RT_VERDICT_WITHIN, // short by no more than the spread: the paper's across tasks, or where that is
                       // not known the larger of our deviations across tasks and seeds
    RT_VERDICT_SHORT,
} RtVerdict;

// The seeds of one system on one family, together.
typedef struct RtCell {
    RtRow row; // means over seeds, of deviations too; `seed` is the first one's
    int n_seeds;
    double score_sd_seeds, mse_sd_seeds; // of the sample (n - 1); NAN for one seed
    RtVerdict verdict, mse_verdict, adapt_verdict;
} RtCell;

// Cells in order of the family's, then the system's, first appearance; owned by `t`.
int rt_table_cells(RtTable *t, RtCell **cells);

// Words of a verdict ("within spread"), "-" for none. Static and lives forever.
const char *rt_verdict_text(RtVerdict v);

// Puts the paper's tables (table_put.c): 1, score and model error; 2, the score of those that no
// model is measured of; 6, seconds of adaptation. As aligned text with departures and notes below,
// or as a LaTeX tabular each.
void rt_table_put_text(Buf *b, RtTable *t);
void rt_table_put_latex(Buf *b, RtTable *t);

// Puts all cells, a line each: as CSV, or as a JSON list of objects that begin with the keys system,
// env, profile, seeds, score, score_sd_tasks, score_sd_seeds, mse, mse_sd, paper_score, paper_mse,
// verdict, real_episodes, seconds. Unknown values are empty, or null.
void rt_table_put_csv(Buf *b, RtTable *t);
void rt_table_put_json(Buf *b, RtTable *t);

#endif
