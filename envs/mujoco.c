// envs/mujoco.c -- batches of MuJoCo simulations, on MuJoCo's own batch API (mjbatch.h).
//
// A batch of ours holds every row's state; an mjBatch is what steps them. Before a step the state
// of each running row is written into mjBatch's table, and after it read back: so nothing of a
// simulation lives on between steps but the state, and rows do not know of each other.
#include "envs/mujoco.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mujoco/mjbatch.h>
#include <mujoco/mujoco.h>

typedef struct Simulation {
    const Mujoco *body;
    mjBatch *batch;
    int n_state; // numbers of a row of the table

    // of row 0 of the table
    mjtNum *time, *qpos, *qvel, *warmstart, *ctrl;

    mjtNum *mass, *damping; // (n, nbody), (n, nv): scaled
    mjtNum *inertia;        // (n, nbody, 3): scaled, or NULL where it is not
    double *scaled;         // (n, MUJOCO_TASK_DIM) the scales that these have
    int *ids;               // rows that run
} Simulation;

// MuJoCo writes a log file and ends the process unless told otherwise. Warnings are counted for
// each simulation, errors in a simulation are caught by the batch.
static void handle_log(const mjLogMessage *message) {
    if (message->level >= mjLOG_ERROR)
        fprintf(stderr, "mujoco: %s\n", message->subject);
}

// ---- the model ----------------------------------------------------------------------------------

static bool load(Mujoco *m, char *why, int why_size) {
    char error[512] = "";
    mjVFS vfs;

    mju_setLogHandler(handle_log);
    mj_defaultVFS(&vfs);
    mj_addBufferVFS(&vfs, "model.xml", m->mjcf, (int)strlen(m->mjcf));
    mjModel *model = mj_loadXML("model.xml", &vfs, error, sizeof error);
    mj_deleteVFS(&vfs);
    if (!model) {
        snprintf(why, (size_t)why_size, "%s: MuJoCo does not take the model: %s", m->name, error);
        return false;
    }
    assert(model->nq == m->nq && model->nv == m->nv && model->nu == m->nu);
    model->opt.disableflags |= mjDSBL_AUTORESET;
    m->model = model;
    return true;
}

// Models are read by one thread at a time, and once.
bool mujoco_load(Mujoco *m, char *why, int why_size) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&lock);
    bool done = m->model || load(m, why, why_size);
    pthread_mutex_unlock(&lock);
    return done;
}

const double *mujoco_qpos0(const Mujoco *m) {
    return ((const mjModel *)m->model)->qpos0;
}

// ---- batches ------------------------------------------------------------------------------------

bool mujoco_open(EnvBatch *b, Mujoco *m, char *why, int why_size) {
    char error[512] = "";
    mjBatchConfig config;
    size_t n = (size_t)b->n;

    if (!mujoco_load(m, why, why_size))
        return false;
    Simulation *s = calloc(1, sizeof *s);
    b->simulation = s;
    if (s) {
        s->scaled = calloc(n * MUJOCO_TASK_DIM, sizeof *s->scaled);
        s->ids = calloc(n, sizeof *s->ids);
    }
    if (!s || !s->scaled || !s->ids) {
        snprintf(why, (size_t)why_size, "%s: no memory for %d rows", m->name, b->n);
        return false;
    }

    mjb_defaultConfig(&config);
    config.nthread = b->threads > 0 ? b->threads : 1;
    s->body = m;
    s->batch = mjb_makeBatch(m->model, b->n, &config, error, sizeof error);
    if (!s->batch) {
        snprintf(why, (size_t)why_size, "%s: MuJoCo makes no batch: %s", m->name, error);
        return false;
    }
    s->n_state = mjb_nstate(s->batch);
    s->time = mjb_stateComponent(s->batch, mjSTATE_TIME, NULL);
    s->qpos = mjb_stateComponent(s->batch, mjSTATE_QPOS, NULL);
    s->qvel = mjb_stateComponent(s->batch, mjSTATE_QVEL, NULL);
    s->warmstart = mjb_stateComponent(s->batch, mjSTATE_WARMSTART, NULL);
    s->ctrl = mjb_stateComponent(s->batch, mjSTATE_CTRL, NULL);
    s->mass = mjb_expand(s->batch, "body_mass", NULL, NULL);
    s->damping = mjb_expand(s->batch, "dof_damping", NULL, NULL);
    return true;
}

void mujoco_close(EnvBatch *b) {
    Simulation *s = b->simulation;

    mjb_deleteBatch(s->batch);
    free(s->scaled);
    free(s->ids);
    free(s);
    b->simulation = NULL;
}

// ---- stepping -----------------------------------------------------------------------------------

// Scales the model of `row` to its task.
static void scale(const EnvBatch *b, Simulation *s, int row) {
    const mjModel *model = s->body->model;
    double mass = b->task[(int64_t)MUJOCO_MASS * b->n + row];
    double damping = b->task[(int64_t)MUJOCO_DAMPING * b->n + row];
    double *scaled = s->scaled + (int64_t)row * MUJOCO_TASK_DIM;

    if (scaled[MUJOCO_MASS] == mass && scaled[MUJOCO_DAMPING] == damping)
        return;
    for (int i = 0; i < model->nbody; i++)
        s->mass[(int64_t)row * model->nbody + i] = model->body_mass[i] * mass;
    for (int i = 0; i < model->nv; i++)
        s->damping[(int64_t)row * model->nv + i] = model->dof_damping[i] * damping;
    for (int i = 0; s->inertia && i < 3 * model->nbody; i++)
        s->inertia[(int64_t)row * 3 * model->nbody + i] =
            model->body_inertia[i] * (1 + b->variant[s->body->inertia] * (mass - 1));
    scaled[MUJOCO_MASS] = mass;
    scaled[MUJOCO_DAMPING] = damping;
}

