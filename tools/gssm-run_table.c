// tools/gssm-run_table.c -- gssm-run table: the paper's tables from runs.
#include <stdio.h>
#include <string.h>

#include "ir/base/exits.h"
#include "runtime/record/table.h"
#include "runtime/train/runs.h"
#include "tools/gssm-run.h"

// Rows of all runs. Those of a folder that were not tested are told; a run given itself must be.
static int read_runs(RtTable *t, const RtGivenRun *runs, int n, char *why, size_t why_size) {
    bool tested = false;

    for (int i = 0; i < n; i++) {
        bool read = rt_table_read_run(t, runs[i].dir, runs[i].swept, why, why_size);
        if (!read && !runs[i].listed)
            return EXIT_BAD_INPUT;
        if (!read)
            buf_printf(&t->notes, "left out: %s\n", why);
        tested = tested || read;
    }
    return tested ? EXIT_OK : EXIT_BAD_INPUT;
}

static void put_table(Buf *b, RtTable *t, const char *format) {
    if (strcmp(format, "json") == 0)
        rt_table_put_json(b, t);
    else if (strcmp(format, "csv") == 0)
        rt_table_put_csv(b, t);
    else if (strcmp(format, "latex") == 0)
        rt_table_put_latex(b, t);
    else
        rt_table_put_text(b, t);
}

int command_table(const OptCommand *self, int argc, char **argv) {
    const char *format = "text", *by = NULL;
    bool json = false;
    // clang-format off
    const Opt table[] = {
        {"format", 0, OPT_CHOICE, &format, "text|csv|latex|json", "how the table is written (text)", 0, 0},
        {"json", 0, OPT_FLAG, &json, NULL, "the same as --format=json", 0, 0},
        {"by", 0, OPT_TEXT, &by, "KEY,...", "lines of their own for runs that differ in these keys (those that a sweep varies)", 0, 0},
    };
    // clang-format on
    OptRest rest = {.least = 1};
    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);
    RtTable t = {0};
    RtGivenRun *runs;
    Arena a = {0};
    Buf b = {0};
    char why[1024] = "";
    int n;

    if (code != OPT_GO_ON)
        return code;
    code = rt_runs_given(&a, rest.items, rest.n, by, &runs, &n, why, sizeof why);
    if (code == EXIT_OK)
        code = read_runs(&t, runs, n, why, sizeof why);
    if (code == EXIT_OK) {
        put_table(&b, &t, json ? "json" : format);
        put_out(&b);
    }
    rt_table_free(&t);
    arena_free(&a);
    return say(self, code, code == EXIT_OK ? "" : why);
}
