// envs/cartpole.c -- Cart-Pole swing-up.
//
// A cart on a rail carries a pole that hangs down at first; a force on the cart has to swing it up
// and balance it. The equations of motion and the cost are those of PILCO (Deisenroth and
// Rasmussen, ICML 2011) as Deep PILCO restates them (Gal, McAllister and Rasmussen, 2016), with
// theta = 0 upright. Two habits of that lineage are kept, since the scores that tables compare with
// depend on both:
//   - one explicit Euler step of 0.1 s for a transition; it feeds energy in, and an exact
//     integrator makes the swing-up about twice as costly;
//   - the cost takes the pole's tip at x + l sin(theta), where these equations have it at
//     x - l sin(theta).
// Variants of the family change them.
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "envs/env.h"
#include "envs/env_random.h"

enum { X, X_DOT, THETA, THETA_DOT, STATE_DIM };
enum { CART_MASS, POLE_MASS, TASK_DIM };
enum { RESET_NOISE, COST_HALF, TIP_SIGN }; // variants
enum { BLOCK = 64 }; // rows whose sines and cosines are kept at once

static_assert((int)STATE_DIM == (int)ENV_cartpole_state, "envs.def: dims of the state");
static_assert((int)TASK_DIM == (int)ENV_cartpole_task, "envs.def: dims of a task");
static_assert((int)ENV_cartpole_action == 1, "envs.def: dims of an action");

static const double g = 9.82;       // m/s^2, gravity
static const double l = 0.6;        // m, length of the pole
static const double b = 0.1;        // N s/m, friction of the cart
static const double dt = 0.1;       // s, of a transition
static const double max_force = 10; // N
static const double spread = 0.02;  // standard deviation of the initial state
static const double width = 0.25;   // m, of the cost
static const double pi = 3.141592653589793;

// s_0 ~ N((0, 0, pi, 0), 0.02^2 I): the pole hangs, nearly at rest.
static void reset(const double *variant, const double *task, uint64_t key, double *state) {
    static const double mean[STATE_DIM] = {[THETA] = pi};
    double deviation = spread * variant[RESET_NOISE];
    (void)task;

    for (int k = 0; k < STATE_DIM; k++)
        state[k] = mean[k] + deviation * env_random_normal(key, (uint64_t)k);
}

// Minus the cost: exp(-d^2 / (2 width^2)) - 1, where d is how far the tip is from (0, l).
static double reward_at(const double *variant, double x, double theta) {
    double across = x + variant[TIP_SIGN] * l * sin(theta);
    double down = l * cos(theta) - l;
    double factor = 1.0 - 0.5 * variant[COST_HALF];
    return exp(-factor * (across * across + down * down) / (width * width)) - 1.0;
}

static double reward(const double *variant, const double *state) {
    return reward_at(variant, state[X], state[THETA]);
}

// The transition of rows first .. first + n - 1. One loop holds the calls to libm and the clipping,
// and the equations are written to a block of our own, which nothing else points into: so their
// loop is plain arithmetic and becomes vector code.
static void step_block(EnvBatch *batch, const double *action, int first, int n) {
    double sine[BLOCK], cosine[BLOCK], force[BLOCK], next[STATE_DIM][BLOCK];
    ptrdiff_t rows = batch->n;
    const double *now = batch->state + first; // (STATE_DIM, rows)
    const double *task = batch->task + first; // (TASK_DIM, rows)

    for (int i = 0; i < n; i++) {
        sine[i] = sin(now[THETA * rows + i]);
        cosine[i] = cos(now[THETA * rows + i]);
        force[i] = fmax(-max_force, fmin(action[first + i], max_force));
    }

    // equations of motion, and one Euler step with the velocities before it
    for (int i = 0; i < n; i++) {
        double m_c = task[CART_MASS * rows + i], m_p = task[POLE_MASS * rows + i], m = m_c + m_p;
        double x = now[X * rows + i], x_dot = now[X_DOT * rows + i];
        double theta = now[THETA * rows + i], theta_dot = now[THETA_DOT * rows + i];
        double s = sine[i], c = cosine[i], f = force[i];

        double spin = m_p * l * theta_dot * theta_dot * s;
        double share = 4.0 * m - 3.0 * m_p * c * c;
        double x_acc = (-2.0 * spin + 3.0 * m_p * g * s * c + 4.0 * f - 4.0 * b * x_dot) / share;
        double theta_acc =
            (-3.0 * spin * c + 6.0 * m * g * s + 6.0 * (f - b * x_dot) * c) / (l * share);

        next[X][i] = x + dt * x_dot;
        next[X_DOT][i] = x_dot + dt * x_acc;
        next[THETA][i] = theta + dt * theta_dot;
        next[THETA_DOT][i] = theta_dot + dt * theta_acc;
    }

    for (int k = 0; k < STATE_DIM; k++)
        memcpy(batch->next_state + k * rows + first, next[k], (size_t)n * sizeof(double));
    for (int i = 0; i < n; i++)
        batch->next_reward[first + i] = reward_at(batch->variant, next[X][i], next[THETA][i]);
}

static void step(EnvBatch *batch, const double *action, int first, int n) {
    for (int i = 0; i < n; i += BLOCK)
        step_block(batch, action, first + i, n - i < BLOCK ? n - i : BLOCK);
}

// The tip is drawn where the cost has it, at x + l sin(theta).
static int draw(const double *state, EnvMark *marks, double view[4]) {
    double x = state[X], tip_x = x + l * sin(state[THETA]), tip_y = l * cos(state[THETA]);
    double middle = fabs(x) < 1 ? 0 : x;
    const double shown[4] = {middle - 1.8, middle + 1.8, -1.2, 1.4};
    const EnvMark all[] = {
        {middle - 3, 0, middle + 3, 0, 0.02, 0.6f, 0.6f, 0.6f}, // rail
        {0, l, 0, l, 0.12, 0.55f, 0.8f, 0.55f},                 // goal
        {x - 0.15, 0, x + 0.15, 0, 0.16, 0.25f, 0.35f, 0.55f},  // cart
        {x, 0, tip_x, tip_y, 0.05, 0.8f, 0.5f, 0.25f},          // pole
        {tip_x, tip_y, tip_x, tip_y, 0.09, 0.7f, 0.25f, 0.2f},  // tip
    };

    memcpy(view, shown, sizeof shown);
    memcpy(marks, all, sizeof all);
    return sizeof all / sizeof *all;
}

const EnvPhysics env_cartpole = {
    .reset = reset, .step = step, .reward = reward, .dt = 0.1, .tolerance = 1e-12, .draw = draw};
