// tools/options.c -- command lines: one table for each command gives parsing, help and hints.
#include "tools/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/base/buf.h"
#include "ir/base/exits.h"
#include "ir/base/map.h"

enum { HELP_WIDTH = 100, HELP_COLUMN = 30 };

// Set once by opt_main(), for messages and --version; memory of option lists.
static const OptProgram *program;
static Arena memory;

// A command line while it is read.
typedef struct Reader {
    const OptCommand *command;
    const Opt *table;
    int n, argc;
    char **argv;
    int at; // the next argument
    OptRest *rest;
    int cap_rest;
} Reader;

bool opt_color(int stream) {
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

    return !(no_color && *no_color) && isatty(stream) && term && strcmp(term, "dumb") != 0;
}

// ---- messages ---------------------------------------------------------------------------------

static void put_head(const OptCommand *command) {
    fprintf(stderr, "%s%s%s: ", program ? program->name : "", command ? " " : "",
            command ? command->name : "");
}

static int put_hint(const OptCommand *command) {
    fprintf(stderr, "try '%s%s%s --help'\n", program ? program->name : "", command ? " " : "",
            command ? command->name : "");
    return EXIT_BAD_USAGE;
}

int opt_refuse(const OptCommand *command, const char *format, ...) {
    va_list args;

    put_head(command);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    return put_hint(command);
}

// "did you mean '...'?" in brackets, or nothing; owned by the process.
static const char *near(const char *name, const char *const *names, int n) {
    const char *nearest = map_nearest(name, names, n);

    return nearest ? arena_printf(&memory, "; did you mean '%s'?", nearest) : "";
}

// ---- help -------------------------------------------------------------------------------------

// Puts `doc` from HELP_COLUMN on, in lines of at most HELP_WIDTH; `used` columns are taken.
static void put_doc(const char *doc, int used) {
    if (used >= HELP_COLUMN - 1)
        printf("\n"), used = 0;
    printf("%*s", HELP_COLUMN - used, "");
    while (*doc) {
        int room = HELP_WIDTH - HELP_COLUMN, len = (int)strlen(doc);
        if (len > room) {
            len = room;
            while (len > 1 && doc[len] != ' ')
                len--;
        }
        printf("%.*s\n", len, doc);
        doc += len;
        while (*doc == ' ')
            doc++;
        if (*doc)
            printf("%*s", HELP_COLUMN, "");
    }
}

static void put_option(const Opt *o) {
    Buf b = {0};

    buf_puts(&b, "  ");
    if (o->letter)
        buf_printf(&b, "-%c", o->letter);
    if (o->letter && !o->name && o->value)
        buf_printf(&b, " %s", o->value);
    if (o->letter && o->name)
        buf_puts(&b, ", ");
    if (o->name)
        buf_printf(&b, "--%s", o->name);
    if (o->name && o->value && o->kind == OPT_MAYBE)
        buf_printf(&b, "[=%s]", o->value);
    else if (o->name && o->value)
        buf_printf(&b, "=%s", o->value);
    fputs(buf_text(&b), stdout);
    put_doc(o->doc, (int)b.len);
    buf_free(&b);
}

static int put_command_help(const OptCommand *c, const Opt *table, int n) {
    static const Opt help = {"help", 0, OPT_FLAG, NULL, NULL, "show this", 0, 0};

    printf("usage: %s %s%s%s%s\n\n%s\n", program ? program->name : "", c->name,
           n > 0 ? " [OPTION...]" : "", c->operands[0] ? " " : "", c->operands, c->doc);
    if (c->more)
        printf("\n%s\n", c->more);
    printf("\noptions\n");
    for (int i = 0; i < n; i++)
        put_option(&table[i]);
    put_option(&help);
    return EXIT_OK;
}

