// tools/gssmc_compile.c -- gssmc compile and gssmc check.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ir/base/exits.h"
#include "ir/text.h"
#include "tools/gssmc.h"

// A form that --emit knows, and the ending of its file.
typedef struct Form {
    const char *name, *ending;
    bool by_backend; // printed by the back end
} Form;

static const Form forms[] = {
    {"ir", "gir", false},         {"schedule", "sched", false}, {"llvm", "ll", true},
    {"llvm-opt", "opt.ll", true}, {"asm", "s", true},           {"obj", "o", true},
    {"dot", "dot", false},
};
enum { N_FORMS = sizeof forms / sizeof *forms };

static bool print_form(const Gssmc *g, const RtProgram *p, const Form *form, FILE *out, char *why,
                       size_t why_size) {
    Buf text = {0};

    if (form->by_backend) {
        if (g->backend->emit)
            return g->backend->emit(p->schedule, &g->def.options, form->name, out, why, why_size);
        snprintf(why, why_size, "the back end '%s' has no form '%s'", g->backend->name, form->name);
        return false;
    }
    IrFunction *fn = p->fn;
    if (strcmp(form->name, "dot") == 0) {
        ir_renumber(fn);
        ir_print_dot(&text, fn);
    } else if (strcmp(form->name, "ir") == 0)
        ir_print_module(&text, &(IrModule){.dims = fn->dims, .n = 1, .functions = &fn}, true);
    else
        ir_print_schedule(&text, p->schedule, true);
    fwrite(buf_text(&text), 1, text.len, out);
    buf_free(&text);
    return true;
}

// Writes one form of `p` into folder or file `output` (standard output when NULL).
static int emit(const Gssmc *g, const OptCommand *self, const RtProgram *p, const Form *form,
                const char *output, bool is_dir) {
    char path[4096], why[512] = "";
    FILE *out = stdout;

    if (output) {
        if (is_dir)
            snprintf(path, sizeof path, "%s/%s.%s", output, p->name, form->ending);
        else
            snprintf(path, sizeof path, "%s", output);
        if (!(out = fopen(path, "w"))) {
            fprintf(stderr, "gssmc %s: cannot write '%s': %s\n", self->name, path, strerror(errno));
            return EXIT_CANNOT_CREATE;
        }
    }
    bool ok = print_form(g, p, form, out, why, sizeof why);
    bool lost = ferror(out) != 0;
    if (output && (fclose(out) != 0 || lost)) {
        fprintf(stderr, "gssmc %s: cannot write '%s': %s\n", self->name, path, strerror(errno));
        return EXIT_IO;
    }
    if (!ok) {
        fprintf(stderr, "gssmc %s: %s\n", self->name, why);
        return EXIT_MISSING;
    }
    return EXIT_OK;
}

static bool is_chosen(const OptRest *rest, const char *name) {
    for (int i = 1; i < rest->n; i++)
        if (strcmp(rest->items[i], name) == 0)
            return true;
    return rest->n == 1;
}