// The parts of a state, one after another.
typedef struct Part {
    mjtNum *table; // of row 0
    int n;
} Part;

static void list_parts(const Simulation *s, Part parts[3]) {
    parts[0] = (Part){s->qpos, s->body->nq};
    parts[1] = (Part){s->qvel, s->body->nv};
    parts[2] = (Part){s->warmstart, s->body->nv};
}

static void write_row(const EnvBatch *b, Simulation *s, int row, const double *action) {
    int64_t at = (int64_t)row * s->n_state, k = s->body->first;
    Part parts[3];

    list_parts(s, parts);
    for (int p = 0; p < 3; p++)
        for (int i = 0; i < parts[p].n; i++)
            parts[p].table[at + i] = b->state[k++ * b->n + row];
    for (int i = 0; i < s->body->nu; i++)
        s->ctrl[at + i] = action[(int64_t)row * s->body->nu + i];
    s->time[at] = 0;
    memset(mjb_warning(s->batch) + (int64_t)row * mjNWARNING, 0,
           mjNWARNING * sizeof(mjWarningStat));
}

// Fails `row` where its simulation did not come to a sound end.
static void check_row(EnvBatch *b, const Simulation *s, int row) {
    static const struct {
        mjtWarning warning;
        const char *what;
    } bad[] = {{mjWARN_BADQPOS, "position"},
               {mjWARN_BADQVEL, "velocity"},
               {mjWARN_BADQACC, "acceleration"},
               {mjWARN_BADCTRL, "control"}};
    const mjWarningStat *warnings = mjb_warning(s->batch) + (int64_t)row * mjNWARNING;

    if (mjb_status(s->batch)[row]) {
        env_batch_fail(b, row, "MuJoCo: %s", mjb_error(s->batch, row));
        return;
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (warnings[bad[i].warning].number > 0)
            env_batch_fail(b, row, "the simulation became unstable: bad %s of degree of freedom %d",
                           bad[i].what, warnings[bad[i].warning].lastinfo);
    if (!(s->time[(int64_t)row * s->n_state] > 0))
        env_batch_fail(b, row, "the simulation did not advance");
}

static void read_row(EnvBatch *b, const Simulation *s, int row) {
    int64_t at = (int64_t)row * s->n_state, k = s->body->first;
    Part parts[3];

    list_parts(s, parts);
    for (int p = 0; p < 3; p++)
        for (int i = 0; i < parts[p].n; i++)
            b->next_state[k++ * b->n + row] = parts[p].table[at + i];
}

void mujoco_step(EnvBatch *b, const double *action) {
    Simulation *s = b->simulation;
    int n = 0;

    if (b->variant[s->body->inertia] > 0 && !s->inertia)
        s->inertia = mjb_expand(s->batch, "body_inertia", NULL, NULL);
    for (int i = 0; i < b->n; i++) {
        if (!b->running[i])
            continue;
        scale(b, s, i);
        write_row(b, s, i, action);
        s->ids[n++] = i;
    }
    mjb_step(s->batch, s->ids, n, s->body->frame_skip, mjSTAGE_NONE);
    for (int i = 0; i < n; i++) {
        check_row(b, s, s->ids[i]);
        read_row(b, s, s->ids[i]);
    }
}

double mujoco_effort(const Mujoco *m, const double *action) {
    double squares = 0;

    for (int k = 0; k < m->nu; k++)
        squares += action[k] * action[k];
    return squares;
}

// ---- the simulator alone ------------------------------------------------------------------------

// The rows first .. last - 1 of the whole.
typedef struct Raw {
    const Mujoco *body;
    int state_dim, rows, steps, first, last;
    const double *state, *action;
} Raw;

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *run_raw(void *data) {
    const Raw *r = data;
    const mjModel *m = r->body->model;
    mjData *d = mj_makeData(m);

    for (int i = r->first; d && i < r->last; i++) {
        const double *state = r->state + (int64_t)i * r->state_dim + r->body->first;
        mj_resetData(m, d);
        memcpy(d->qpos, state, (size_t)m->nq * sizeof *state);
        memcpy(d->qvel, state + m->nq, (size_t)m->nv * sizeof *state);
        for (int t = 0; t < r->steps; t++) {
            const double *action = r->action + ((int64_t)t * r->rows + i) * m->nu;
            memcpy(d->ctrl, action, (size_t)m->nu * sizeof *action);
            for (int k = 0; k < r->body->frame_skip; k++)
                mj_step(m, d);
        }
    }
    mj_deleteData(d);
    return NULL;
}

double mujoco_raw(Mujoco *m, int state_dim, int threads, int rows, int steps, const double *state,
                  const double *action) {
    enum { MOST = 64 };
    Raw parts[MOST];
    pthread_t ids[MOST];
    char why[256];
    int n = threads < 1 ? 1 : threads > MOST ? MOST : threads;

    if (!mujoco_load(m, why, sizeof why))
        return 0;
    double start = seconds_now();
    for (int i = 0; i < n; i++) {
        parts[i] = (Raw){.body = m,
                         .state_dim = state_dim,
                         .rows = rows,
                         .steps = steps,
                         .first = (int)((int64_t)rows * i / n),
                         .last = (int)((int64_t)rows * (i + 1) / n),
                         .state = state,
                         .action = action};
        if (pthread_create(&ids[i], NULL, run_raw, &parts[i]) != 0)
            n = i;
    }
    for (int i = 0; i < n; i++)
        pthread_join(ids[i], NULL);
    return (double)rows * steps / (seconds_now() - start);
}