static int put_program_help(void) {
    printf("usage: %s COMMAND [OPTION...]\n\n%s\n\ncommands\n", program->name, program->doc);
    for (int i = 0; i < program->n_commands; i++) {
        const OptCommand *c = &program->commands[i];
        int used = printf("  %s %s", c->name, c->operands);
        put_doc(c->doc, used);
    }
    printf(
        "\nEach command explains itself: %s COMMAND --help. Exit codes: 0 done, 1 a check failed, "
        "64 usage,\n65 bad input, 69 something is missing, 70 our bug, 71 system limit, 73 cannot "
        "create, 74 I/O,\n75 stopped, 78 in use.\n",
        program->name);
    return EXIT_OK;
}

static int put_version(void) {
    printf("%s %s\n", program ? program->name : "", program ? program->version : "");
    return EXIT_OK;
}

// ---- values -----------------------------------------------------------------------------------

static int refuse_value(const Reader *r, const char *shown, const char *value, const char *need) {
    return opt_refuse(r->command, "%s is '%s', and should be %s", shown, value, need);
}

static int take_int(const Reader *r, const Opt *o, const char *shown, const char *value) {
    char *end;
    const char *need = "a whole number";

    if (o->least != o->most && o->most == INT64_MAX)
        need = arena_printf(&memory, "a whole number from %lld on", (long long)o->least);
    else if (o->least != o->most)
        need = arena_printf(&memory, "a whole number from %lld to %lld", (long long)o->least,
                            (long long)o->most);
    errno = 0;
    long long x = strtoll(value, &end, 10);
    bool digits =
        end > value && *end == '\0' && (value[0] == '-' || (value[0] >= '0' && value[0] <= '9'));
    if (!digits || errno || (o->least != o->most && (x < o->least || x > o->most)))
        return refuse_value(r, shown, value, need);
    *(int64_t *)o->to = x;
    return OPT_GO_ON;
}

// Splits the words of a choice.
static int split_words(const char *text, const char **words, int max) {
    int n = 0;

    while (*text && n < max) {
        size_t len = strcspn(text, "|");
        words[n++] = arena_strndup(&memory, text, len);
        text += len + (text[len] == '|');
    }
    return n;
}

static int take_choice(const Reader *r, const Opt *o, const char *shown, const char *value) {
    const char *words[32];
    int n = split_words(o->value, words, 32);
    Buf need = {0};

    for (int i = 0; i < n; i++)
        if (strcmp(words[i], value) == 0) {
            *(const char **)o->to = words[i];
            return OPT_GO_ON;
        }
    for (int i = 0; i < n; i++)
        buf_printf(&need, "%s%s", i == 0 ? "" : i == n - 1 ? " or " : ", ", words[i]);
    int code = refuse_value(r, shown, value,
                            arena_printf(&memory, "%s%s", need.data, near(value, words, n)));
    buf_free(&need);
    return code;
}

static int take(const Reader *r, const Opt *o, const char *shown, const char *value) {
    switch (o->kind) {
    case OPT_FLAG:
        *(bool *)o->to = true;
        return OPT_GO_ON;
    case OPT_TEXT:
        if (!*value)
            return opt_refuse(r->command, "%s needs a value", shown);
        *(const char **)o->to = value;
        return OPT_GO_ON;
    case OPT_INT:
        return take_int(r, o, shown, value);
    case OPT_REAL:
        if (!buf_parse_double(value, strlen(value), o->to))
            return refuse_value(r, shown, value, "a number");
        return OPT_GO_ON;
    case OPT_CHOICE:
        return take_choice(r, o, shown, value);
    case OPT_LIST: {
        OptList *list = o->to;
        arena_push(&memory, list->items, list->n, list->cap, value);
        return OPT_GO_ON;
    }
    case OPT_MAYBE:
        *(const char **)o->to = value;
        return OPT_GO_ON;
    }
    return OPT_GO_ON;
}

// ---- options ----------------------------------------------------------------------------------

static int unknown_option(const Reader *r, const char *name) {
    const char **names = arena_array(&memory, const char *, r->n + 2);
    int n = 0;

    for (int i = 0; i < r->n; i++)
        if (r->table[i].name)
            names[n++] = arena_printf(&memory, "--%s", r->table[i].name);
    names[n++] = "--help";
    names[n++] = "--version";
    return opt_refuse(r->command, "no option is called '%s'%s", name, near(name, names, n));
}

