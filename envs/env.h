// envs/env.h -- families of real tasks, and batches of their episodes.
//
// A family is what a meta-learner draws its tasks from: one physics, with parameters that differ
// from task to task. A row of envs.def describes it, a file of its own steps it. The words are
// Gymnasium's: reset, step, observation, action, reward, terminated, truncated.
//
// An EnvBatch steps the episodes of many tasks at once. Its rows do not know of each other: a row
// gives the same bits in any batch. Nothing here keeps random state; see env_random.h.
#ifndef ENVS_ENV_H
#define ENVS_ENV_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ENV_STATE_MAX = 128,     // components of a state, an observation or an action
    ENV_TASK_MAX = 8,        // parameters of a task
    ENV_VALUES_MAX = 8,      // values of one parameter to choose from
    ENV_VARIANT_MAX = 4,     // variants of a family
    ENV_ROWS_MAX = 1 << 20,  // rows of a batch
    ENV_ACTION_MAX = 1000000 // a larger action is refused: it comes of a mistake, not of a policy
};

// The tasks of training and of testing are drawn apart, even at the same seed.
typedef enum EnvSplit { ENV_TRAIN, ENV_TEST, ENV_SPLIT_COUNT } EnvSplit;

// How one parameter of a task is drawn; envs.def explains the kinds.
typedef enum EnvDrawKind { ENV_UNIFORM, ENV_ONE_OF, ENV_EACH_OF } EnvDrawKind;

typedef struct EnvDraw {
    EnvDrawKind kind;
    double low, high; // of ENV_UNIFORM
    int n_values;     // of the other two
    double values[ENV_VALUES_MAX];
} EnvDraw;

typedef struct EnvParam {
    const char *name;
    const char *unit;
    double usual;                  // where none is given
    double least, most;            // bounds of what may be given
    EnvDraw draw[ENV_SPLIT_COUNT]; // how training and test tasks are drawn
    const char *doc;
} EnvParam;

// One thing that papers and programs disagree about: the same for all tasks of a run.
typedef struct EnvVariant {
    const char *name;
    double usual;       // where none is given
    double least, most; // bounds of what may be given
    const char *doc;
} EnvVariant;

// How the rewards of an episode become the number that tables show; env_score() applies it.
typedef struct EnvScore {
    int steps;   // rewards of so many transitions count,
    bool start;  // the initial state's reward too, where this is set,
    double over; // and the sum is divided by this
} EnvScore;

typedef struct EnvPhysics EnvPhysics;

// One family of tasks: a constant row of envs.def. Static and lives forever.
typedef struct EnvFamily {
    const char *name;
    int state_dim, obs_dim, action_dim, task_dim;
    bool discrete;                  // an action is one whole number, 0 .. n_actions - 1
    int n_actions;                  // 0 where actions are real numbers
    double action_low, action_high; // of every component; a random action is drawn between them
    int horizon;                    // transitions of an episode
    int collect;                    // transitions of an episode that is collected as data
    EnvScore score;
    EnvVariant variant[ENV_VARIANT_MAX]; // the first that have names
    EnvParam task[ENV_TASK_MAX];         // the first task_dim
    const char *doc;
    const char *observation, *action; // components with their units
    const EnvPhysics *physics;
} EnvFamily;

// The number of families, and family `i` in the order of envs.def.
int env_count(void);
const EnvFamily *env_get(int i);

// The family called `name`, or NULL.
const EnvFamily *env_find(const char *name);

// A family's score of one episode: `start` is the reward of its initial state, `reward` those of
// its `n` transitions. Rewards beyond the family's `score.steps` do not count; an episode that
// terminated sooner has fewer.
double env_score(const EnvFamily *f, double start, const double *reward, int n);

// ---- tasks: `params` holds task_dim numbers, in the order of the family's row

// The usual task.
void env_usual_task(const EnvFamily *f, double *params);

