// runtime/record/table_put.c -- the paper's tables as text, LaTeX, CSV and JSON.
//
// A column is a row of `columns`; a table says which columns it has and which cells belong to it.
// Nothing here knows a system: a cell without a model's error stands in the table of those that
// learn without a model.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/record/csv.h"
#include "runtime/record/json.h"
#include "runtime/record/table.h"

// ---- cells as text ------------------------------------------------------------------------------

static const char *format_value(Arena *a, double x) {
    return isnan(x) ? "-" : arena_printf(a, fabs(x) >= 1000 && fabs(x) < 1e6 ? "%.1f" : "%.4g", x);
}

// "mean (deviation)", as the paper prints it.
static const char *format_spread(Arena *a, double x, double sd) {
    return isnan(sd) || isnan(x) ? format_value(a, x)
                                 : arena_printf(a, "%s (%.2g)", format_value(a, x), sd);
}

static const char *format_deviation(Arena *a, double sd) {
    return isnan(sd) ? "-" : arena_printf(a, "%.2g", sd);
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

// Seconds of an adaptation; one without stages takes no time at all.
static const char *format_adapt(Arena *a, double x, double sd) {
    return x == 0 ? "none" : format_spread(a, x, sd);
}

enum {
    FAMILY,
    SYSTEM,
    SWEPT,
    PROFILE,
    SEEDS,
    SCORE,
    SCORE_SEEDS,
    PAPER_SCORE,
    VERDICT,
    MSE,
    MSE_SEEDS,
    PAPER_MSE,
    MSE_VERDICT,
    KL,
    OTHER_Z,
    ZERO_Z,
    EPISODES,
    TIME,
    ADAPT,
    PAPER_ADAPT,
    ADAPT_VERDICT,
    BELIEF,
    STEP,
    N_COLUMNS,
};

static const struct {
    const char *title;
    bool left;   // text stands left, numbers stand right
    bool always; // shown even where nothing of it is known
} columns[N_COLUMNS] = {
    [FAMILY] = {"family", true, true},
    [SYSTEM] = {"system", true, true},
    [SWEPT] = {"swept", true, false},
    [PROFILE] = {"profile", true, true},
    [SEEDS] = {"seeds", false, true},
    [SCORE] = {"score (tasks)", false, true},
    [SCORE_SEEDS] = {"seeds sd", false, true},
    [PAPER_SCORE] = {"paper", false, true},
    [VERDICT] = {"verdict", true, true},
    [MSE] = {"MSE (tasks)", false, true},
    [MSE_SEEDS] = {"seeds sd", false, false},
    [PAPER_MSE] = {"paper MSE", false, true},
    [MSE_VERDICT] = {"verdict", true, false},
    [KL] = {"KL", false, false},
    [OTHER_Z] = {"other z", false, false},
    [ZERO_Z] = {"zero z", false, false},
    [EPISODES] = {"episodes", false, false},
    [TIME] = {"time", false, false},
    [ADAPT] = {"seconds (tasks)", false, true},
    [PAPER_ADAPT] = {"paper", false, true},
    [ADAPT_VERDICT] = {"verdict", true, false},
    [BELIEF] = {"belief", false, false},
    [STEP] = {"each action", false, false},
};

static void format_cells(Arena *a, const RtCell *c, const char *out[N_COLUMNS]) {
    const RtRow *r = &c->row;

    out[FAMILY] = r->env;
    out[SYSTEM] = r->system;
    out[SWEPT] = *r->swept ? r->swept : "-";
    out[PROFILE] = r->profile;
    out[SEEDS] = arena_printf(a, "%d", c->n_seeds);
    out[SCORE] = format_spread(a, r->score, r->score_sd_tasks);
    out[SCORE_SEEDS] = format_deviation(a, c->score_sd_seeds);
    out[PAPER_SCORE] = format_spread(a, r->paper_score, r->paper_score_sd);
    out[VERDICT] = rt_verdict_text(c->verdict);
    out[MSE] = format_spread(a, r->mse, r->mse_sd);
    out[MSE_SEEDS] = format_deviation(a, c->mse_sd_seeds);
    out[PAPER_MSE] = format_spread(a, r->paper_mse, r->paper_mse_sd);
    out[MSE_VERDICT] = rt_verdict_text(c->mse_verdict);
    out[KL] = format_value(a, r->kl);
    out[OTHER_Z] = format_value(a, r->score_other);
    out[ZERO_Z] = format_value(a, r->score_zero);
    out[EPISODES] = isnan(r->real_episodes) ? "-" : arena_printf(a, "%.0f", r->real_episodes);
    out[TIME] = format_time(a, r->seconds);
    out[ADAPT] = format_adapt(a, r->adapt, r->adapt_sd);
    out[PAPER_ADAPT] = format_adapt(a, r->paper_seconds, r->paper_seconds_sd);
    out[ADAPT_VERDICT] = rt_verdict_text(c->adapt_verdict);
    out[BELIEF] = format_value(a, r->belief);
    out[STEP] = format_value(a, r->step);
}

// ---- tables of the paper ------------------------------------------------------------------------

static bool has_model(const RtCell *c) {
    return !isnan(c->row.mse) || !isnan(c->row.paper_mse);
}

static bool has_no_model(const RtCell *c) {
    return !has_model(c);
}

static bool has_times(const RtCell *c) {
    return !isnan(c->row.adapt) || !isnan(c->row.paper_seconds);
}

static const struct {
    const char *title;
    bool (*holds)(const RtCell *c);
    int n;
    int columns[N_COLUMNS];
} tables[] = {
    {"Table 1: policies and models on unseen tasks; in brackets the deviation across tasks",
     has_model,
     18,
     {FAMILY, SYSTEM, SWEPT, PROFILE, SEEDS, SCORE, SCORE_SEEDS, PAPER_SCORE, VERDICT, MSE,
      MSE_SEEDS, PAPER_MSE, MSE_VERDICT, KL, OTHER_Z, ZERO_Z, EPISODES, TIME}},
    {"Table 2: policies learnt without a model, on unseen tasks",
     has_no_model,
     13,
     {FAMILY, SYSTEM, SWEPT, PROFILE, SEEDS, SCORE, SCORE_SEEDS, PAPER_SCORE, VERDICT, OTHER_Z,
      ZERO_Z, EPISODES, TIME}},
    {"Table 6: seconds to adapt to an unseen task, to make the belief, and for each action",
     has_times,
     10,
     {FAMILY, SYSTEM, SWEPT, PROFILE, SEEDS, ADAPT, PAPER_ADAPT, ADAPT_VERDICT, BELIEF, STEP}},
};
enum { N_TABLES = sizeof tables / sizeof *tables };

// The lines of one table, and the columns that it shows.
typedef struct Lines {
    const char *(*cells)[N_COLUMNS];
    const RtCell **of;
    int n;
    int columns[N_COLUMNS], n_columns;
} Lines;

static bool is_known(const Lines *l, int column) {
    bool known = columns[column].always;

    for (int k = 0; k < l->n; k++)
        known = known || strcmp(l->cells[k][column], "-") != 0;
    return known;
}

static Lines lines_of(Arena *a, int table, const RtCell *cells, int n) {
    Lines l = {.cells = arena_alloc_array(a, (size_t)n + 1, sizeof *l.cells),
               .of = arena_array(a, const RtCell *, n + 1)};

    for (int i = 0; i < n; i++)
        if (tables[table].holds(&cells[i])) {
            l.of[l.n] = &cells[i];
            format_cells(a, &cells[i], l.cells[l.n++]);
        }
    for (int i = 0; i < tables[table].n; i++)
        if (is_known(&l, tables[table].columns[i]))
            l.columns[l.n_columns++] = tables[table].columns[i];
    return l;
}

static bool begins_family(const Lines *l, int i) {
    return i == 0 || strcmp(l->of[i]->row.env, l->of[i - 1]->row.env) != 0;
}

// ---- text ---------------------------------------------------------------------------------------

static int width_of(const Lines *l, int column) {
    int width = (int)strlen(columns[column].title);

    for (int k = 0; k < l->n; k++) {
        int w = (int)strlen(l->cells[k][column]);
        width = w > width ? w : width;
    }
    return width;
}

// Line `k`, or the titles for -1.
static void put_line(Buf *b, const Lines *l, int k) {
    for (int i = 0; i < l->n_columns; i++) {
        int c = l->columns[i];
        bool last = i == l->n_columns - 1;
        const char *text = k < 0 ? columns[c].title : l->cells[k][c];
        int width = last && columns[c].left ? 0 : width_of(l, c);
        buf_printf(b, columns[c].left ? "%s%-*s" : "%s%*s", i ? "  " : "", width, text);
    }
    buf_puts(b, "\n");
}

// Whether a cell before it that differs in swept keys alone has the same departures.
static bool departs_again(const RtCell *cells, int i) {
    const RtRow *r = &cells[i].row;

    for (int k = 0; k < i; k++) {
        const RtRow *o = &cells[k].row;
        bool same = strcmp(o->system, r->system) == 0 && strcmp(o->env, r->env) == 0 &&
                    strcmp(o->profile, r->profile) == 0 && o->n_departs == r->n_departs;
        for (int d = 0; d < r->n_departs && same; d++)
            same = strcmp(o->departs[d], r->departs[d]) == 0;
        if (same)
            return true;
    }
    return false;
}

static void put_departs(Buf *b, const RtCell *cells, int n) {
    for (int i = 0; i < n; i++) {
        const RtRow *r = &cells[i].row;
        if (departs_again(cells, i))
            continue;
        if (r->n_departs > 0)
            buf_printf(b, "\n%s on %s (%s) departs from the paper:\n", r->system, r->env,
                       r->profile);
        for (int k = 0; k < r->n_departs; k++)
            buf_printf(b, "  * %s\n", r->departs[k]);
    }
}

void rt_table_put_text(Buf *b, RtTable *t) {
    RtCell *cells;
    int n = rt_table_cells(t, &cells);
    bool first = true;

    for (int i = 0; i < N_TABLES; i++) {
        Lines l = lines_of(&t->arena, i, cells, n);
        if (l.n == 0)
            continue;
        buf_printf(b, "%s%s\n\n", first ? "" : "\n\n", tables[i].title);
        put_line(b, &l, -1);
        for (int k = 0; k < l.n; k++) {
            buf_puts(b, k > 0 && begins_family(&l, k) ? "\n" : "");
            put_line(b, &l, k);
        }
        first = false;
    }
    put_departs(b, cells, n);
    if (t->notes.len > 0)
        buf_printf(b, "\n%s", t->notes.data);
}

// ---- LaTeX --------------------------------------------------------------------------------------

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

// Whether line `i` has its family's best score, or least error, where `column` is of these.
static bool is_best(const Lines *l, int i, int column) {
    size_t offset = column == SCORE ? offsetof(RtRow, score) : offsetof(RtRow, mse);
    double sign = column == SCORE ? 1 : -1;
    const char *own = (const char *)&l->of[i]->row + offset;

    if (column != SCORE && column != MSE)
        return false;
    for (int k = 0; k < l->n; k++) {
        const char *other = (const char *)&l->of[k]->row + offset;
        if (strcmp(l->of[k]->row.env, l->of[i]->row.env) == 0 &&
            sign * *(const double *)(const void *)other > sign * *(const double *)(const void *)own)
            return false;
    }
    return !isnan(*(const double *)(const void *)own);
}

static void put_latex_cell(Buf *b, const Lines *l, int k, int column) {
    const char *text = l->cells[k][column];
    bool number = !columns[column].left && strcmp(text, "-") != 0;
    bool negative = number && text[0] == '-';
    bool bold = is_best(l, k, column);

    buf_puts(b, bold ? "\\textbf{" : "");
    buf_puts(b, negative ? "$-$" : "");
    put_latex_text(b, text + negative);
    buf_puts(b, bold ? "}" : "");
}

static void put_latex_table(Buf *b, const Lines *l, const char *title) {
    buf_printf(b, "%% %s\n\\begin{tabular}{", title);
    for (int i = 0; i < l->n_columns; i++)
        buf_puts(b, columns[l->columns[i]].left ? "l" : "r");
    buf_puts(b, "}\n\\toprule\n");
    for (int i = 0; i < l->n_columns; i++)
        buf_printf(b, "%s%s", i ? " & " : "", columns[l->columns[i]].title);
    buf_puts(b, " \\\\\n");
    for (int k = 0; k < l->n; k++) {
        buf_puts(b, begins_family(l, k) ? "\\midrule\n" : "");
        for (int i = 0; i < l->n_columns; i++) {
            buf_puts(b, i ? " & " : "");
            put_latex_cell(b, l, k, l->columns[i]);
        }
        buf_puts(b, " \\\\\n");
    }
    buf_puts(b, "\\bottomrule\n\\end{tabular}\n");
}

// Departures, for the caption.
static void put_latex_departs(Buf *b, const RtCell *c) {
    for (int k = 0; k < c->row.n_departs; k++) {
        buf_printf(b, "%% %s on %s (%s): ", c->row.system, c->row.env, c->row.profile);
        for (const char *p = c->row.departs[k]; *p; p++)
            buf_put(b, *p == '\n' ? " " : p, 1);
        buf_puts(b, "\n");
    }
}

void rt_table_put_latex(Buf *b, RtTable *t) {
    RtCell *cells;
    int n = rt_table_cells(t, &cells);

    buf_puts(b, "% requires \\usepackage{booktabs}\n");
    for (int i = 0; i < N_TABLES; i++) {
        Lines l = lines_of(&t->arena, i, cells, n);
        if (l.n > 0)
            put_latex_table(b, &l, tables[i].title);
    }
    for (int i = 0; i < n; i++)
        put_latex_departs(b, &cells[i]);
}

// ---- CSV, JSON ----------------------------------------------------------------------------------

typedef enum Kind { TEXT, COUNT, REAL, JUDGED } Kind;

// Keys of both, in this order: those that are promised, then further ones.
static const struct {
    const char *key;
    Kind kind;
    size_t offset; // in the cell
} keys[] = {
    {"system", TEXT, offsetof(RtCell, row.system)},
    {"env", TEXT, offsetof(RtCell, row.env)},
    {"profile", TEXT, offsetof(RtCell, row.profile)},
    {"seeds", COUNT, offsetof(RtCell, n_seeds)},
    {"score", REAL, offsetof(RtCell, row.score)},
    {"score_sd_tasks", REAL, offsetof(RtCell, row.score_sd_tasks)},
    {"score_sd_seeds", REAL, offsetof(RtCell, score_sd_seeds)},
    {"mse", REAL, offsetof(RtCell, row.mse)},
    {"mse_sd", REAL, offsetof(RtCell, row.mse_sd)},
    {"paper_score", REAL, offsetof(RtCell, row.paper_score)},
    {"paper_mse", REAL, offsetof(RtCell, row.paper_mse)},
    {"verdict", JUDGED, offsetof(RtCell, verdict)},
    {"real_episodes", REAL, offsetof(RtCell, row.real_episodes)},
    {"seconds", REAL, offsetof(RtCell, row.seconds)},
    {"swept", TEXT, offsetof(RtCell, row.swept)},
    {"mse_sd_seeds", REAL, offsetof(RtCell, mse_sd_seeds)},
    {"mse_verdict", JUDGED, offsetof(RtCell, mse_verdict)},
    {"paper_score_sd", REAL, offsetof(RtCell, row.paper_score_sd)},
    {"paper_mse_sd", REAL, offsetof(RtCell, row.paper_mse_sd)},
    {"kl", REAL, offsetof(RtCell, row.kl)},
    {"score_other", REAL, offsetof(RtCell, row.score_other)},
    {"score_zero", REAL, offsetof(RtCell, row.score_zero)},
    {"adapt_seconds", REAL, offsetof(RtCell, row.adapt)},
    {"adapt_sd", REAL, offsetof(RtCell, row.adapt_sd)},
    {"paper_seconds", REAL, offsetof(RtCell, row.paper_seconds)},
    {"paper_seconds_sd", REAL, offsetof(RtCell, row.paper_seconds_sd)},
    {"adapt_verdict", JUDGED, offsetof(RtCell, adapt_verdict)},
    {"belief_seconds", REAL, offsetof(RtCell, row.belief)},
    {"step_seconds", REAL, offsetof(RtCell, row.step)},
};
enum { N_KEYS = sizeof keys / sizeof *keys };

static const void *value_of(const RtCell *c, int key) {
    return (const char *)c + keys[key].offset;
}

// The text of a key, or NULL where it holds a number.
static const char *text_of(const RtCell *c, int key) {
    switch (keys[key].kind) {
    case TEXT:
        return *(const char *const *)value_of(c, key);
    case JUDGED: {
        RtVerdict v = *(const RtVerdict *)value_of(c, key);
        return v == RT_VERDICT_NONE ? "" : rt_verdict_text(v);
    }
    case COUNT:
    case REAL:
        return NULL;
    }
    return NULL;
}

static double number_of(const RtCell *c, int key) {
    return keys[key].kind == COUNT ? *(const int *)value_of(c, key)
                                   : *(const double *)value_of(c, key);
}

void rt_table_put_csv(Buf *b, RtTable *t) {
    RtCell *cells;
    int n = rt_table_cells(t, &cells);

    for (int k = 0; k < N_KEYS; k++)
        buf_printf(b, "%s%s", k ? "," : "", keys[k].key);
    buf_puts(b, "\n");
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < N_KEYS; k++) {
            const char *text = text_of(&cells[i], k);
            char number[32] = "";
            buf_puts(b, k ? "," : "");
            if (!text && !isnan(number_of(&cells[i], k)))
                buf_format_double(number, number_of(&cells[i], k));
            rt_csv_put_text(b, text ? text : number);
        }
        buf_puts(b, "\n");
    }
}

void rt_table_put_json(Buf *b, RtTable *t) {
    RtCell *cells;
    int n = rt_table_cells(t, &cells);

    buf_puts(b, "[");
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < N_KEYS; k++) {
            const char *text = text_of(&cells[i], k);
            buf_printf(b, "%s\"%s\": ", k ? ", " : i ? ",\n {" : "{", keys[k].key);
            if (text && !*text && keys[k].kind == JUDGED)
                buf_puts(b, "null");
            else if (text)
                rt_json_put_string(b, text);
            else
                rt_json_put_finite(b, number_of(&cells[i], k));
        }
        buf_puts(b, "}");
    }
    buf_puts(b, "]\n");
}
