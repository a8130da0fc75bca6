// tools/gssmc.h -- what the compiler's commands share.
#ifndef TOOLS_GSSMC_H
#define TOOLS_GSSMC_H

#include "runtime/exec/call.h"
#include "runtime/exec/numeric.h"
#include "tools/options.h"

// Options that most commands have, as given; filled by opt_parse through GSSMC_OPTIONS.
typedef struct Gssmc {
    OptList dims, sets, binds; // NAME=VALUE each
    const char *target, *dtype, *gemm;
    OptList disabled;
    const char *passes, *print_after, *dump, *trace;
    int64_t bisect_limit, threads;
    const char *verify_each; // NULL, "" or "numeric"
    bool graph_only; // the command makes no code: any list of passes will do
    bool time_passes, pass_stats, list_passes, no_cache;
    Buf *notes; // of the passes, on the program that is made; owned by the arena but for its text

    // made by gssmc_open
    Arena arena;
    Diag diag;
    LangWorld *world;
    Backend *backend;
    PassId pipeline[128];
    RtProgramDef def;
    RtPool *pool;
    RtNumeric numeric; // of --verify-each=numeric
    LangPair *dim_pairs, *set_pairs, *bind_pairs;
    int n_dim_pairs;
} Gssmc;

// What gssmc compile tells about: begun once, then one call for each entry.
typedef struct GssmcReport {
    bool json, quiet; // quiet: --emit writes to standard output
    int n;
} GssmcReport;

// A data file. `names` are those of the arrays with the renames applied: "in.x", "p.key.w".
typedef struct GssmcData {
    RtTensorFile file;
    bool given;
    const char **names;
    const RtTensor **tensors;
    int n;
} GssmcData;

// clang-format off
// Options of commands that read a model, whose reals are f32 unless said otherwise.
#define GSSMC_OPTIONS(g) GSSMC_OPTIONS_AT(g, "f32")
#define GSSMC_OPTIONS_AT(g, real) \
    {NULL, 'D', OPT_LIST, &(g)->dims, "NAME=VALUE", "bind a dim to a number"}, \
    {"set", 0, OPT_LIST, &(g)->sets, "NAME=VALUE", "an option or setting of the model"}, \
    {"bind", 0, OPT_LIST, &(g)->binds, "NAME=MODULE", "bind a module parameter"}, \
    {"target", 0, OPT_CHOICE, &(g)->target, "cpu|ref", "back end (cpu)"}, \
    {"dtype", 0, OPT_CHOICE, &(g)->dtype, "f32|f64", "type of reals (" real ")"}, \
    {"gemm", 0, OPT_CHOICE, &(g)->gemm, "own|blas", "matrix products (own)"}, \
    {"threads", 0, OPT_INT, &(g)->threads, "N", "worker threads (all cores)", .least = 1, .most = 256}, \
    {"no-cache", 0, OPT_FLAG, &(g)->no_cache, NULL, "neither read nor write compiled objects"}, \
    {"trace", 0, OPT_TEXT, &(g)->trace, "FILE.json", "write a Chrome trace of stages, passes, kernels and steps"}, \
    {"time-passes", 0, OPT_FLAG, &(g)->time_passes, NULL, "print the time of each pass"}, \
    {"pass-stats", 0, OPT_FLAG, &(g)->pass_stats, NULL, \
     "print what each pass changed, and what it has to say"}, \
    GSSMC_PASS_OPTIONS(g)

// Options of commands that run passes.
#define GSSMC_PASS_OPTIONS(g) \
    {"passes", 0, OPT_TEXT, &(g)->passes, "LIST", "run these passes, parted by commas"}, \
    {"disable-pass", 0, OPT_LIST, &(g)->disabled, "PASS", "leave this pass out"}, \
    {"list-passes", 0, OPT_FLAG, &(g)->list_passes, NULL, "print the pipeline and stop"}, \
    {"verify-each", 0, OPT_MAYBE, &(g)->verify_each, "numeric", "verify the IR after each pass; with numeric also evaluate it"}, \
    {"bisect-limit", 0, OPT_INT, &(g)->bisect_limit, "N", "run only the first N optional passes", .least = 1, .most = 1000000}, \
    {"print-after", 0, OPT_TEXT, &(g)->print_after, "PASS|all|change", "print the IR after passes"}, \
    {"dump", 0, OPT_TEXT, &(g)->dump, "DIR", "write the IR after each pass to numbered files"}
