// tests/check_cli_gssmc.c -- the command line of gssmc, by running the program.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <cjson/cJSON.h>

#include "ir/base/exits.h"
#include "tests/support_cli.h"

static Cli cli;

// A model that compiles in no time.
static const char small[] = "module: small\n"
                            "dims: {N: {max: 9, likely: 3}}\n"
                            "params: {w: \"full([4, 2], 0.5)\"}\n"
                            "functions:\n"
                            "  apply:\n"
                            "    inputs: {x: \"[N, 4]\"}\n"
                            "    output: tanh(x @ w)\n"
                            "  loss:\n"
                            "    inputs: {x: \"[N, 4]\", y: \"[N, 2]\"}\n"
                            "    output: {loss: mean((apply(x) - y) ** 2)}\n";

static void setup(void) {
    cli_open(&cli, "gssmc");
    cli_write(&cli, "small.yaml", small);
}

static void teardown(void) {
    cli_close(&cli);
}

// What was printed to standard output, as JSON; the caller frees it with cJSON_Delete().
static cJSON *json(void) {
    cJSON *all = cJSON_Parse(buf_text(&cli.out));

    ck_assert_msg(all != NULL, "this is not JSON:\n%.900s", buf_text(&cli.out));
    return all;
}

static bool exists(const char *name) {
    return cli_shell(&cli, "test -s \"$DIR/%s\"", name) == 0;
}

// ---- usage --------------------------------------------------------------------------------------

static const char *const commands[] = {"compile", "check", "run", "gradcheck", "verify", "explain",
                                       "opt",     "bench", "ops", "passes",    "cache",  "doctor"};

START_TEST(every_command_has_help_and_version) {
    cli_expect(&cli, EXIT_OK, "%s --help", commands[_i]);
    cli_expect_out(&cli, "usage: gssmc");
    cli_expect_out(&cli, commands[_i]);
    cli_expect_out(&cli, "--help");
    ck_assert_uint_eq(cli.err.len, 0);
    cli_expect(&cli, EXIT_OK, "%s --version", commands[_i]);
    ck_assert_int_eq(strncmp(buf_text(&cli.out), "gssmc ", 6), 0);
    cli_expect(&cli, EXIT_OK, "--help");
    cli_expect_out(&cli, commands[_i]);
}
END_TEST

