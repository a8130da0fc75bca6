// envs/half_cheetah.c -- Half-Cheetah: a planar runner on MuJoCo (envs/mjcf/half_cheetah.xml).
//
// Observation and reward are those of CaDM's environment (Lee et al., ICML 2020), from which the
// meta-learning environments of the paper descend: the forward velocity is a difference over the
// whole transition, and stands first.
#include <assert.h>
#include <string.h>

#include "envs/env_random.h"
#include "envs/mjcf.h"
#include "envs/mujoco.h"

enum { NQ = 9, NV = 9, NU = 6 };
enum { VELOCITY, QPOS, QVEL = QPOS + NQ, WARMSTART = QVEL + NV, STATE_DIM = WARMSTART + NV };

enum { RESET_NOISE, INERTIA }; // variants

static_assert((int)STATE_DIM == (int)ENV_half_cheetah_state, "envs.def: dims of the state");
static_assert((int)ENV_half_cheetah_obs == 1 + NQ - 1 + NV, "envs.def: dims of an observation");
static_assert((int)ENV_half_cheetah_action == NU, "envs.def: dims of an action");
static_assert((int)ENV_half_cheetah_task == (int)MUJOCO_TASK_DIM, "envs.def: dims of a task");

static const double dt = 0.05;      // s, of a transition
static const double spread = 0.001; // standard deviation of the initial state
static const double effort = 0.1;   // cost of a squared action

static Mujoco body = {.name = "half_cheetah",
                      .mjcf = mjcf_half_cheetah,
                      .nq = NQ,
                      .nv = NV,
                      .nu = NU,
                      .frame_skip = 5,
                      .first = QPOS,
                      .inertia = INERTIA};

static bool open(EnvBatch *b, char *why, int why_size) {
    return mujoco_open(b, &body, why, why_size);
}

// The model's configuration at rest, and N(0, 0.001^2) on every coordinate and velocity.
static void reset(const double *variant, const double *task, uint64_t key, double *state) {
    double deviation = spread * variant[RESET_NOISE];

    (void)task;
    memset(state, 0, STATE_DIM * sizeof *state);
    for (int k = 0; k < NQ; k++)
        state[QPOS + k] = mujoco_qpos0(&body)[k] + deviation * env_random_normal(key, (uint64_t)k);
    for (int k = 0; k < NV; k++)
        state[QVEL + k] = deviation * env_random_normal(key, (uint64_t)(NQ + k));
}

static void step(EnvBatch *b, const double *action, int first, int n) {
    int64_t rows = b->n;

    mujoco_step(b, action);
    for (int64_t i = first; i < first + n; i++) {
        if (!b->running[i])
            continue;
        double velocity = (b->next_state[QPOS * rows + i] - b->state[QPOS * rows + i]) / dt;
        b->next_state[VELOCITY * rows + i] = velocity;
        b->next_reward[i] = velocity - effort * mujoco_effort(&body, action + i * NU);
    }
}

// Velocity, then every coordinate but x, then every rate.
static void observe(const double *state, double *observation) {
    observation[0] = state[VELOCITY];
    memcpy(observation + 1, state + QPOS + 1, (NQ - 1 + NV) * sizeof *observation);
}

static double raw(int threads, int rows, int steps, const double *state, const double *action) {
    return mujoco_raw(&body, STATE_DIM, threads, rows, steps, state, action);
}

static bool render(const double *state, int width, int height, unsigned char *rgb, char *why,
                   int why_size) {
    return mujoco_render(&body, state, width, height, rgb, why, why_size);
}

const EnvPhysics env_half_cheetah = {.open = open,
                                     .close = mujoco_close,
                                     .reset = reset,
                                     .step = step,
                                     .observe = observe,
                                     .dt = 0.05,
                                     .tolerance = 1e-6,
                                     .qpos = QPOS,
                                     .raw = raw,
                                     .render = render};
