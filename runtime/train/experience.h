// runtime/train/experience.h -- real episodes: what was seen of each task.
//
// A transition is a row: what the real task showed, the action, the reward, what it showed next; and
// the fields that programs see, made of them once: state s, action a, next state s2, and what the
// recipe's functions make of these (x, y). Rows are found by task and label, in the order they came.
// Episodes are kept for the record: each is written once to a file of the run, and read back by a
// resume.
#ifndef RUNTIME_TRAIN_EXPERIENCE_H
#define RUNTIME_TRAIN_EXPERIENCE_H

#include "runtime/record/checkpoint.h"
#include "runtime/train/world.h"

// An episode, as it is and as its file tells.
typedef struct RtEpisode {
    const char *id; // "000012-act-000"
    const char *stage, *label;
    int64_t iteration;
    int task, number; // of the experience; of the episode within its stage
    int n;            // transitions
    int64_t first;    // its rows are first .. first + n - 1
    double start;     // reward of the initial state
    double score;     // in the paper's unit
    double sum;       // of the rewards
    bool terminated;
    bool written;
    char hash[RT_HASH_SIZE];
} RtEpisode;

// The first fields are s, a and s2, the others those of the recipe.
enum { RT_FIELD_S, RT_FIELD_A, RT_FIELD_S2, RT_FIELD_RAW };

// A field that programs see, and how it is made.
typedef struct RtFieldRows {
    const char *name;     // "x"
    RtUnit *unit;         // task.input; of s and s2 what makes states of observations; or NULL
    int in[RT_FIELD_RAW]; // positions of s, a, s2, or -1; of s and s2 the observation's alone
    int out;
    int64_t width, batch; // elements of a row; rows of one call
    size_t row_bytes;
    char *rows; // (cap, width) of the programs' element type
} RtFieldRows;

// Rows of one task with one label.
typedef struct RtRows {
    const char *label; // NULL: all of the task
    int64_t *items;
    int64_t n, cap;
} RtRows;

typedef struct RtTaskRows {
    double params[ENV_TASK_MAX];
    RtRows *lists; // lists[0] is all
    int n_lists, cap_lists;
} RtTaskRows;

typedef struct RtExperience {
    Arena arena;
    const EnvFamily *family;
    RtFieldRows *fields;
    int n_fields;
    RtTaskRows *tasks;
    int n_tasks, cap_tasks;
    int64_t n, cap;         // rows
    double *s, *a, *r, *s2; // (cap, obs_dim), (cap, action_dim), (cap), (cap, obs_dim)
    RtEpisode *episodes;
    int n_episodes, cap_episodes;
    int64_t passed_rows, passed_episodes; // that were real, and are not kept
} RtExperience;

// ---- fields (fields.c)

// Requests the programs of the recipe's fields, before the world is built.
void rt_experience_ask(const RtRecipe *recipe, RtWorld *w);

// Finds the fields of the recipe in `w`. False with errors in the world's diag.
bool rt_fields_open(RtExperience *e, const RtRecipe *recipe, RtWorld *w);

// The states of programs, (n, width) of the field s, of `n` observations.
void rt_fields_states(const RtExperience *e, const double *observation, int64_t n, char *out);

// The actions of programs, (n, width) of the field a, of `n` actions of the real task: where those
// are whole numbers, one-hot rows.
void rt_fields_actions(const RtExperience *e, const double *action, int64_t n, char *out);

// All fields of `n` transitions: out[i] gets the rows of field `i`. o and o2 are (n, obs_dim), a is
// (n, action_dim).
void rt_fields_make(const RtExperience *e, const double *o, const double *a, const double *o2,
                    int64_t n, char *const *out);

// ---- rows

// An empty experience with room for `rows` rows; it grows. False with errors in the world's diag.
// The caller closes it with rt_experience_close() in any case.
bool rt_experience_open(RtExperience *e, const RtRecipe *recipe, RtWorld *w, int64_t rows);
void rt_experience_close(RtExperience *e);

// Forgets everything but the memory.
void rt_experience_reset(RtExperience *e);

// A further task; its number.
int rt_experience_add_task(RtExperience *e, const double *params);

// An episode as a rollout made it. s is (n + 1, obs_dim), a is (n, action_dim), r is (n).
typedef struct RtEpisodeData {
    const double *s, *a, *r;
} RtEpisodeData;

// Adds an episode: `episode` without rows, sums and hash. Texts are copied. Gives the one added,
// valid until the next is.
RtEpisode *rt_experience_add(RtExperience *e, const RtEpisode *episode, const RtEpisodeData *data);

// The rows of a task with a label (NULL for all): an empty list where there are none.
const RtRows *rt_experience_rows(const RtExperience *e, int task, const char *label);

// Copies field `field` of the rows `rows[0..n)` to `out`, one after another.
void rt_experience_gather(const RtExperience *e, int field, const int64_t *rows, int64_t n,
                          char *out);

// Writes episode `i` to the run folder, unless that was done. False with a sentence in `why`.
bool rt_experience_write(RtExperience *e, int i, const char *run_dir, char *why, size_t why_size);

// Reads all episodes that a checkpoint refers to, in its order. Tasks are there already.
bool rt_experience_read(RtExperience *e, const char *run_dir, const RtCheckpoint *c, char *why,
                        size_t why_size);

// ---- choices ------------------------------------------------------------------------------------

// Choice `i` of the stream `key` among 0 .. n - 1.
int64_t rt_pick(uint64_t key, uint64_t i, int64_t n);

// A subset drawn without replacement. `scratch` must hold 0, 1, ... up to any n asked for, and
// holds them again afterwards.
typedef struct RtPicker {
    int64_t *scratch, *swapped;
    int64_t cap;
} RtPicker;

// `k` of the `n` rows, in random order, into `out`.
void rt_pick_rows(RtPicker *p, Arena *a, uint64_t key, const int64_t *rows, int64_t n, int64_t k,
                  int64_t *out);

#endif