static const struct {
    const char *arguments, *message;
} wrong[] = {
    // commands and operands
    {"", "gssmc: say what to do\n"},
    {"compil", "gssmc: no command is called 'compil'; did you mean 'compile'?\n"},
    {"xyzzy", "gssmc: no command is called 'xyzzy'\n"},
    {"compile", "gssmc compile: FILE [FUNCTION...] is missing\n"},
    {"compile --", "gssmc compile: FILE [FUNCTION...] is missing\n"},
    {"check", "gssmc check: FILE... is missing\n"},
    {"run $DIR/small.yaml", "gssmc run: FILE FUNCTION is missing\n"},
    {"run a b c", "gssmc run: 'c' is one argument too many\n"},
    {"opt", "gssmc opt: FILE.gir is missing\n"},
    {"opt a b", "gssmc opt: 'b' is one argument too many\n"},
    {"bench", "gssmc bench: FILE [FUNCTION] is missing\n"},
    {"bench a b c", "gssmc bench: 'c' is one argument too many\n"},
    {"ops a", "gssmc ops: 'a' is one argument too many\n"},
    {"passes a", "gssmc passes: 'a' is one argument too many\n"},
    {"passes -- --json", "gssmc passes: '--json' is one argument too many\n"},
    {"doctor a b", "gssmc doctor: 'a' is one argument too many\n"},
    {"cache", "gssmc cache: ls|gc|verify|clear is missing\n"},
    {"cache ls gc", "gssmc cache: 'gc' is one argument too many\n"},
    {"cache verfy", "gssmc cache: it takes ls, gc, verify or clear, not 'verfy'; did you mean "
                    "'verify'?\n"},

    // options
    {"compile --emitt=ir a", "gssmc compile: no option is called '--emitt'; did you mean "
                             "'--emit'?\n"},
    {"check --sett a", "gssmc check: no option is called '--sett'; did you mean '--set'?\n"},
    {"run --dat=x a b", "gssmc run: no option is called '--dat'; did you mean '--data'?\n"},
    {"opt --pases=dce -", "gssmc opt: no option is called '--pases'; did you mean '--passes'?\n"},
    {"bench --second=1 a", "gssmc bench: no option is called '--second'; did you mean "
                           "'--seconds'?\n"},
    {"ops --jsn", "gssmc ops: no option is called '--jsn'; did you mean '--json'?\n"},
    {"passes --jsn", "gssmc passes: no option is called '--jsn'; did you mean '--json'?\n"},
    {"cache --dayz=1 ls", "gssmc cache: no option is called '--dayz'; did you mean '--days'?\n"},
    {"doctor --jsn", "gssmc doctor: no option is called '--jsn'; did you mean '--json'?\n"},
    {"compile -x a", "gssmc compile: no option is called '-x'\n"},

    // values
    {"compile a --emit", "gssmc compile: --emit needs a value: LIST\n"},
    {"compile a --emit=", "gssmc compile: --emit needs a value\n"},
    {"compile a --emit=irr", "gssmc compile: --emit knows no form 'irr'; did you mean 'ir'?\n"},
    {"compile a --emit=ir,shedule", "gssmc compile: --emit knows no form 'shedule'; did you mean "
                                    "'schedule'?\n"},
    {"compile a -o b", "gssmc compile: -o says where, and --emit is missing, which says what\n"},
    {"compile a --target=reff", "gssmc compile: --target is 'reff', and should be cpu or ref; did "
                                "you mean 'ref'?\n"},
    {"compile a --dtype=f16", "gssmc compile: --dtype is 'f16', and should be f32 or f64"},
    {"compile a --threads=0", "gssmc compile: --threads is '0', and should be a whole number "
                              "from 1 to 256\n"},
    {"compile a --bisect-limit=x", "gssmc compile: --bisect-limit is 'x'"},
    {"compile a --verify-each=x", "gssmc compile: --verify-each is 'x', and should be numeric"},
    {"compile $DIR/small.yaml -D N", "gssmc compile: -D takes NAME=VALUE, not 'N'\n"},
    {"compile $DIR/small.yaml --set w", "gssmc compile: --set takes NAME=VALUE, not 'w'\n"},
    {"compile $DIR/small.yaml --bind w", "gssmc compile: --bind takes NAME=VALUE, not 'w'\n"},
    {"bench a --seconds=x", "gssmc bench: --seconds is 'x', and should be a number\n"},
    {"bench a --seconds=-1", "gssmc bench: --seconds is -1, and should be from 0 to 86400\n"},
    {"run a b --check", "gssmc run: --check needs --data\n"},
    {"run a b --data=x --check=y", "gssmc run: --check takes a tolerance, not 'y'\n"},
    {"run a b --data=x --rename=y", "gssmc run: --rename takes OLD:NEW, not 'y'\n"},
    {"run a b --seed=-1", "gssmc run: --seed is '-1'"},
    {"cache gc --days=x", "gssmc cache: --days is 'x'"},

    // functions
    {"compile $DIR/small.yaml aply", "has no function or program 'aply'; did you mean 'apply'?\n"},
    {"compile $DIR/small.yaml apply los", "has no function or program 'los'; did you mean "
                                          "'loss'?\n"},
    {"run $DIR/small.yaml los", "has no function or program 'los'; did you mean 'loss'?\n"},
    {"bench $DIR/small.yaml los", "has no function or program 'los'; did you mean 'loss'?\n"},
    {"bench $DIR/small.yaml --json", "has no program: name a function\n"},

    // passes
    {"compile a --disable-pass=dcee", "gssmc compile: no pass is called 'dcee'; did you mean "
                                      "'dce'?\n"},
    {"compile a --disable-pass=inline", "gssmc compile: --disable-pass=inline: there is no code "
                                        "without this pass\n"},
    {"compile a --print-after=dcee", "gssmc compile: no pass is called 'dcee'; did you mean "
                                     "'dce'?\n"},
    {"opt a --passes=dce,ccse", "gssmc opt: no pass is called 'ccse'; did you mean 'cse'?\n"},
    {"compile a --passes=dce", "gssmc compile: --passes leaves out 'inline', or has it too early"},
    {"compile a --passes=inline,map,grad", "gssmc compile: --passes leaves out 'map'"},
    {"compile a --passes=inline,grad,map,place", "gssmc compile: --passes leaves out 'fuse'"},
    {"opt a --lower --passes=dce", "gssmc opt: --passes leaves out 'inline'"},
};

START_TEST(a_wrong_command_line_is_usage_with_a_hint) {
    cli_expect(&cli, EXIT_BAD_USAGE, "%s", wrong[_i].arguments);
    cli_expect_err(&cli, wrong[_i].message);
    cli_expect_err(&cli, "\ntry 'gssmc");
    ck_assert_msg(cli.out.len == 0, "%s", buf_text(&cli.out));
}
END_TEST

