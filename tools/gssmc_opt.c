// tools/gssmc_opt.c -- gssmc opt, ops and passes: IR text through passes, and the tables.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/exits.h"
#include "ir/text.h"
#include "tools/gssmc.h"

enum { MAX_TEXT = 64 << 20 };

static bool read_text(const char *path, Buf *text, char *why, size_t why_size) {
    if (strcmp(path, "-") != 0)
        return buf_read_file(text, path, MAX_TEXT, why, why_size);

    char chunk[65536];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, stdin)) > 0 && text->len < MAX_TEXT;)
        buf_put(text, chunk, n);
    return true;
}

int command_opt(const OptCommand *self, int argc, char **argv) {
    Gssmc g = {.target = "ref", .threads = 1};
    bool locs = false, lower = false;
    const Opt table[] = {
        GSSMC_PASS_OPTIONS(&g),
        {"lower", 0, OPT_FLAG, &lower, NULL, "go on to kernels and print the schedule"},
        {"locations", 0, OPT_FLAG, &locs, NULL, "print where each line came from"},
    };
    OptRest rest = {.least = 1, .most = 1};
    Buf text = {0}, out = {0};
    char why[512];

    int differs = EXIT_OK;
    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);
    if (code != OPT_GO_ON)
        return code;
    g.graph_only = !lower;
    if ((code = gssmc_open_machine(&g, self)) != EXIT_OK)
        goto end;
    if (!read_text(rest.items[0], &text, why, sizeof why)) {
        fprintf(stderr, "gssmc opt: %s\n", why);
        code = EXIT_BAD_INPUT;
        goto end;
    }
    IrModule *m = ir_parse_module(&g.arena, &g.diag, rest.items[0], buf_text(&text), text.len);
    for (int i = 0; m && i < m->n; i++) {
        IrFunction *f = m->functions[i];
        if (!pass_run_pipeline(f, &g.def.passes, &g.diag, &g.arena, NULL))
            break;
        int one = gssmc_check_numeric(&g, self, f->name);
        differs = differs == EXIT_OK ? one : differs;
        IrSchedule *s =
            lower ? pass_lower(f, &g.backend->target, &g.def.passes, &g.diag, &g.arena, NULL)
                  : NULL;
        if (s)
            ir_print_schedule(&out, s, locs);
    }
    code = gssmc_report(&g);
    if (code == EXIT_OK && m && !lower)
        ir_print_module(&out, m, locs);
    if (code == EXIT_OK)
        fwrite(buf_text(&out), 1, out.len, stdout);
    code = code == EXIT_OK ? differs : code;
end:
    buf_free(&text);
    buf_free(&out);
    return gssmc_close(&g, code);
}

static const char *kind_name(IrKind kind) {
    switch (kind) {
    case IR_KIND_MAP:
        return "elementwise";
    case IR_KIND_LEAF:
        return "leaf";
    case IR_KIND_MOVE:
        return "move";
    case IR_KIND_REDUCE:
        return "reduce";
    case IR_KIND_CONTRACT:
        return "contract";
    case IR_KIND_ORDER:
        return "order";
    case IR_KIND_CONTROL:
        return "control";
    }
    diag_bug("operation without a kind");
}

int command_ops(const OptCommand *self, int argc, char **argv) {
    bool json = false;
    const Opt table[] = {{"json", 0, OPT_FLAG, &json, NULL, "print JSON"}};
    static const char *const gradients[] = {
#define MAP(name, inputs, result, grad, expr, doc) #grad,
#define OP(name, inputs, kind, shape, grad, doc)   #grad,
#include "ir/ops.def"
    };

    int code = opt_parse(self, table, 1, argc, argv, &(OptRest){.most = -1});
    if (code != OPT_GO_ON)
        return code;
    if (!json)
        printf("%-14s %-12s %-7s %-14s %s\n", "operation", "kind", "inputs", "gradient", "meaning");
    for (int i = 0; i < IR_OP_COUNT; i++) {
        const IrOpInfo *op = &ir_op_info[i];
        char inputs[16];
        snprintf(inputs, sizeof inputs, op->n_in < 0 ? "any" : "%d", op->n_in);
        if (json) {
            printf("%s{\"name\": \"%s\", \"kind\": \"%s\", \"inputs\": %d, \"gradient\": \"%s\"",
                   i ? " " : "[", op->name, kind_name(op->kind), op->n_in, gradients[i]);
            gssmc_print_json(", \"doc\": ", op->doc);
            printf(i + 1 < IR_OP_COUNT ? "},\n" : "}]\n");
        } else
            printf("%-14s %-12s %-7s %-14s %s\n", op->name, kind_name(op->kind), inputs,
                   gradients[i], op->doc);
    }
    return EXIT_OK;
}

int command_passes(const OptCommand *self, int argc, char **argv) {
    bool json = false;
    const Opt table[] = {{"json", 0, OPT_FLAG, &json, NULL, "print JSON"}};

    int code = opt_parse(self, table, 1, argc, argv, &(OptRest){.most = -1});
    if (code != OPT_GO_ON)
        return code;
    for (int i = 0; i < PASS_COUNT; i++)
        if (json) {
            printf("%s{\"name\": \"%s\", \"works_on\": \"%s\"", i ? " " : "[", pass_info[i].name,
                   pass_info[i].run ? "graph" : "schedule");
            gssmc_print_json(", \"doc\": ", pass_info[i].doc);
            printf(i + 1 < PASS_COUNT ? "},\n" : "}]\n");
        } else
            printf("%-10s %-9s %s\n", pass_info[i].name, pass_info[i].run ? "graph" : "schedule",
                   pass_info[i].doc);
    if (!json) {
        printf("pipeline:");
        for (int i = 0; i < pass_default_pipeline_length; i++)
            printf(" %s", pass_info[pass_default_pipeline[i]].name);
        putchar('\n');
    }
    return EXIT_OK;
}
