// envs/slim_humanoid.c -- Slim-Humanoid: a person on MuJoCo (envs/mjcf/slim_humanoid.xml).
//
// Observation and reward are those of CaDM's environment (Lee et al., ICML 2020), after Wang et
// al., "Benchmarking model-based reinforcement learning" (2019). An episode does not end when the
// person falls; the bonus for standing is lost.
#include <assert.h>
#include <string.h>

#include "envs/env_random.h"
#include "envs/mjcf.h"
#include "envs/mujoco.h"

enum { NQ = 24, NV = 23, NU = 17 };
enum { QPOS, QVEL = QPOS + NQ, WARMSTART = QVEL + NV, STATE_DIM = WARMSTART + NV };
enum { HEIGHT = QPOS + 2, FORWARD = QVEL };

enum { RESET_NOISE, INERTIA }; // variants

static_assert((int)STATE_DIM == (int)ENV_slim_humanoid_state, "envs.def: dims of the state");
static_assert((int)ENV_slim_humanoid_obs == NQ - 2 + NV, "envs.def: dims of an observation");
static_assert((int)ENV_slim_humanoid_action == NU, "envs.def: dims of an action");
static_assert((int)ENV_slim_humanoid_task == (int)MUJOCO_TASK_DIM, "envs.def: dims of a task");

static const double spread = 0.01; // half the width of the initial state's distribution
static const double speed_weight = 0.25 / 0.015; // for a metre a second
static const double effort = 0.1;                // cost of a squared action
static const double standing = 5.0;              // for a height within the limits below
static const double lowest = 1.0, highest = 2.0; // m

static Mujoco body = {.name = "slim_humanoid",
                      .mjcf = mjcf_slim_humanoid,
                      .nq = NQ,
                      .nv = NV,
                      .nu = NU,
                      .frame_skip = 5,
                      .first = QPOS,
                      .inertia = INERTIA};

static bool open(EnvBatch *b, char *why, int why_size) {
    return mujoco_open(b, &body, why, why_size);
}

// The model's configuration, and U(-0.01, 0.01) on every coordinate and velocity. MuJoCo brings
// the orientation back to unit length.
static void reset(const double *variant, const double *task, uint64_t key, double *state) {
    double half = spread * variant[RESET_NOISE];

    (void)task;
    memset(state, 0, STATE_DIM * sizeof *state);
    for (int k = 0; k < NQ; k++)
        state[QPOS + k] = mujoco_qpos0(&body)[k];
    for (int k = 0; k < NQ + NV; k++)
        state[QPOS + k] += half * (2 * env_random_uniform(key, (uint64_t)k) - 1);
}

static void step(EnvBatch *b, const double *action, int first, int n) {
    int64_t rows = b->n;

    mujoco_step(b, action);
    for (int64_t i = first; i < first + n; i++) {
        if (!b->running[i])
            continue;
        double height = b->next_state[HEIGHT * rows + i];
        double squares = mujoco_effort(&body, action + i * NU);
        b->next_reward[i] = speed_weight * b->state[FORWARD * rows + i] - effort * squares +
                            (height >= lowest && height <= highest ? standing : 0.0);
    }
}

// Every coordinate but x and y, then every rate.
static void observe(const double *state, double *observation) {
    memcpy(observation, state + QPOS + 2, (NQ - 2 + NV) * sizeof *observation);
}

static double raw(int threads, int rows, int steps, const double *state, const double *action) {
    return mujoco_raw(&body, STATE_DIM, threads, rows, steps, state, action);
}

static bool render(const double *state, int width, int height, unsigned char *rgb, char *why,
                   int why_size) {
    return mujoco_render(&body, state, width, height, rgb, why, why_size);
}

const EnvPhysics env_slim_humanoid = {.open = open,
                                      .close = mujoco_close,
                                      .reset = reset,
                                      .step = step,
                                      .observe = observe,
                                      .dt = 0.015,
                                      .tolerance = 1e-6,
                                      .qpos = QPOS,
                                      .raw = raw,
                                      .render = render};