static const struct {
    const char *arguments, *message;
} bad[] = {
    {"compile $DIR/no.yaml", "no.yaml' is not found\n"},
    {"check $DIR/no.yaml", "no.yaml' is not found\n"},
    {"run $DIR/no.yaml f", "no.yaml' is not found\n"},
    {"bench $DIR/no.yaml", "no.yaml' is not found\n"},
    {"opt $DIR/no.gir", "no.gir': No such file"},
    {"run $DIR/small.yaml loss --data=$DIR/no.safetensors", "no.safetensors"},
    {"run $DIR/small.yaml loss --data=$DIR/small.yaml", "small.yaml"},
    {"run $DIR/small.yaml loss --grad=los", "has no output 'los'"},
    {"opt $DIR/small.yaml", "error[E0601]: expected 'func', found 'module'\n"},
    {"check models/experiments/default.yaml", "this is an experiment, and a module was expected\n"},
    {"check $DIR/small.yaml $DIR/bad.yaml", "bad.yaml:4:17: error[E0202]"},
    {"compile $DIR/bad.yaml", "did you mean 'tanh'?"},
    {"compile $DIR/small.yaml -D Q=3", "'small' has no dim 'Q'\n"},
    {"compile $DIR/small.yaml -D N=x", "the dim 'N' is bound to 'x'"},
    {"compile $DIR/small.yaml --set widht=3", "'small' has no option or setting 'widht'\n"},
};

START_TEST(bad_input_is_told) {
    cli_write(&cli, "bad.yaml",
              "module: bad\nfunctions:\n  f:\n    output: 1 + tanhh(x)\n    inputs: {x: []}\n");
    cli_expect(&cli, EXIT_BAD_INPUT, "%s", bad[_i].arguments);
    cli_expect_err(&cli, bad[_i].message);
    ck_assert_ptr_null(strchr(buf_text(&cli.err), '\x1b'));
}
END_TEST

START_TEST(two_dashes_end_the_options) {
    cli_expect(&cli, EXIT_OK, "check --set=unused=1 -- $DIR/small.yaml || true");
    cli_expect(&cli, EXIT_OK, "check -- $DIR/small.yaml");
    cli_shell(&cli, "cp \"$DIR/small.yaml\" \"$DIR/--odd.yaml\"");
    ck_assert_int_eq(cli_shell(&cli, "cd \"$DIR\" && \"$PROGRAM\" check -- --odd.yaml"), EXIT_OK);
    ck_assert_int_eq(cli_shell(&cli, "cd \"$DIR\" && \"$PROGRAM\" check --odd.yaml"),
                     EXIT_BAD_USAGE);
    cli_expect(&cli, EXIT_OK, "compile --target ref -DN=4 $DIR/small.yaml loss");
    cli_expect_out(&cli, "N = 4");
}
END_TEST

START_TEST(output_that_is_lost_is_an_error) {
    if (cli_shell(&cli, "test -c /dev/full") != 0)
        return;
    cli_expect(&cli, EXIT_IO, "ops >/dev/full");
    cli_expect_err(&cli, "cannot write to standard output");
    cli_expect(&cli, EXIT_IO, "compile $DIR/small.yaml apply --emit=ir >/dev/full");
    cli_expect(&cli, EXIT_IO, "compile $DIR/small.yaml apply --emit=asm -o /dev/full");
    cli_expect(&cli, EXIT_CANNOT_CREATE, "compile $DIR/small.yaml apply --emit=ir -o $DIR/no/ir");
    cli_expect(&cli, EXIT_CANNOT_CREATE, "compile $DIR/small.yaml apply --dump=$DIR/small.yaml/x");
    cli_expect(&cli, EXIT_CANNOT_CREATE, "run $DIR/small.yaml apply -o $DIR/no/g.safetensors");
}
END_TEST

START_TEST(a_pipe_takes_no_colour) {
    static const char *const each[] = {"check $DIR/no.yaml", "compile $DIR/small.yaml lss",
                                       "doctor", "run $DIR/small.yaml loss"};

    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        cli_shell(&cli, "TERM=xterm \"$PROGRAM\" %s", each[i]);
        ck_assert_ptr_null(strchr(buf_text(&cli.out), '\x1b'));
        ck_assert_ptr_null(strchr(buf_text(&cli.err), '\x1b'));
    }
    if (cli_shell(&cli, "command -v script") != 0)
        return;

    // `script` makes a terminal
    cli_shell(&cli, "TERM=xterm script -qec '\"$PROGRAM\" check no.yaml' /dev/null </dev/null");
    ck_assert_ptr_nonnull(strchr(buf_text(&cli.out), '\x1b'));
    cli_shell(&cli, "NO_COLOR=1 TERM=xterm script -qec '\"$PROGRAM\" check no.yaml' /dev/null "
                    "</dev/null");
    ck_assert_ptr_null(strchr(buf_text(&cli.out), '\x1b'));
    cli_shell(&cli, "TERM=dumb script -qec '\"$PROGRAM\" check no.yaml' /dev/null </dev/null");
    ck_assert_ptr_null(strchr(buf_text(&cli.out), '\x1b'));
}
END_TEST

// ---- tables -------------------------------------------------------------------------------------

