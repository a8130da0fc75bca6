// runtime/record/table.c -- the paper's tables: seeds become cells, cells are compared.
//
// The evaluations themselves are read and written by eval.c; table_put.c writes the tables.
#include "runtime/record/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

RtRow rt_row(void) {
    return (RtRow){
        .system = "",
        .env = "",
        .profile = "",
        .swept = "",
        .score = NAN,
        .score_sd_tasks = NAN,
        .mse = NAN,
        .mse_sd = NAN,
        .paper_score = NAN,
        .paper_mse = NAN,
        .paper_score_sd = NAN,
        .paper_mse_sd = NAN,
        .paper_seconds = NAN,
        .paper_seconds_sd = NAN,
        .adapt = NAN,
        .adapt_sd = NAN,
        .belief = NAN,
        .step = NAN,
        .real_episodes = NAN,
        .seconds = NAN,
        .kl = NAN,
        .iteration = NAN,
        .iterations = NAN,
        .tasks = NAN,
        .episodes = NAN,
        .recipe_tasks = NAN,
        .recipe_episodes = NAN,
        .score_other = NAN,
        .score_zero = NAN,
    };
}

static bool same_cell(const RtRow *a, const RtRow *b) {
    return strcmp(a->system, b->system) == 0 && strcmp(a->env, b->env) == 0 &&
           strcmp(a->profile, b->profile) == 0 && strcmp(a->swept, b->swept) == 0;
}

void rt_table_add(RtTable *t, const RtRow *row) {
    RtRow copy = *row;
    const char **departs = arena_array(&t->arena, const char *, row->n_departs);

    copy.system = arena_strdup(&t->arena, row->system);
    copy.env = arena_strdup(&t->arena, row->env);
    copy.profile = arena_strdup(&t->arena, row->profile);
    copy.swept = arena_strdup(&t->arena, row->swept);
    for (int i = 0; i < row->n_departs; i++)
        departs[i] = arena_strdup(&t->arena, row->departs[i]);
    copy.departs = departs;

    for (int i = 0; i < t->n; i++) {
        if (!same_cell(&t->rows[i], row) || t->rows[i].seed != row->seed)
            continue;
        buf_printf(&t->notes,
                   "two runs of %s on %s (%s) have seed %lld; the one given later counts\n",
                   row->system, row->env, row->profile, (long long)row->seed);
        t->rows[i] = copy;
        return;
    }
    arena_push(&t->arena, t->rows, t->n, t->cap, copy);
}

void rt_table_free(RtTable *t) {
    arena_free(&t->arena);
    buf_free(&t->notes);
    *t = (RtTable){0};
}

const char *rt_verdict_text(RtVerdict v) {
    switch (v) {
    case RT_VERDICT_NONE:
        return "-";
    case RT_VERDICT_BETTER:
        return "better";
    case RT_VERDICT_WITHIN:
        return "within spread";
    case RT_VERDICT_SHORT:
        return "short";
    }
    return "-";
}

// The values of a row that are averaged over seeds.
static const size_t averaged[] = {
    offsetof(RtRow, score),          offsetof(RtRow, score_sd_tasks),
    offsetof(RtRow, mse),            offsetof(RtRow, mse_sd),
    offsetof(RtRow, paper_score),    offsetof(RtRow, paper_mse),
    offsetof(RtRow, paper_score_sd), offsetof(RtRow, paper_mse_sd),
    offsetof(RtRow, paper_seconds),  offsetof(RtRow, paper_seconds_sd),
    offsetof(RtRow, adapt),          offsetof(RtRow, adapt_sd),
    offsetof(RtRow, belief),         offsetof(RtRow, step),
    offsetof(RtRow, real_episodes),  offsetof(RtRow, seconds),
    offsetof(RtRow, kl),             offsetof(RtRow, score_other),
    offsetof(RtRow, score_zero),
};
enum { N_AVERAGED = sizeof averaged / sizeof *averaged };

static double value_at(const RtRow *r, size_t offset) {
    return *(const double *)(const void *)((const char *)r + offset);
}

