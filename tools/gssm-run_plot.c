// tools/gssm-run_plot.c -- gssm-run plot: learning curves, mean and spread over seeds.
//
// A panel is a family, a line a system (with its profile, and its values of swept keys, where there
// are several), and the runs of a line differ in their seeds. Which runs have a model is what their
// recipes say: they measure one at test, or do not.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/env.h"
#include "ir/base/exits.h"
#include "runtime/record/curves.h"
#include "runtime/train/runs.h"
#include "tools/gssm-run.h"
#include "tools/gssm-run_chart.h"

enum { MAX_SMOOTH = 10000 };

static const char score_tag[] = "rollout/score", test_tag[] = "meta_test/score";

static const struct {
    const char *word, *tag, *title;
} axes[] = {
    {"iteration", "iteration", "iteration"},
    {"episodes", "time/episodes", "real episodes"},
    {"timesteps", "time/total_timesteps", "real transitions"},
};
enum { N_AXES = sizeof axes / sizeof *axes };

typedef struct PlotOptions {
    const char *out, *tag, *by, *axis;
    int64_t smooth;
    bool budget;
} PlotOptions;

// Lists of names without doubles, in order of first appearance.
typedef struct Names {
    const char **items;
    int n, cap;
} Names;

static int add_name(Names *names, Arena *a, const char *name) {
    for (int i = 0; i < names->n; i++)
        if (strcmp(names->items[i], name) == 0)
            return i;
    arena_push(a, names->items, names->n, names->cap, name);
    return names->n - 1;
}

// All that is drawn, while it is gathered.
typedef struct Figure {
    Arena *arena;
    const PlotOptions *o;
    int axis;
    RtGivenRun *runs;
    RtCurve *curves;    // (n), over the tag that is drawn
    const char **names; // (n) of lines
    int n;
    Names families, lines;
} Figure;

static bool is_drawn(const Figure *f, int i) {
    return !(f->o->budget && f->runs[i].measured);
}

// Whether all runs that are drawn have the same `text`.
static bool all_same(const Figure *f, size_t offset) {
    const char *first = NULL;

    for (int i = 0; i < f->n; i++) {
        const char *text = *(const char *const *)(const void *)((const char *)&f->runs[i] + offset);
        if (!is_drawn(f, i))
            continue;
        if (first && strcmp(first, text) != 0)
            return false;
        first = text;
    }
    return true;
}

// Lines say only what tells them apart.
static void name_lines(Figure *f) {
    bool system = !all_same(f, offsetof(RtGivenRun, system));
    bool profile = !all_same(f, offsetof(RtGivenRun, profile));

    f->names = arena_array(f->arena, const char *, f->n);
    for (int i = 0; i < f->n; i++) {
        const RtGivenRun *r = &f->runs[i];
        const char *name = system || !*r->swept ? r->system : "";
        if (profile)
            name = arena_printf(f->arena, "%s%s%s", name, *name ? " " : "", r->profile);
        if (*r->swept)
            name = arena_printf(f->arena, "%s%s%s", name, *name ? ", " : "", r->swept);
        f->names[i] = name;
        if (is_drawn(f, i)) {
            add_name(&f->lines, f->arena, name);
            add_name(&f->families, f->arena, r->env);
        }
    }
}

// Reads the curves of all runs; gives in `has` whether each that is drawn has the tag.
static int read_curves(Figure *f, const char *tag, bool *has, char *why, size_t why_size) {
    *has = true;
    for (int i = 0; i < f->n; i++) {
        if (!rt_curve_read(&f->curves[i], f->arena, f->runs[i].dir, tag, axes[f->axis].tag, why,
                           why_size))
            return EXIT_BAD_INPUT;
        if (is_drawn(f, i) && f->curves[i].n == 0) {
            snprintf(why, why_size, "the run '%s' has no '%s'%s", f->runs[i].dir, tag,
                     f->runs[i].listed ? " yet" : "");
            *has = false;
        }
    }
    return EXIT_OK;
}

// The tag that is asked for; else the scores of tests in training where all runs have them, and
// those of real episodes.
static int choose_tag(Figure *f, const char **tag, char *why, size_t why_size) {
    const char *const tags[] = {f->o->tag ? f->o->tag : test_tag, score_tag};
    bool has = false;
    int code = EXIT_OK;

    for (int i = 0; i < (f->o->tag ? 1 : 2) && !has && code == EXIT_OK; i++) {
        *tag = tags[i];
        code = read_curves(f, *tag, &has, why, why_size);
    }
    return code == EXIT_OK && !has ? EXIT_BAD_INPUT : code;
}

// What the vertical axis of a family shows.
static const char *y_title(const Figure *f, const char *tag, const char *env) {
    const EnvFamily *family = env_find(env);
    const char *what = strcmp(tag, test_tag) == 0    ? "score of test tasks"
                       : strcmp(tag, score_tag) == 0 ? "score of real episodes"
                                                     : NULL;

    if (!what)
        return tag;
    if (!family || family->score.over == 1)
        return arena_printf(f->arena, "%s (return)", what);
    return arena_printf(f->arena, "%s (return / %g)", what, family->score.over);
}