START_TEST(ops_passes_and_doctor_print_tables_and_json) {
    static const char *const tables[] = {"ops", "passes", "doctor"};
    static const char *const rows[] = {"scan", "fuse", "llvm"};

    for (int i = 0; i < 3; i++) {
        cli_expect(&cli, EXIT_OK, "%s", tables[i]);
        cli_expect_out(&cli, rows[i]);
        cli_expect(&cli, EXIT_OK, "%s --json", tables[i]);
        cJSON *list = json(), *row;
        bool found = false;
        cJSON_ArrayForEach(row, list) {
            const cJSON *name = cJSON_GetObjectItem(row, "name");
            ck_assert(cJSON_IsString(name));
            found |= strcmp(name->valuestring, rows[i]) == 0;
        }
        ck_assert(found);
        cJSON_Delete(list);
    }
    cli_expect(&cli, EXIT_OK, "passes");
    cli_expect_out(&cli, "pipeline: inline ");
}
END_TEST

START_TEST(check_tells_of_each_file) {
    cli_expect(&cli, EXIT_OK, "check models/gssm.yaml $DIR/small.yaml");
    cli_expect_out(&cli, "models/gssm.yaml: no errors\n");
    cli_expect_out(&cli, "small.yaml: no errors\n");
    cli_expect(&cli, EXIT_BAD_INPUT, "check $DIR/no.yaml $DIR/small.yaml");
    cli_expect_out(&cli, "small.yaml: no errors\n");
}
END_TEST

// ---- the cache ----------------------------------------------------------------------------------

static int n_cached(void) {
    cli_expect(&cli, EXIT_OK, "cache ls --json");
    cJSON *list = json();
    int n = cJSON_GetArraySize(list);

    if (n > 0)
        ck_assert(cJSON_IsNumber(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 0), "bytes")));
    cJSON_Delete(list);
    return n;
}

START_TEST(the_cache_is_listed_verified_collected_and_cleared) {
    ck_assert_int_eq(n_cached(), 0);
    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml loss --no-cache");
    ck_assert_int_eq(n_cached(), 0);
    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml loss");
    cli_expect_out(&cli, "cache miss (0 of ");
    int n = n_cached();
    ck_assert_int_gt(n, 1);
    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml loss");
    ck_assert_ptr_null(strstr(buf_text(&cli.out), "cache miss (0 of "));
    cli_expect(&cli, EXIT_OK, "cache verify");
    cli_expect(&cli, EXIT_OK, "cache ls");
    cli_expect(&cli, EXIT_OK, "cache gc");
    ck_assert_int_eq(n_cached(), n);

    // a damaged object is found, does no harm, and goes
    cli_shell(&cli, "f=$(find \"$DIR/cache\" -type f -size +0 ! -name '.*' | head -1); "
                    "chmod u+w \"$f\"; printf x | dd of=\"$f\" bs=1 seek=99 conv=notrunc");
    cli_expect(&cli, EXIT_CHECK, "cache verify");
    cli_expect_out(&cli, "1 damaged");
    cli_expect(&cli, EXIT_OK, "run $DIR/small.yaml loss");
    cli_expect(&cli, EXIT_OK, "cache gc");
    cli_expect(&cli, EXIT_OK, "cache verify");
    cli_expect(&cli, EXIT_OK, "cache clear");
    ck_assert_int_eq(n_cached(), 0);
    cli_expect(&cli, EXIT_OK, "cache ls --cache-dir=$DIR/elsewhere");
    ck_assert_int_eq(cli_shell(&cli, "env -u GSSM_CACHE -u HOME -u XDG_CACHE_HOME \"$PROGRAM\" "
                                     "cache ls"),
                     EXIT_MISSING);
}
END_TEST

// ---- compile ------------------------------------------------------------------------------------

START_TEST(compile_prints_what_was_made) {
    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml");
    cli_expect_out(&cli, "small.yaml   cpu f32\ndims  N = up to 9\n");
    cli_expect_out(&cli, "apply   function, 8 parameters (32 B)\n  work    ");
    cli_expect_out(&cli, "loss   function, 8 parameters (32 B)\n  work    ");
    cli_expect_out(&cli, " multiply-adds, ");
    cli_expect_out(&cli, " moved at N = 3\n  memory  arena ");
    cli_expect_out(&cli, ", residuals 0 B at N = 9\n  time    read ");
    cli_expect_out(&cli, "cache miss (");
    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml");
    cli_expect_out(&cli, "cache hit (");
    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml --no-cache");
    cli_expect_out(&cli, "; no cache, ");
    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml loss --dtype=f64 -D N=4");
    cli_expect_out(&cli, "N = 4");
    cli_expect_out(&cli, "8 parameters (64 B)");
    ck_assert_ptr_null(strstr(buf_text(&cli.out), "\napply "));
    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml loss --gemm=blas --threads=2");
}
END_TEST

