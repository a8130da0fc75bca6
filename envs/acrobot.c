// envs/acrobot.c -- Acrobot.
//
// Two links hang from a fixed joint; a torque at the joint between them has to swing the tip above
// a line one link length over the fixed joint (Sutton, NIPS 1996). The equations are those of
// Sutton and Barto's book, as in Gymnasium's Acrobot-v1: both links have length 1, their centre of
// mass at 0.5 and a moment of inertia of 1 whatever their mass, and a transition is one step of
// Runge-Kutta of fourth order over 0.2 s. Angle t1 is the first link's from hanging down, t2 the
// second link's from the first.
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "envs/env.h"
#include "envs/env_random.h"

enum { T1, T2, W1, W2, STATE_DIM };
enum { M1, M2, TASK_DIM };
enum { RESET_NOISE }; // variants
enum { BLOCK = 64 }; // rows that are kept at once

static_assert((int)STATE_DIM == (int)ENV_acrobot_state, "envs.def: dims of the state");
static_assert((int)TASK_DIM == (int)ENV_acrobot_task, "envs.def: dims of a task");
static_assert((int)ENV_acrobot_obs == 6, "envs.def: dims of an observation");
static_assert((int)ENV_acrobot_action == 1, "envs.def: dims of an action");

static const double g = 9.8;       // m/s^2, gravity
static const double lc = 0.5;      // m, from a link's joint to its centre of mass
static const double inertia = 1.0; // kg m^2, of a link
static const double dt = 0.2;      // s, of a transition
static const double spread = 0.1;  // half the width of the initial state's distribution
static const double pi = 3.141592653589793;
static const double max_speed[2] = {4 * 3.141592653589793, 9 * 3.141592653589793}; // rad/s

typedef double Rows[BLOCK];

// Every component uniform on [-0.1, 0.1]: both links hang, nearly at rest.
static void reset(const double *variant, const double *task, uint64_t key, double *state) {
    double half = spread * variant[RESET_NOISE];

    (void)task;
    for (int k = 0; k < STATE_DIM; k++)
        state[k] = half * (2.0 * env_random_uniform(key, (uint64_t)k) - 1.0);
}

// Accelerations (W1, W2) at states `s` of `n` rows.
static void accelerate(Rows s[STATE_DIM], const Rows m1, const Rows m2, const Rows torque, int n,
                       Rows a1, Rows a2) {
    Rows sin1, sin12, sin2, cos2;

    for (int i = 0; i < n; i++) {
        sin1[i] = sin(s[T1][i]); // of cos(t1 - pi/2)
        sin12[i] = sin(s[T1][i] + s[T2][i]);
        sin2[i] = sin(s[T2][i]);
        cos2[i] = cos(s[T2][i]);
    }
    for (int i = 0; i < n; i++) {
        double w1 = s[W1][i], w2 = s[W2][i];
        double d1 = m1[i] * lc * lc + m2[i] * (1 + lc * lc + 2 * lc * cos2[i]) + 2 * inertia;
        double d2 = m2[i] * (lc * lc + lc * cos2[i]) + inertia;
        double phi2 = m2[i] * lc * g * sin12[i];
        double phi1 = -m2[i] * lc * w2 * w2 * sin2[i] - 2 * m2[i] * lc * w2 * w1 * sin2[i] +
                      (m1[i] * lc + m2[i]) * g * sin1[i] + phi2;
        a2[i] = (torque[i] + d2 / d1 * phi1 - m2[i] * lc * w1 * w1 * sin2[i] - phi2) /
                (m2[i] * lc * lc + inertia - d2 * d2 / d1);
        a1[i] = -(d2 * a2[i] + phi1) / d1;
    }
}