// The value behind an option: the rest of the argument, or the next one.
static int take_with(Reader *r, const Opt *o, const char *shown, const char *inline_value) {
    if (o->kind == OPT_FLAG && inline_value)
        return opt_refuse(r->command, "%s takes no value", shown);
    if (o->kind == OPT_FLAG || (o->kind == OPT_MAYBE && !inline_value))
        return take(r, o, shown, "");
    if (inline_value)
        return take(r, o, shown, inline_value);
    if (r->at == r->argc)
        return opt_refuse(r->command, "%s needs a value: %s", shown, o->value);
    return take(r, o, shown, r->argv[r->at++]);
}

static int read_long(Reader *r, const char *arg) {
    size_t len = strcspn(arg, "=");
    const char *name = arena_strndup(&memory, arg, len);
    const char *value = arg[len] ? arg + len + 1 : NULL;

    if (strcmp(name, "--help") == 0 && !value)
        return put_command_help(r->command, r->table, r->n);
    if (strcmp(name, "--version") == 0 && !value)
        return put_version();
    for (int i = 0; i < r->n; i++)
        if (r->table[i].name && strcmp(r->table[i].name, name + 2) == 0)
            return take_with(r, &r->table[i], name, value);
    return unknown_option(r, name);
}

static int read_letter(Reader *r, const char *arg) {
    const char shown[3] = {'-', arg[1], '\0'};

    for (int i = 0; i < r->n; i++)
        if (r->table[i].letter == arg[1])
            return take_with(r, &r->table[i], shown, arg[2] ? arg + 2 : NULL);
    return unknown_option(r, arg);
}

static void put_rest(Reader *r, const char *arg) {
    arena_push(&memory, r->rest->items, r->rest->n, r->cap_rest, arg);
}

int opt_parse(const OptCommand *command, const Opt *table, int n, int argc, char **argv,
              OptRest *rest) {
    Reader r = {command, table, n, argc, argv, 1, rest, 0};
    int code = OPT_GO_ON;
    bool options = true;

    rest->items = NULL;
    rest->n = 0;
    while (r.at < argc && code == OPT_GO_ON) {
        const char *arg = argv[r.at++];
        bool dash = options && arg[0] == '-' && arg[1];

        if (dash && strcmp(arg, "--") == 0)
            options = false;
        else if (dash && arg[1] == '-')
            code = read_long(&r, arg);
        else if (dash)
            code = read_letter(&r, arg);
        else
            put_rest(&r, arg);
    }
    if (code != OPT_GO_ON)
        return code;
    if (rest->n < rest->least)
        return opt_refuse(command, "%s is missing", command->operands);
    int most = rest->most < 0 ? 0 : rest->most > 0 ? rest->most : rest->n;
    if (rest->n > most)
        return opt_refuse(command, "'%s' is one argument too many", rest->items[most]);
    return OPT_GO_ON;
}

static int run_command(const OptProgram *p, int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "%s: say what to do\n", p->name);
        return put_hint(NULL);
    }

    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return put_program_help();
    if (strcmp(name, "--version") == 0)
        return put_version();

    const char **names = arena_array(&memory, const char *, p->n_commands);
    for (int i = 0; i < p->n_commands; i++) {
        if (strcmp(p->commands[i].name, name) == 0)
            return p->commands[i].run(&p->commands[i], argc - 1, argv + 1);
        names[i] = p->commands[i].name;
    }
    return opt_refuse(NULL, "no command is called '%s'%s", name, near(name, names, p->n_commands));
}

int opt_main(const OptProgram *p, int argc, char **argv) {
    program = p;
    int code = run_command(p, argc, argv);

    // results that did not reach where they were sent are no results
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == EXIT_OK) {
        fprintf(stderr, "%s: cannot write to standard output: %s\n", p->name, strerror(errno));
        code = EXIT_IO;
    }
    return code;
}