START_TEST(compile_prints_numbers_as_json) {
    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml --json");
    cJSON *all = json();
    const cJSON *entries_made = cJSON_GetObjectItem(all, "entries");
    ck_assert_int_eq(cJSON_GetArraySize(entries_made), 2);
    const cJSON *loss = cJSON_GetArrayItem(entries_made, 1);
    ck_assert_str_eq(cJSON_GetObjectItem(loss, "name")->valuestring, "loss");
    ck_assert_int_eq(cJSON_GetObjectItem(loss, "parameters")->valueint, 8);
    ck_assert_int_eq(cJSON_GetObjectItem(loss, "parameter_bytes")->valueint, 32);
    ck_assert_double_gt(cJSON_GetObjectItem(loss, "multiply_adds")->valuedouble, 3 * 8);
    ck_assert_double_gt(cJSON_GetObjectItem(loss, "bytes_moved")->valuedouble, 32);
    ck_assert_ptr_nonnull(cJSON_GetObjectItem(loss, "arena_bytes"));
    ck_assert_ptr_nonnull(cJSON_GetObjectItem(loss, "residual_bytes"));
    ck_assert_ptr_nonnull(cJSON_GetObjectItem(cJSON_GetObjectItem(loss, "seconds"), "optimize"));
    const cJSON *cache = cJSON_GetObjectItem(loss, "cache");
    ck_assert_int_gt(cJSON_GetObjectItem(cache, "units")->valueint, 1);
    ck_assert_int_gt(cJSON_GetArraySize(cJSON_GetObjectItem(loss, "passes")), 5);
    const cJSON *dim = cJSON_GetArrayItem(cJSON_GetObjectItem(all, "dims"), 0);
    ck_assert_str_eq(cJSON_GetObjectItem(dim, "name")->valuestring, "N");
    cJSON_Delete(all);

    cli_expect(&cli, EXIT_OK, "compile models/lib/nn.yaml --json");
    all = json();
    const cJSON *unit = cJSON_GetArrayItem(cJSON_GetObjectItem(all, "entries"), 0);
    ck_assert_ptr_nonnull(cJSON_GetObjectItem(unit, "generic"));
    cJSON_Delete(all);
}
END_TEST

START_TEST(functions_without_sizes_are_generic) {
    static const char *const libraries[] = {"nn", "normal", "optim", "std"};

    for (int i = 0; i < 4; i++) {
        cli_expect(&cli, EXIT_OK, "compile models/lib/%s.yaml", libraries[i]);
        cli_expect_out(&cli, "   generic: ");
    }
    cli_expect(&cli, EXIT_OK, "compile models/lib/nn.yaml off_diagonal");
    cli_expect_out(&cli, "off_diagonal   generic: A has no maximum (bind it with -D A=...)");
    cli_expect(&cli, EXIT_OK, "compile models/lib/nn.yaml off_diagonal -D A=5");
    cli_expect_out(&cli, "off_diagonal   function, ");
    cli_expect(&cli, EXIT_BAD_USAGE, "run models/lib/nn.yaml off_diagonal");
    cli_expect_err(&cli, "'off_diagonal' is generic: A has no maximum (bind it with -D A=...)");
    cli_expect(&cli, EXIT_OK, "run models/lib/nn.yaml off_diagonal -D A=3");
    cli_expect(&cli, EXIT_BAD_USAGE, "run models/lib/nn.yaml unit");
    cli_expect_err(&cli, "'unit' is generic: takes any records, functions or shapes");
    cli_expect(&cli, EXIT_BAD_USAGE, "bench models/lib/nn.yaml off_diagonal");
}
END_TEST

START_TEST(binds_that_nothing_refers_to_are_errors) {
    cli_expect(&cli, EXIT_BAD_INPUT,
               "compile models/objectives/bptt.yaml --bind dynamcs=gssm "
               "--bind policy=policies/rbf --bind task=tasks/cartpole");
    cli_expect_err(&cli, "error[E0201]: no module parameter is called 'dynamcs'");
    cli_expect_err(&cli, "did you mean 'dynamics'?");
    cli_expect(&cli, EXIT_BAD_INPUT, "check $DIR/small.yaml --bind task=tasks/cartpole");

    // a dim of the interface refers to the task
    cli_expect(&cli, EXIT_OK, "check models/gssm.yaml --bind task=tasks/cartpole");
}
END_TEST

START_TEST(nothing_is_called_nothing) {
    cli_expect(&cli, EXIT_OK, "compile models/gssm.yaml loss --print-after=all --target=ref");
    ck_assert_ptr_null(strstr(buf_text(&cli.out), "@\"\""));
    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml loss --emit=llvm");
    for (const char *at = buf_text(&cli.out); (at = strstr(at, " = mul ")); at++)
        ck_assert_msg(strncmp(at + strcspn(at, "\n") - 3, ", 1", 3) != 0, "%.60s", at);
}
END_TEST