static int parse_forms(const OptCommand *self, Arena *a, const char *list, const Form **chosen,
                       int *n) {
    char *copy = arena_strdup(a, list);

    for (char *name = strtok(copy, ","); name; name = strtok(NULL, ",")) {
        const char *names[N_FORMS];
        int k = 0;
        for (; k < N_FORMS && strcmp(forms[k].name, name) != 0; k++)
            names[k] = forms[k].name;
        if (k == N_FORMS) {
            const char *near = map_nearest(name, names, N_FORMS);
            return opt_refuse(self, "--emit knows no form '%s'%s%s%s", name,
                              near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        }
        if (*n < N_FORMS)
            chosen[(*n)++] = &forms[k];
    }
    return EXIT_OK;
}

// How compile was called.
typedef struct Compile {
    const OptCommand *self;
    Gssmc *g;
    const OptRest *rest;
    const Form *forms[N_FORMS];
    int n_forms;
    const char *output;
    GssmcReport report;
    int n_made, code;
} Compile;

static void emit_all(Compile *c, const RtProgram *p) {
    struct stat st;
    char why[512];
    bool is_dir = c->output && ((stat(c->output, &st) == 0 && S_ISDIR(st.st_mode)) ||
                                c->n_forms > 1 || c->rest->n != 2);

    if (is_dir && c->n_forms && !buf_make_dirs(c->output, why, sizeof why)) {
        fprintf(stderr, "gssmc %s: %s\n", c->self->name, why);
        c->code = EXIT_CANNOT_CREATE;
    }
    for (int k = 0; k < c->n_forms && (c->code == EXIT_OK || c->code == EXIT_CHECK); k++) {
        int code = emit(c->g, c->self, p, c->forms[k], c->output, is_dir);
        c->code = code == EXIT_OK ? c->code : code;
    }
}

static void compile_entry(Compile *c, const LangEntry *e) {
    Gssmc *g = c->g;
    LangRequest request = {.instance = "", .name = e->name};
    char why[512];

    if (g->dump && c->rest->n != 2) // each has a folder of its own
        g->def.passes.dump_dir = arena_printf(&g->arena, "%s/%s", g->dump, e->name);
    RtProgram *p =
        rt_program_new(&g->arena, g->world, &g->diag, &request, &g->def, why, sizeof why);
    if (!p && why[0])
        fprintf(stderr, "gssmc %s: %s: %s\n", c->self->name, e->name, why);
    if (!p) {
        c->code = why[0] ? EXIT_BUG : EXIT_BAD_INPUT;
        return;
    }
    int differs = gssmc_check_numeric(g, c->self, e->name);
    c->code = c->code == EXIT_OK ? differs : c->code;
    gssmc_report_program(&c->report, g, e, p);
    emit_all(c, p);
    rt_program_free(p);
    c->n_made++;
}

static int compile_all(Compile *c) {
    const LangEntry *entries;
    const char *file = c->rest->items[0], *why;
    int n = lang_entries(c->g->world, &entries), code, n_generic = 0;

    for (int i = 1; i < c->rest->n; i++)
        if ((code = gssmc_check_entry(c->g, c->self, file, c->rest->items[i])) != EXIT_OK)
            return code;
    gssmc_report_begin(&c->report, c->g, file);
    for (int i = 0; i < n; i++) {
        if (entries[i].instance[0] || !is_chosen(c->rest, entries[i].name))
            continue;
        if ((why = gssmc_why_generic(c->g, &entries[i]))) {
            gssmc_report_generic(&c->report, &entries[i], why);
            n_generic++;
        } else
            compile_entry(c, &entries[i]);
    }
    gssmc_report_end(&c->report);
    int reported = gssmc_report(c->g);
    if (c->n_made == 0 && n_generic == 0 && c->code == EXIT_OK && !c->report.quiet &&
        !c->report.json)
        printf("nothing to compile\n");
    return reported != EXIT_OK ? reported : c->code;
}

int command_compile(const OptCommand *self, int argc, char **argv) {
    Gssmc g = {0};
    OptRest rest = {.least = 1, .most = 1000};
    Compile c = {.self = self, .g = &g, .rest = &rest};
    const char *emit_list = NULL;
    const Opt table[] = {
        GSSMC_OPTIONS(&g),
        {"emit", 0, OPT_TEXT, &emit_list, "LIST",
         "ir,schedule,llvm,llvm-opt,asm,obj,dot: what to write"},
        {"output", 'o', OPT_TEXT, &c.output, "FILE|DIR", "where to write it (standard output)"},
        {"json", 0, OPT_FLAG, &c.report.json, NULL, "print what was made as JSON"},
    };

    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);
    if (code != OPT_GO_ON)
        return code;
    if (c.output && !emit_list)
        code = opt_refuse(self, "-o says where, and --emit is missing, which says what");
    else if (!emit_list ||
             (code = parse_forms(self, &g.arena, emit_list, c.forms, &c.n_forms)) == EXIT_OK) {
        c.report.quiet = c.n_forms > 0 && !c.output;
        if ((code = gssmc_open(&g, self, rest.items[0])) == EXIT_OK)
            code = compile_all(&c);
    }
    return gssmc_close(&g, code);
}

int command_check(const OptCommand *self, int argc, char **argv) {
    Gssmc g = {0};
    const Opt table[] = {
        {NULL, 'D', OPT_LIST, &g.dims, "NAME=VALUE", "bind a dim to a number"},
        {"set", 0, OPT_LIST, &g.sets, "NAME=VALUE", "an option or setting of the model"},
        {"bind", 0, OPT_LIST, &g.binds, "NAME=MODULE", "bind a module parameter"},
    };
    OptRest rest = {.least = 1};
    int worst = EXIT_OK;

    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);
    if (code != OPT_GO_ON)
        return code;
    for (int i = 0; i < rest.n; i++) {
        Gssmc one = {
            .dims = g.dims, .sets = g.sets, .binds = g.binds, .target = "ref", .threads = 1};
        code = gssmc_open(&one, self, rest.items[i]);
        if (code == EXIT_OK) {
            lang_check(one.world, &one.diag, false);
            code = gssmc_report(&one);
        }
        if (code == EXIT_OK)
            printf("%s: no errors\n", rest.items[i]);
        else
            worst = code;
        gssmc_close(&one, code);
    }
    return worst;
}