static ChartPanel panel_of(const Figure *f, const char *env, const char *tag, int *most) {
    ChartPanel p = {.title = env,
                    .y_title = y_title(f, tag, env),
                    .lines = arena_array(f->arena, ChartLine, f->lines.n),
                    .mark = NAN};
    RtCurve *curves = arena_array(f->arena, RtCurve, f->n);

    for (int k = 0; k < f->lines.n; k++) {
        int n = 0;
        for (int i = 0; i < f->n; i++)
            if (is_drawn(f, i) && strcmp(f->runs[i].env, env) == 0 &&
                strcmp(f->names[i], f->lines.items[k]) == 0)
                curves[n++] = f->curves[i];
        RtBand b = rt_band_of(f->arena, curves, n, (int)f->o->smooth);
        *most = b.most > *most ? b.most : *most;
        if (b.n > 0)
            p.lines[p.n_lines++] =
                (ChartLine){.style = k, .x = b.x, .mean = b.mean, .sd = b.sd, .n = b.n};
    }
    for (int i = 0; i < f->n; i++)
        if (!is_drawn(f, i) && strcmp(f->runs[i].env, env) == 0)
            p.mark = fmax(p.mark, f->curves[i].last_x);
    return p;
}

static bool draw(const Figure *f, const char *tag, char *why, size_t why_size) {
    Chart c = {.panels = arena_array(f->arena, ChartPanel, f->families.n),
               .n_panels = f->families.n,
               .x_title = axes[f->axis].title,
               .legend = f->lines.items,
               .n_legend = f->lines.n};
    int most = 0;

    for (int i = 0; i < f->families.n; i++) {
        c.panels[i] = panel_of(f, f->families.items[i], tag, &most);
        if (!isnan(c.panels[i].mark))
            c.mark_name = arena_printf(f->arena, "%s that runs with a model take",
                                       axes[f->axis].title);
    }
    const char *mean =
        f->o->smooth > 1 ? arena_printf(f->arena, ", smoothed over %" PRId64 " points", f->o->smooth)
                         : "";
    c.note = most > 1 ? arena_printf(f->arena,
                                     "line: mean of up to %d seeds%s; band: standard deviation",
                                     most, mean)
                      : arena_printf(f->arena, "one seed%s", mean);
    return chart_draw(&c, f->o->out, why, (int)why_size);
}

static int plot(const OptCommand *self, const PlotOptions *o, const OptRest *rest) {
    Arena a = {0};
    Figure f = {.arena = &a, .o = o};
    char why[1024] = "";
    const char *tag = NULL;
    int code = rt_runs_given(&a, rest->items, rest->n, o->by, &f.runs, &f.n, why, sizeof why);

    while (f.axis < N_AXES - 1 && strcmp(axes[f.axis].word, o->axis) != 0)
        f.axis++;
    if (code == EXIT_OK) {
        f.curves = arena_array(&a, RtCurve, f.n);
        name_lines(&f);
        code = choose_tag(&f, &tag, why, sizeof why);
    }
    if (code == EXIT_OK && f.families.n == 0) {
        snprintf(why, sizeof why, "all of these runs have a model; --budget draws those without");
        code = EXIT_BAD_INPUT;
    }
    if (code == EXIT_OK && !draw(&f, tag, why, sizeof why))
        code = EXIT_CANNOT_CREATE;
    if (code == EXIT_OK)
        printf("%s: %s of %d runs, %d panels, %d lines\n", o->out, tag, f.n, f.families.n,
               f.lines.n);
    arena_free(&a);
    return say(self, code, code == EXIT_OK ? "" : why);
}

int command_plot(const OptCommand *self, int argc, char **argv) {
    PlotOptions o = {.axis = "iteration", .smooth = 1};
    // clang-format off
    const Opt table[] = {
        {"output", 'o', OPT_TEXT, &o.out, "FILE", "the picture, FILE.png or FILE.svg", 0, 0},
        {"tag", 0, OPT_TEXT, &o.tag, "TAG", "what is drawn, a column of progress.csv (meta_test/score where all runs have it, else rollout/score)", 0, 0},
        {"x", 0, OPT_CHOICE, &o.axis, "iteration|episodes|timesteps", "what it is drawn over (iteration)", 0, 0},
        {"by", 0, OPT_TEXT, &o.by, "KEY,...", "lines of their own for runs that differ in these keys (those that a sweep varies)", 0, 0},
        {"budget", 0, OPT_FLAG, &o.budget, NULL, "draw the runs without a model, and what those with a model take as a dotted line", 0, 0},
        {"smooth", 0, OPT_INT, &o.smooth, "N", "the mean over the last N points of each run (1)", 1, MAX_SMOOTH},
    };
    // clang-format on
    OptRest rest = {.least = 1};
    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);

    if (code != OPT_GO_ON)
        return code;
    if (!o.out)
        return opt_refuse(self, "say where the picture goes: -o FILE.png or -o FILE.svg");
    if (!chart_format_known(o.out))
        return opt_refuse(self, "'%s' ends neither in .png nor in .svg", o.out);
    if (o.budget && strcmp(o.axis, "iteration") == 0)
        return opt_refuse(self, "--budget counts real episodes or transitions: say --x=episodes or "
                                "--x=timesteps");
    return plot(self, &o, &rest);
}