// Task `index` (from 0) of a split. A function of (seed, split, index); its numbers for training
// and for testing are unrelated.
void env_draw_task(const EnvFamily *f, EnvSplit split, uint64_t seed, int64_t index,
                   double *params);

// Whether every parameter is finite and within its bounds; if not, one sentence in `why`.
bool env_check_task(const EnvFamily *f, const double *params, char *why, int why_size);

// Reads a task such as "m_c=1.5,m_p=0.9"; a parameter that is not named has its usual value. On
// false, `why` says in a sentence what is wrong and `params` is unchanged.
bool env_parse_task(const EnvFamily *f, const char *text, double *params, char *why, int why_size);

// ---- variants: `values` holds ENV_VARIANT_MAX numbers, in the order of the family's row

// How many variants the family has.
int env_variants(const EnvFamily *f);

// The usual variants.
void env_usual_variant(const EnvFamily *f, double *values);

// Reads variants such as "inertia=1,reset_noise=100", as env_parse_task() does a task.
bool env_parse_variant(const EnvFamily *f, const char *text, double *values, char *why,
                       int why_size);

// The random action of step `step` (from 0) of the stream `key`: uniform between the family's
// bounds, or over its actions. An action is held by asking for the same step again.
void env_random_action(const EnvFamily *f, uint64_t key, int64_t step, double *action);

// ---- batches

// The episodes of `n` rows. What programs read stands row by row; what the physics reads stands
// component by component, so that its loops run over rows. Arrays are owned by the batch; only
// the functions below write to them, and `limit` is the caller's.
typedef struct EnvBatch {
    const EnvFamily *family;
    int n;
    int threads; // that a step may use; results do not depend on it
    int limit;   // transitions until an episode is truncated; the family's horizon unless changed

    // Calls work(data, i, m) for i in 0 .. m - 1, on m <= n of the caller's threads, `pool`, at
    // the same time, and returns when all are done. Families without threads of their own step on
    // these. NULL, as env_batch_open() leaves it: on the thread that calls.
    void (*run)(void *pool, int n, void (*work)(void *data, int i, int m), void *data);
    void *pool;

    double *observation; // (n, obs_dim)
    double *reward;      // (n)   of the last transition; after a reset, that of the initial state
                         //       where the family's score counts it, else 0
    bool *terminated;    // (n)   the task itself ended the episode
    bool *truncated;     // (n)   the limit was reached, and the task did not end
    bool *failed;      // (n)   the physics broke down: the episode is truncated at the state before
    bool *running;     // (n)   reset, and neither terminated nor truncated since
    bool *refused;     // (n)   this row's action is why the last step was refused
    int *steps;        // (n)   transitions since the reset
    int64_t n_failed;  // episodes that failed since the batch was opened
    char failure[256]; // how the last of them did, in a sentence

    double *state; // (state_dim, n)
    double *task;  // (task_dim, n)
    double variant[ENV_VARIANT_MAX]; // the usual ones; the caller's, before the first reset

    // written by the family's step, committed by env_batch_step()
    double *next_state;    // (state_dim, n)
    double *next_reward;   // (n)
    bool *next_terminated; // (n)   false before the family's step

    void *simulation; // the family's own; NULL where it needs none
    void *memory[2];  // what the arrays above are cut from
} EnvBatch;

// Makes a batch of `n` rows, none of them running, whose steps may use `threads` threads. On false,
// `*b` is zero and `why` says why.
bool env_batch_open(EnvBatch *b, const EnvFamily *f, int n, int threads, char *why, int why_size);

// Frees what the batch owns and leaves `*b` zero. Accepts a zero batch.
void env_batch_close(EnvBatch *b);

// Starts an episode of the task `task` in `row`, in an initial state that is a function of (family,
// task, key), whatever the row did before. On false (a task out of bounds) nothing is changed.
bool env_batch_reset(EnvBatch *b, int row, const double *task, uint64_t key, char *why,
                     int why_size);

// The same, from a given state of state_dim components. Refuses a state that is not finite.
bool env_batch_reset_to(EnvBatch *b, int row, const double *task, const double *state, char *why,
                        int why_size);