// Runge-Kutta: states after `dt`, not yet wrapped or bounded.
static void integrate(Rows s[STATE_DIM], const Rows m1, const Rows m2, const Rows torque, int n) {
    static const double at[4] = {0, 0.5, 0.5, 1}, weight[4] = {1, 2, 2, 1};
    Rows slope[STATE_DIM] = {{0}}, sum[STATE_DIM] = {{0}}, point[STATE_DIM];

    for (int stage = 0; stage < 4; stage++) {
        for (int k = 0; k < STATE_DIM; k++)
            for (int i = 0; i < n; i++)
                point[k][i] = s[k][i] + at[stage] * dt * slope[k][i];
        memcpy(slope[T1], point[W1], sizeof slope[T1]);
        memcpy(slope[T2], point[W2], sizeof slope[T2]);
        accelerate(point, m1, m2, torque, n, slope[W1], slope[W2]);
        for (int k = 0; k < STATE_DIM; k++)
            for (int i = 0; i < n; i++)
                sum[k][i] += weight[stage] * slope[k][i];
    }
    for (int k = 0; k < STATE_DIM; k++)
        for (int i = 0; i < n; i++)
            s[k][i] += dt / 6.0 * sum[k][i];
}

// An angle moved by whole turns into [-pi, pi].
static double wrap(double angle) {
    if (fabs(angle) > 8 * pi)
        angle = remainder(angle, 2 * pi);
    while (angle > pi)
        angle -= 2 * pi;
    while (angle < -pi)
        angle += 2 * pi;
    return angle;
}

static double bound(double x, double limit) {
    return fmax(-limit, fmin(x, limit));
}

static void step_block(EnvBatch *batch, const double *action, int first, int n) {
    Rows s[STATE_DIM], m1, m2, torque;
    ptrdiff_t rows = batch->n;

    for (int k = 0; k < STATE_DIM; k++)
        memcpy(s[k], batch->state + k * rows + first, (size_t)n * sizeof(double));
    memcpy(m1, batch->task + M1 * rows + first, (size_t)n * sizeof(double));
    memcpy(m2, batch->task + M2 * rows + first, (size_t)n * sizeof(double));
    for (int i = 0; i < n; i++)
        torque[i] = action[first + i] - 1.0;

    integrate(s, m1, m2, torque, n);
    for (int i = 0; i < n; i++) {
        s[T1][i] = wrap(s[T1][i]);
        s[T2][i] = wrap(s[T2][i]);
        s[W1][i] = bound(s[W1][i], max_speed[0]);
        s[W2][i] = bound(s[W2][i], max_speed[1]);
        bool up = -cos(s[T1][i]) - cos(s[T2][i] + s[T1][i]) > 1.0;
        batch->next_terminated[first + i] = up;
        batch->next_reward[first + i] = up ? 0.0 : -1.0;
    }
    for (int k = 0; k < STATE_DIM; k++)
        memcpy(batch->next_state + k * rows + first, s[k], (size_t)n * sizeof(double));
}

static void step(EnvBatch *batch, const double *action, int first, int n) {
    for (int i = 0; i < n; i += BLOCK)
        step_block(batch, action, first + i, n - i < BLOCK ? n - i : BLOCK);
}

static void observe(const double *state, double *observation) {
    observation[0] = cos(state[T1]);
    observation[1] = sin(state[T1]);
    observation[2] = cos(state[T2]);
    observation[3] = sin(state[T2]);
    observation[4] = state[W1];
    observation[5] = state[W2];
}

static int draw(const double *state, EnvMark *marks, double view[4]) {
    static const double shown[4] = {-2.4, 2.4, -2.2, 2.2};
    double x1 = sin(state[T1]), y1 = -cos(state[T1]);
    double x2 = x1 + sin(state[T1] + state[T2]), y2 = y1 - cos(state[T1] + state[T2]);
    const EnvMark all[] = {
        {-2.4, 1, 2.4, 1, 0.02, 0.55f, 0.8f, 0.55f}, // the line to pass
        {0, 0, x1, y1, 0.16, 0.25f, 0.35f, 0.55f},   // links
        {x1, y1, x2, y2, 0.12, 0.8f, 0.5f, 0.25f},   {0, 0, 0, 0, 0.1, 0.3f, 0.3f, 0.3f}, // joints
        {x1, y1, x1, y1, 0.1, 0.3f, 0.3f, 0.3f},
    };

    memcpy(view, shown, sizeof shown);
    memcpy(marks, all, sizeof all);
    return sizeof all / sizeof *all;
}

const EnvPhysics env_acrobot = {
    .reset = reset, .step = step, .observe = observe, .dt = 0.2, .tolerance = 1e-9, .draw = draw};
