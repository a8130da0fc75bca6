// runtime/record/table.c -- the paper's tables: seeds become cells, cells become text.
//
// The evaluations themselves are read and written by eval.c.
#include "runtime/record/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/record/csv.h"
#include "runtime/record/json.h"

RtRow rt_row(void) {
    return (RtRow){
        .system = "",
        .env = "",
        .profile = "",
        .score = NAN,
        .score_sd_tasks = NAN,
        .mse = NAN,
        .mse_sd = NAN,
        .paper_score = NAN,
        .paper_mse = NAN,
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
           strcmp(a->profile, b->profile) == 0;
}

void rt_table_add(RtTable *t, const RtRow *row) {
    RtRow copy = *row;
    const char **departs = arena_array(&t->arena, const char *, row->n_departs);

    copy.system = arena_strdup(&t->arena, row->system);
    copy.env = arena_strdup(&t->arena, row->env);
    copy.profile = arena_strdup(&t->arena, row->profile);
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
static void values_of(RtRow *r, double *values[12]) {
    double *all[12] = {&r->score,       &r->score_sd_tasks, &r->mse,           &r->mse_sd,
                       &r->paper_score, &r->paper_mse,      &r->real_episodes, &r->seconds,
                       &r->kl,          &r->score_other,    &r->score_zero,    NULL};

    memcpy(values, all, sizeof all);
}

static RtVerdict judge(const RtCell *c) {
    double spread = 0;

    if (isnan(c->row.score) || isnan(c->row.paper_score))
        return RT_VERDICT_NONE;
    if (c->row.score >= c->row.paper_score)
        return RT_VERDICT_BETTER;
    if (c->row.score_sd_tasks > spread)
        spread = c->row.score_sd_tasks;
    if (c->score_sd_seeds > spread)
        spread = c->score_sd_seeds;
    return c->row.paper_score - c->row.score <= spread ? RT_VERDICT_WITHIN : RT_VERDICT_SHORT;
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
    RtCell c = {.row = t->rows[first], .score_sd_seeds = NAN};
    double *to[12], *from[12], sums[12] = {0}, squares = 0;
    int counts[12] = {0};

    values_of(&c.row, to);
    for (int i = first; i < t->n; i++) {
        if (!same_cell(&t->rows[first], &t->rows[i]))
            continue;
        c.n_seeds++;
        join_departs(&t->arena, &c.row, &t->rows[i]);
        values_of(&t->rows[i], from);
        for (int k = 0; from[k]; k++) {
            sums[k] += isnan(*from[k]) ? 0 : *from[k];
            counts[k] += !isnan(*from[k]);
        }
    }
    for (int k = 0; to[k]; k++)
        *to[k] = counts[k] > 0 ? sums[k] / counts[k] : NAN;

    for (int i = first; i < t->n; i++) {
        double d = t->rows[i].score - c.row.score;
        if (same_cell(&t->rows[first], &t->rows[i]) && !isnan(d))
            squares += d * d;
    }
    if (counts[0] > 1)
        c.score_sd_seeds = sqrt(squares / (counts[0] - 1));
    c.verdict = judge(&c);
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

static const char *format_value(Arena *a, double x) {
    return isnan(x) ? "-" : arena_printf(a, fabs(x) >= 1000 && fabs(x) < 1e6 ? "%.1f" : "%.4g", x);
}

// "mean (deviation)", as the paper prints it.
static const char *format_spread(Arena *a, double x, double sd) {
    return isnan(sd) ? format_value(a, x) : arena_printf(a, "%s (%.2g)", format_value(a, x), sd);
}

static const char *format_count(Arena *a, double x) {
    return isnan(x) ? "-" : arena_printf(a, "%.0f", x);
}

static const char *format_time(Arena *a, double s) {
    if (isnan(s))
        return "-";
    if (s < 60)
        return arena_printf(a, "%.1fs", s);
    long long whole = (long long)(s + 0.5);
    return whole < 3600 ? arena_printf(a, "%lldm%02llds", whole / 60, whole % 60)
                        : arena_printf(a, "%lldh%02lldm", whole / 3600, whole / 60 % 60);
}

enum { N_COLUMNS = 15 };

static const char *const titles[N_COLUMNS] = {
    "family",   "system",  "profile", "seeds",       "score (tasks)",
    "seeds sd", "paper",   "verdict", "MSE (tasks)", "paper MSE",
    "KL",       "other z", "zero z",  "episodes",    "time",
};

// Columns of text, which stand left; numbers stand right.
static bool is_left(int column) {
    return column < 3 || column == 7;
}

static void format_cells(Arena *a, const RtCell *c, const char *out[N_COLUMNS]) {
    const RtRow *r = &c->row;
    const char *all[N_COLUMNS] = {
        r->env,
        r->system,
        r->profile,
        arena_printf(a, "%d", c->n_seeds),
        format_spread(a, r->score, r->score_sd_tasks),
        isnan(c->score_sd_seeds) ? "-" : arena_printf(a, "%.2g", c->score_sd_seeds),
        format_value(a, r->paper_score),
        rt_verdict_text(c->verdict),
        format_spread(a, r->mse, r->mse_sd),
        format_value(a, r->paper_mse),
        format_value(a, r->kl),
        format_value(a, r->score_other),
        format_value(a, r->score_zero),
        format_count(a, r->real_episodes),
        format_time(a, r->seconds),
    };

    memcpy(out, all, sizeof all);
}

static void put_line(Buf *b, const char *const cells[N_COLUMNS], const int widths[N_COLUMNS]) {
    for (int i = 0; i < N_COLUMNS; i++) {
        if (widths[i] == 0)
            continue;
        bool last = i == N_COLUMNS - 1;
        int width = last && is_left(i) ? 0 : widths[i];
        buf_printf(b, is_left(i) ? "%s%-*s" : "%s%*s", i ? "  " : "", width, cells[i]);
    }
    buf_puts(b, "\n");
}

static void put_departs(Buf *b, const RtCell *cells, int n) {
    for (int i = 0; i < n; i++) {
        const RtRow *r = &cells[i].row;
        if (r->n_departs > 0)
            buf_printf(b, "\n%s on %s (%s) departs from the paper:\n", r->system, r->env,
                       r->profile);
        for (int k = 0; k < r->n_departs; k++)
            buf_printf(b, "  * %s\n", r->departs[k]);
    }
}

void rt_table_put_text(Buf *b, RtTable *t) {
    RtCell *cells;
    int n = rt_table_cells(t, &cells), widths[N_COLUMNS] = {0};
    const char *(*lines)[N_COLUMNS] = arena_alloc_array(&t->arena, (size_t)n + 1, sizeof *lines);

    // a column of which nothing is known is left out, but for those of the paper's tables
    for (int i = 0; i < N_COLUMNS; i++) {
        bool known = i < 10;
        for (int k = 0; k < n; k++) {
            if (i == 0)
                format_cells(&t->arena, &cells[k], lines[k]);
            int width = (int)strlen(lines[k][i]);
            widths[i] = width > widths[i] ? width : widths[i];
            known = known || strcmp(lines[k][i], "-") != 0;
        }
        int width = (int)strlen(titles[i]);
        widths[i] = !known ? 0 : width > widths[i] ? width : widths[i];
    }
    put_line(b, titles, widths);
    for (int k = 0; k < n; k++) {
        if (k > 0 && strcmp(cells[k].row.env, cells[k - 1].row.env) != 0)
            buf_puts(b, "\n");
        put_line(b, lines[k], widths);
    }
    put_departs(b, cells, n);
    if (t->notes.len > 0)
        buf_printf(b, "\n%s", t->notes.data);
}

static void put_csv_value(Buf *b, double x) {
    char text[32];

    buf_puts(b, ",");
    if (!isnan(x)) {
        buf_format_double(text, x);
        buf_puts(b, text);
    }
}

void rt_table_put_csv(Buf *b, RtTable *t) {
    RtCell *cells;
    int n = rt_table_cells(t, &cells);

    buf_puts(b, "env,system,profile,seeds,score,score_sd_tasks,score_sd_seeds,mse,mse_sd,"
                "paper_score,paper_mse,verdict,real_episodes,seconds,kl,score_other,score_zero\n");
    for (int i = 0; i < n; i++) {
        const RtRow *r = &cells[i].row;
        rt_csv_put_text(b, r->env);
        buf_puts(b, ",");
        rt_csv_put_text(b, r->system);
        buf_puts(b, ",");
        rt_csv_put_text(b, r->profile);
        buf_printf(b, ",%d", cells[i].n_seeds);
        const double before[] = {r->score,    r->score_sd_tasks, cells[i].score_sd_seeds,
                                 r->mse,      r->mse_sd,         r->paper_score,
                                 r->paper_mse};
        for (int k = 0; k < 7; k++)
            put_csv_value(b, before[k]);
        bool judged = cells[i].verdict != RT_VERDICT_NONE;
        buf_printf(b, ",%s", judged ? rt_verdict_text(cells[i].verdict) : "");
        const double after[] = {r->real_episodes, r->seconds, r->kl, r->score_other, r->score_zero};
        for (int k = 0; k < 5; k++)
            put_csv_value(b, after[k]);
        buf_puts(b, "\n");
    }
}

static void put_latex_text(Buf *b, const char *s) {
    for (; *s; s++) {
        if (strchr("&%$#_{}", *s))
            buf_printf(b, "\\%c", *s);
        else if (*s == '\\')
            buf_puts(b, "\\textbackslash{}");
        else if (*s == '^' || *s == '~')
            buf_printf(b, "\\%c{}", *s);
        else
            buf_put(b, s, 1);
    }
}

// Whether cell `i` has the family's best score.
static bool is_best(const RtCell *cells, int n, int i) {
    for (int k = 0; k < n; k++) {
        if (strcmp(cells[k].row.env, cells[i].row.env) == 0 &&
            cells[k].row.score > cells[i].row.score)
            return false;
    }
    return !isnan(cells[i].row.score);
}

void rt_table_put_latex(Buf *b, RtTable *t) {
    static const int columns[] = {0, 1, 2, 3, 4, 6, 8, 9};
    RtCell *cells;
    int n = rt_table_cells(t, &cells), n_columns = sizeof columns / sizeof *columns;

    buf_puts(b, "% requires \\usepackage{booktabs}\n\\begin{tabular}{lllrrrrr}\n\\toprule\n"
                "family & system & profile & seeds & score & paper & MSE & paper MSE \\\\\n");
    for (int i = 0; i < n; i++) {
        const char *line[N_COLUMNS];
        format_cells(&t->arena, &cells[i], line);
        if (i == 0 || strcmp(cells[i].row.env, cells[i - 1].row.env) != 0)
            buf_puts(b, "\\midrule\n");
        for (int k = 0; k < n_columns; k++) {
            bool bold = columns[k] == 4 && is_best(cells, n, i);
            bool dash = strcmp(line[columns[k]], "-") == 0;
            buf_puts(b, k ? " & " : "");
            buf_puts(b, bold ? "\\textbf{" : columns[k] > 3 && !dash ? "{" : "");
            bool negative = columns[k] > 3 && !dash && line[columns[k]][0] == '-';
            buf_puts(b, negative ? "$-$" : "");
            put_latex_text(b, line[columns[k]] + negative);
            buf_puts(b, bold || (columns[k] > 3 && !dash) ? "}" : "");
        }
        buf_puts(b, " \\\\\n");
    }
    buf_puts(b, "\\bottomrule\n\\end{tabular}\n");

    // departures, for the caption
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < cells[i].row.n_departs; k++) {
            const RtRow *r = &cells[i].row;
            buf_printf(b, "%% %s on %s (%s): ", r->system, r->env, r->profile);
            for (const char *p = r->departs[k]; *p; p++)
                buf_put(b, *p == '\n' ? " " : p, 1);
            buf_puts(b, "\n");
        }
    }
}

void rt_table_put_json(Buf *b, RtTable *t) {
    RtCell *cells;
    int n = rt_table_cells(t, &cells);

    buf_puts(b, "[");
    for (int i = 0; i < n; i++) {
        const RtRow *r = &cells[i].row;
        buf_puts(b, i ? ",\n {\"system\": " : "{\"system\": ");
        rt_json_put_string(b, r->system);
        buf_puts(b, ", \"env\": ");
        rt_json_put_string(b, r->env);
        buf_puts(b, ", \"profile\": ");
        rt_json_put_string(b, r->profile);
        buf_printf(b, ", \"seeds\": %d", cells[i].n_seeds);
        const struct {
            const char *key;
            double value;
        } before[] = {
            {"score", r->score},
            {"score_sd_tasks", r->score_sd_tasks},
            {"score_sd_seeds", cells[i].score_sd_seeds},
            {"mse", r->mse},
            {"mse_sd", r->mse_sd},
            {"paper_score", r->paper_score},
            {"paper_mse", r->paper_mse},
        };
        for (int k = 0; k < 7; k++) {
            buf_printf(b, ", \"%s\": ", before[k].key);
            rt_json_put_finite(b, before[k].value);
        }
        buf_puts(b, ", \"verdict\": ");
        if (cells[i].verdict == RT_VERDICT_NONE)
            buf_puts(b, "null");
        else
            rt_json_put_string(b, rt_verdict_text(cells[i].verdict));
        buf_puts(b, ", \"real_episodes\": ");
        rt_json_put_finite(b, r->real_episodes);
        buf_puts(b, ", \"seconds\": ");
        rt_json_put_finite(b, r->seconds);
        buf_puts(b, "}");
    }
    buf_puts(b, "]\n");
}