static const struct {
    const char *form, *ending, *holds;
} forms[] = {
    {"ir", "gir", "func @loss("},      {"schedule", "sched", "kernel"}, {"llvm", "ll", "define "},
    {"llvm-opt", "opt.ll", "define "}, {"asm", "s", ".text"},           {"obj", "o", NULL},
    {"dot", "dot", "digraph "},
};

START_TEST(every_form_goes_to_standard_output_a_file_or_a_folder) {
    char name[64];
    Buf text = {0};

    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml loss --emit=%s", forms[_i].form);
    if (forms[_i].holds)
        cli_expect_out(&cli, forms[_i].holds);
    else
        ck_assert_int_eq(memcmp(cli.out.data,
                                "\x7f"
                                "ELF",
                                4),
                         0);
    ck_assert_ptr_null(strstr(buf_text(&cli.out), "parameters"));

    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml loss --emit=%s -o $DIR/one", forms[_i].form);
    cli_expect_out(&cli, "parameters");
    ck_assert(exists("one"));

    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml --emit=%s -o $DIR/all", forms[_i].form);
    snprintf(name, sizeof name, "all/apply.%s", forms[_i].ending);
    ck_assert(exists(name));
    snprintf(name, sizeof name, "all/loss.%s", forms[_i].ending);
    cli_read(&cli, &text, name);
    if (forms[_i].holds)
        ck_assert_ptr_nonnull(strstr(buf_text(&text), forms[_i].holds));
    buf_free(&text);
}
END_TEST

START_TEST(forms_that_a_back_end_lacks_are_missing) {
    cli_expect(&cli, EXIT_MISSING, "compile $DIR/small.yaml loss --target=ref --emit=asm");
    cli_expect_err(&cli, "it has no form 'asm'");
    cli_expect(&cli, EXIT_OK,
               "compile $DIR/small.yaml loss --target=ref --emit=ir,schedule -o "
               "$DIR/two");
    ck_assert(exists("two/loss.gir"));
    ck_assert(exists("two/loss.sched"));
}
END_TEST

// ---- passes -------------------------------------------------------------------------------------

START_TEST(passes_are_printed_dumped_timed_and_counted) {
    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml loss --dump=$DIR/d");
    ck_assert(exists("d/01-after-inline.gir"));
    ck_assert_int_eq(cli_shell(&cli, "ls \"$DIR/d\" | grep -c '^[0-9][0-9]-after-[a-z]*[.]gir$'"),
                     0);
    int n = atoi(buf_text(&cli.out));
    cli_expect(&cli, EXIT_OK, "passes | grep pipeline: | wc -w");
    ck_assert_int_eq(n, atoi(buf_text(&cli.out)) - 1);

    // each of several functions has a folder of its own
    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml --dump=$DIR/each");
    ck_assert(exists("each/apply/01-after-inline.gir"));
    ck_assert(exists("each/loss/01-after-inline.gir"));

    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml loss --print-after=fold");
    cli_expect_out(&cli, "# after fold\n");
    ck_assert_ptr_null(strstr(buf_text(&cli.out), "# after cse"));
    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml loss --print-after=all");
    cli_expect_out(&cli, "# after inline\n");
    cli_expect_out(&cli, ": unchanged\n");
    cli_expect_out(&cli, "# after place\n");
    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml loss --print-after change");
    cli_expect_out(&cli, "# after inline\n");
    ck_assert_ptr_null(strstr(buf_text(&cli.out), "unchanged\n"));

    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml loss --time-passes --pass-stats");
    cli_expect_out(&cli, "  pass inline ");
    cli_expect_out(&cli, " ms  ");
    cli_expect_out(&cli, " nodes");
    cli_expect(&cli, EXIT_OK, "compile $DIR/small.yaml loss --pass-stats");
    cli_expect_out(&cli, "  pass place ");
    cli_expect_out(&cli, " nodes");
    cli_expect_out(&cli, " kernels");
    cli_expect_out(&cli, "fuse: ");
    ck_assert_ptr_null(strstr(strstr(buf_text(&cli.out), "  pass "), " ms"));
}
END_TEST