// Mean and deviation, over the rows of the cell that `first` belongs to, of the values known.
static double mean_of(const RtTable *t, int first, size_t offset, double *sd) {
    double sum = 0, squares = 0;
    int n = 0;

    for (int pass = 0; pass < 2; pass++)
        for (int i = first; i < t->n; i++) {
            double x = value_at(&t->rows[i], offset);
            if (isnan(x) || !same_cell(&t->rows[first], &t->rows[i]))
                continue;
            sum += pass == 0 ? x : 0;
            n += pass == 0;
            squares += pass == 1 ? (x - sum / n) * (x - sum / n) : 0;
        }
    *sd = n > 1 ? sqrt(squares / (n - 1)) : NAN;
    return n > 0 ? sum / n : NAN;
}

// `gain` is how far the figure is beyond the paper's: greater is better.
static RtVerdict judge(double gain, double paper_sd, double sd_tasks, double sd_seeds) {
    double spread = fmax(isnan(sd_tasks) ? 0 : sd_tasks, isnan(sd_seeds) ? 0 : sd_seeds);

    if (isnan(gain))
        return RT_VERDICT_NONE;
    if (gain >= 0)
        return RT_VERDICT_BETTER;
    return -gain <= (isnan(paper_sd) ? spread : paper_sd) ? RT_VERDICT_WITHIN : RT_VERDICT_SHORT;
}

// Adds the departures of `from` that `to` does not have.
static void join_departs(Arena *a, RtRow *to, const RtRow *from) {
    const char **all = arena_array(a, const char *, to->n_departs + from->n_departs);
    int n = to->n_departs;

    for (int i = 0; i < n; i++)
        all[i] = to->departs[i];
    for (int i = 0; i < from->n_departs; i++) {
        bool known = false;
        for (int k = 0; k < n; k++)
            known = known || strcmp(all[k], from->departs[i]) == 0;
        if (!known)
            all[n++] = from->departs[i];
    }
    to->departs = all;
    to->n_departs = n;
}

// Gathers all rows of the cell that `first` belongs to. A value is the mean of those that are
// known.
static RtCell make_cell(RtTable *t, int first) {
    RtCell c = {.row = t->rows[first]};
    double sd;

    for (int i = first; i < t->n; i++) {
        if (!same_cell(&t->rows[first], &t->rows[i]))
            continue;
        c.n_seeds++;
        join_departs(&t->arena, &c.row, &t->rows[i]);
    }
    for (int k = 0; k < N_AVERAGED; k++)
        *(double *)(void *)((char *)&c.row + averaged[k]) = mean_of(t, first, averaged[k], &sd);
    mean_of(t, first, offsetof(RtRow, score), &c.score_sd_seeds);
    mean_of(t, first, offsetof(RtRow, mse), &c.mse_sd_seeds);

    const RtRow *r = &c.row;
    c.verdict = judge(r->score - r->paper_score, r->paper_score_sd, r->score_sd_tasks,
                      c.score_sd_seeds);
    c.mse_verdict = judge(r->paper_mse - r->mse, r->paper_mse_sd, r->mse_sd, c.mse_sd_seeds);
    if (r->paper_seconds > 0) // where there is nothing to do nobody is faster
        c.adapt_verdict = judge(r->paper_seconds - r->adapt, r->paper_seconds_sd, r->adapt_sd, NAN);
    return c;
}

int rt_table_cells(RtTable *t, RtCell **cells) {
    bool *taken = arena_array(&t->arena, bool, t->n + 1);
    int n = 0;

    // families in order of appearance; within one, cells in order of appearance
    *cells = arena_array(&t->arena, RtCell, t->n + 1);
    for (int i = 0; i < t->n; i++) {
        for (int k = i; k < t->n && !taken[i]; k++) {
            bool first = !taken[k] && strcmp(t->rows[k].env, t->rows[i].env) == 0;
            for (int m = i; first && m < k; m++)
                first = !same_cell(&t->rows[m], &t->rows[k]);
            if (first)
                (*cells)[n++] = make_cell(t, k);
        }
        for (int k = i; k < t->n; k++)
            taken[k] = taken[k] || strcmp(t->rows[k].env, t->rows[i].env) == 0;
    }
    return n;
}