// One transition of every running row; `action` is (n, action_dim), read during the call only. A
// row that is not running keeps its state and flags, its reward becomes 0, and its action is not
// looked at. On false nothing is changed but `refused`, and `why` names a row and a value: an
// action was not finite or above ENV_ACTION_MAX in size (or, where actions are discrete, not one of
// them). Where the physics of a row breaks down (a simulator's error, a state that is not finite)
// its episode ends: `failed` and `truncated`, with a reward of 0 and the state it had; other rows
// go on.
bool env_batch_step(EnvBatch *b, const double *action, char *why, int why_size);

// Copies the state of `row` into `state`, of state_dim components.
void env_batch_get_state(const EnvBatch *b, int row, double *state);

// ---- pictures

enum { ENV_MARKS_MAX = 16 };

// A line with round ends from (x0, y0) to (x1, y1), `width` wide; a disc where both are one point.
// Metres, y up.
typedef struct EnvMark {
    double x0, y0, x1, y1, width;
    float red, green, blue; // 0 .. 1
} EnvMark;

// ---- what a family's own file gives

// Marks `row`, whose next state is not to be used, as failed; printf's arguments say why.
__attribute__((format(printf, 3, 4))) void env_batch_fail(EnvBatch *b, int row, const char *format,
                                                          ...);

struct EnvPhysics {
    // Makes `b->simulation` for the batch, and frees it; NULL where the state is all there is.
    bool (*open)(EnvBatch *b, char *why, int why_size);
    void (*close)(EnvBatch *b);

    // Writes the initial state of a task; a function of its arguments alone.
    void (*reset)(const double *variant, const double *task, uint64_t key, double *state);

    // Writes next_state, next_reward and next_terminated of each running row of `n` rows from
    // `first` on, from state, task and action, and changes nothing else that is seen. It may write
    // to rows of these that do not run, whose numbers may be anything. Actions are finite, but may
    // lie outside the family's bounds. Several threads call it at once, each for rows of its own;
    // a family with a simulation is called once, for all rows, and where its simulator reports an
    // error it calls env_batch_fail().
    void (*step)(EnvBatch *b, const double *action, int first, int n);

    // The observation of a state; NULL where it is the state.
    void (*observe)(const double *state, double *observation);

    // The reward of a state alone; needed where the score counts the initial state, else NULL.
    double (*reward)(const double *variant, const double *state);

    double dt; // s, of a transition

    // How near a transition comes to that of another program from the same state, where reference
    // data are compared; a simulator's data name qpos and qvel in the place of a state, which stand
    // in a state from component `qpos` on.
    double tolerance;
    int qpos;

    // Transitions a second of the simulator alone in the usual task, on `threads` threads: what a
    // batch cannot exceed. `state` (rows, state_dim) is where `rows` episodes begin, `action`
    // (steps, rows, action_dim) what acts in them. NULL where the family's own code is all there
    // is.
    double (*raw)(int threads, int rows, int steps, const double *state, const double *action);

    // What a state looks like: its marks, at most ENV_MARKS_MAX, in the order in which they are
    // painted. `view` gets the part of the plane that is shown: left, right, bottom, top.
    int (*draw)(const double *state, EnvMark *marks, double view[4]);

    // In its place: paints a state, (height, width, 3) from the top. False with a sentence in
    // `why`.
    bool (*render)(const double *state, int width, int height, unsigned char *rgb, char *why,
                   int why_size);
};

// env_<name> of each row, and its dims as constants for its own file: ENV_<name>_state, ...
#define ENV(name, ...) extern const EnvPhysics env_##name;
#include "envs/envs.def"

enum {
#define ENV(name, state, obs, action, task, ...)                                      \
    ENV_##name##_state = state, ENV_##name##_obs = obs, ENV_##name##_action = action, \
    ENV_##name##_task = task,
#include "envs/envs.def"
};

#endif