START_TEST(the_pipeline_can_be_chosen) {
    cli_expect(&cli, EXIT_OK,
               "compile $DIR/small.yaml loss --disable-pass=cse --disable-pass fold "
               "--pass-stats");
    ck_assert_ptr_null(strstr(buf_text(&cli.out), "pass cse"));
    ck_assert_ptr_null(strstr(buf_text(&cli.out), "pass fold"));
    cli_expect_out(&cli, "pass dce");
    cli_expect(&cli, EXIT_OK,
               "compile $DIR/small.yaml loss --passes=inline,grad,map --pass-stats "
               "--verify-each");
    ck_assert_ptr_null(strstr(buf_text(&cli.out), "pass dce"));
    cli_expect_out(&cli, "pass place");
    cli_expect(&cli, EXIT_OK,
               "compile $DIR/small.yaml loss --verify-each --bisect-limit=2 "
               "--pass-stats");
    cli_expect_out(&cli, "pass fold");
    ck_assert_ptr_null(strstr(buf_text(&cli.out), "pass cse"));
    cli_expect(&cli, EXIT_OK, "compile --list-passes $DIR/small.yaml");
    ck_assert_int_eq(strncmp(buf_text(&cli.out), "inline\n", 7), 0);
    cli_expect(&cli, EXIT_OK, "compile --list-passes --disable-pass=cse $DIR/small.yaml");
    ck_assert_ptr_null(strstr(buf_text(&cli.out), "cse"));
}
END_TEST

// The passes that are optional change time, and sums that they reorder; never what is computed.
START_TEST(the_pipeline_does_not_change_results) {
    cli_expect(&cli, EXIT_OK,
               "run models/gssm.yaml loss -o $DIR/a.safetensors --grad=loss "
               "--dtype=f64 -D N=5 -D M=4 --set hidden=7 --seed=3");
    cli_expect_out(&cli, "out.loss ");
    cli_expect_out(&cli, "g.key.w ");
    Buf first = {0}, second = {0};
    buf_put(&first, cli.out.data, strcspn(cli.out.data, "\n"));
    cli_expect(&cli, EXIT_OK,
               "run models/gssm.yaml loss -o $DIR/b.safetensors --grad=loss "
               "--dtype=f64 -D N=5 -D M=4 --set hidden=7 --seed=3 "
               "--passes=inline,grad,map --target=ref");
    buf_put(&second, cli.out.data, strcspn(cli.out.data, "\n"));
    double a = strtod(strrchr(buf_text(&first), ' '), NULL);
    double b = strtod(strrchr(buf_text(&second), ' '), NULL);
    ck_assert_double_eq_tol(a, b, 1e-12);
    ck_assert(exists("a.safetensors"));
    ck_assert(exists("b.safetensors"));
    buf_free(&first);
    buf_free(&second);
}
END_TEST

// Each code of ir/base/errors.def about data is told here.
START_TEST(values_that_are_no_numbers_are_told) {
    cli_write(&cli, "nan.yaml",
              "module: nan\nfunctions:\n  three:\n    inputs: {x: [3]}\n    output: sqrt(x - 100)\n"
              "  scalar: {inputs: {x: []}, output: sqrt(x - 100)}\n");
    cli_expect(&cli, EXIT_OK, "run $DIR/nan.yaml three");
    cli_expect_out(&cli, " all nan\n");
    cli_expect(&cli, EXIT_OK, "run $DIR/nan.yaml scalar");
    cli_expect_out(&cli, " nan\n");
    ck_assert_ptr_null(strstr(buf_text(&cli.out), "-nan"));
}
END_TEST

START_TEST(help_says_the_type_that_a_command_takes) {
    cli_expect(&cli, EXIT_OK, "gradcheck --help");
    cli_expect_out(&cli, "type of reals (f64)");
    cli_expect(&cli, EXIT_OK, "run --help");
    cli_expect_out(&cli, "type of reals (f32)");
}
END_TEST

START_TEST(data_that_do_not_fit_are_told) {
    cli_write(&cli, "m.yaml",
              "module: m\noptions: {n: 3}\nparams: {w: \"zeros([n])\"}\nfunctions:\n"
              "  f: {inputs: {x: \"[3]\"}, output: sum(w) + sum(x)}\n"
              "  g: {inputs: {y: \"[3]\"}, output: sum(w * y)}\n");
    cli_expect(&cli, EXIT_OK, "run $DIR/m.yaml f --grad=out -o $DIR/a.safetensors");
    cli_expect(&cli, EXIT_BAD_INPUT, "run $DIR/m.yaml g --data=$DIR/a.safetensors");
    cli_expect_err(&cli, "error[E0801]: the data has no 'in.y'");
    cli_expect(&cli, EXIT_BAD_INPUT,
               "run $DIR/m.yaml f --data=$DIR/a.safetensors --rename=out.out:in.x");
    cli_expect_err(&cli, "error[E0802]: 'in.x' is [] in the data, but the function takes f32[3]");
}
END_TEST

// ---- opt ----------------------------------------------------------------------------------------

static const char *const entries[] = {"weights", "infer",   "posterior_at", "latent",
                                      "hold",    "predict", "loss",         "fit"};