// clang-format on

// Opens `file` as the entry module of a world with what the options say. EXIT_OK, or an exit code
// after printing what is wrong. Always end with gssmc_close().
int gssmc_open(Gssmc *g, const OptCommand *command, const char *file);

// The same without a file: passes, back end and threads alone.
int gssmc_open_machine(Gssmc *g, const OptCommand *command);

// Binds further dims and opens the world again. For dims that data fix.
int gssmc_reopen(Gssmc *g, const OptCommand *command, const char *file, const LangPair *more,
                 int n);

// Whether `name` is a function or program of `file`, which is open: EXIT_OK, or EXIT_BAD_USAGE
// after a message with the nearest name.
int gssmc_check_entry(Gssmc *g, const OptCommand *command, const char *file, const char *name);

// Whether `name` can be compiled as it is: EXIT_OK, or EXIT_BAD_USAGE after saying which -D is missing.
int gssmc_check_concrete(Gssmc *g, const OptCommand *command, const char *name);

// Prints the diagnostics so far and gives the exit code for them: EXIT_OK when there is none.
int gssmc_report(Gssmc *g);

// Tells of a difference that --verify-each=numeric found in `name`, which was just compiled: EXIT_OK
// where there is none, else EXIT_CHECK. Further functions can be compiled then.
int gssmc_check_numeric(Gssmc *g, const OptCommand *command, const char *name);

// Why an entry is compiled only where it is called, or with further -D; NULL where it is not so.
const char *gssmc_why_generic(Gssmc *g, const LangEntry *e);

// The file with dims, options and settings as bound; a program; an entry that is generic; the end.
void gssmc_report_begin(GssmcReport *r, const Gssmc *g, const char *file);
void gssmc_report_program(GssmcReport *r, const Gssmc *g, const LangEntry *e, const RtProgram *p);
void gssmc_report_generic(GssmcReport *r, const LangEntry *e, const char *why);
void gssmc_report_end(const GssmcReport *r);

// Prints --time-passes and --pass-stats of a program.
void gssmc_print_passes(const Gssmc *g, const RtProgram *p);

// Also writes the trace. Gives `code`, or that of a trace that cannot be written.
int gssmc_close(Gssmc *g, int code);

// Reads the data file at `path`. EXIT_OK, or an exit code after a message; a rename that meets no name
// is wrong usage. Always end with gssmc_data_close().
int gssmc_data_read(GssmcData *data, Gssmc *g, const OptCommand *self, const char *path,
                    const OptList *renames);

// Binds static dims of the module (those with a default) that the shapes of in.* fix, by opening the
// world again.
int gssmc_data_bind_dims(const GssmcData *data, Gssmc *g, const OptCommand *self, const char *file,
                         const char *function);

// Sites whose values the data hold (draw.*); returns how many. Owned by `a`.
int gssmc_data_draws(const GssmcData *data, Arena *a, const char ***sites);

void gssmc_data_close(GssmcData *data);

// Prints `head` and the text as a JSON string.
void gssmc_print_json(const char *head, const char *text);

int command_compile(const OptCommand *self, int argc, char **argv);
int command_check(const OptCommand *self, int argc, char **argv);
int command_run(const OptCommand *self, int argc, char **argv);
int command_gradcheck(const OptCommand *self, int argc, char **argv);
int command_verify(const OptCommand *self, int argc, char **argv);
int command_explain(const OptCommand *self, int argc, char **argv);
int command_opt(const OptCommand *self, int argc, char **argv);
int command_bench(const OptCommand *self, int argc, char **argv);
int command_ops(const OptCommand *self, int argc, char **argv);
int command_passes(const OptCommand *self, int argc, char **argv);
int command_cache(const OptCommand *self, int argc, char **argv);
int command_doctor(const OptCommand *self, int argc, char **argv);

#endif