START_TEST(emitted_ir_goes_through_opt_again) {
    Buf first = {0};

    ck_assert_int_eq(cli_shell(&cli,
                               "\"$PROGRAM\" compile models/gssm.yaml %s --emit=ir --target=ref "
                               ">\"$DIR/x.gir\" && \"$PROGRAM\" opt --passes=dce - <\"$DIR/x.gir\"",
                               entries[_i]),
                     EXIT_OK);
    cli_expect_out(&cli, entries[_i]);
    buf_puts(&first, buf_text(&cli.out));
    cli_write(&cli, "y.gir", buf_text(&first));
    cli_expect(&cli, EXIT_OK, "opt --passes=dce $DIR/y.gir");
    ck_assert_str_eq(buf_text(&cli.out), buf_text(&first));

    // without passes nothing but places is lost
    cli_expect(&cli, EXIT_OK, "opt --passes=, $DIR/x.gir");
    cli_shell(&cli, "\"$PROGRAM\" opt --passes=, \"$DIR/x.gir\" >\"$DIR/z\" && "
                    "sed 's/ *# [^ ]*:[0-9]*:[0-9]*$//' \"$DIR/x.gir\" | diff -B - \"$DIR/z\"");
    ck_assert_msg(cli.out.len == 0, "%s", buf_text(&cli.out));
    cli_expect(&cli, EXIT_OK, "opt --lower $DIR/x.gir");
    buf_free(&first);
}
END_TEST

// ---- bench --------------------------------------------------------------------------------------

START_TEST(bench_times_a_step) {
    cli_expect(&cli, EXIT_OK, "bench $DIR/small.yaml loss --seconds=0.01");
    cli_expect_out(&cli, "loss ");
    cli_expect_out(&cli, " us ");
    cli_expect(&cli, EXIT_OK, "bench models/gssm.yaml --seconds 0.01 --json --threads=1 -D N=9");
    cJSON *all = json();
    const cJSON *steps = cJSON_GetObjectItem(all, "steps");
    ck_assert_int_eq(cJSON_GetArraySize(steps), 1);
    const cJSON *fit = cJSON_GetArrayItem(steps, 0);
    ck_assert_str_eq(cJSON_GetObjectItem(fit, "name")->valuestring, "fit");
    ck_assert_double_gt(cJSON_GetObjectItem(fit, "us")->valuedouble, 0);
    cJSON_Delete(all);
}
END_TEST

static Suite *cli_suite(void) {
    Suite *s = suite_create("cli_gssmc");

    TCase *usage = tcase_create("usage");
    tcase_add_checked_fixture(usage, setup, teardown);
    tcase_set_timeout(usage, 120);
    tcase_add_loop_test(usage, every_command_has_help_and_version, 0,
                        sizeof commands / sizeof *commands);
    tcase_add_loop_test(usage, a_wrong_command_line_is_usage_with_a_hint, 0,
                        sizeof wrong / sizeof *wrong);
    tcase_add_loop_test(usage, bad_input_is_told, 0, sizeof bad / sizeof *bad);
    tcase_add_test(usage, two_dashes_end_the_options);
    tcase_add_test(usage, output_that_is_lost_is_an_error);
    tcase_add_test(usage, a_pipe_takes_no_colour);
    suite_add_tcase(s, usage);

    TCase *works = tcase_create("works");
    tcase_add_checked_fixture(works, setup, teardown);
    tcase_set_timeout(works, 300);
    tcase_add_test(works, ops_passes_and_doctor_print_tables_and_json);
    tcase_add_test(works, check_tells_of_each_file);
    tcase_add_test(works, the_cache_is_listed_verified_collected_and_cleared);
    tcase_add_test(works, compile_prints_what_was_made);
    tcase_add_test(works, compile_prints_numbers_as_json);
    tcase_add_test(works, functions_without_sizes_are_generic);
    tcase_add_test(works, binds_that_nothing_refers_to_are_errors);
    tcase_add_test(works, nothing_is_called_nothing);
    tcase_add_loop_test(works, every_form_goes_to_standard_output_a_file_or_a_folder, 0,
                        sizeof forms / sizeof *forms);
    tcase_add_test(works, forms_that_a_back_end_lacks_are_missing);
    tcase_add_test(works, passes_are_printed_dumped_timed_and_counted);
    tcase_add_test(works, the_pipeline_can_be_chosen);
    tcase_add_test(works, the_pipeline_does_not_change_results);
    tcase_add_test(works, values_that_are_no_numbers_are_told);
    tcase_add_test(works, help_says_the_type_that_a_command_takes);
    tcase_add_test(works, data_that_do_not_fit_are_told);
    tcase_add_loop_test(works, emitted_ir_goes_through_opt_again, 0,
                        sizeof entries / sizeof *entries);
    tcase_add_test(works, bench_times_a_step);
    suite_add_tcase(s, works);
    return s;
}

int main(void) {
    SRunner *r = srunner_create(cli_suite());

    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
