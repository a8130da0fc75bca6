// tools/gssmc_explain.c -- gssmc explain: what a diagnostic's code means, with an example.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/exits.h"
#include "tools/gssmc.h"

typedef struct Meaning {
    int code;
    const char *doc, *cure;
} Meaning;

static const Meaning meanings[] = {
#define ERROR(number, name, what, how) {number, what, how},
#include "ir/base/errors.def"
};
enum { N_MEANINGS = sizeof meanings / sizeof *meanings };

typedef struct Example {
    int code;
    const char *file, *text, *command;
} Example;

static const Example examples[] = {
#define EXAMPLE(number, path, content, run) {number, path, content, run},
#include "tools/explain.def"
};
enum { N_EXAMPLES = sizeof examples / sizeof *examples };

static const Example *example_of(int code) {
    for (int i = 0; i < N_EXAMPLES; i++)
        if (examples[i].code == code)
            return &examples[i];
    return NULL;
}

// Each line of `text` behind four spaces.
static void print_indented(const char *text) {
    while (*text) {
        int len = (int)strcspn(text, "\n");
        printf("    %.*s\n", len, text);
        text += len + (text[len] == '\n');
    }
}

static void print_text(const Meaning *m) {
    const Example *e = example_of(m->code);

    printf("E%04d: %s\n\nWhat to do: %s.\n", m->code, m->doc, m->cure);
    if (!e)
        return;
    printf("\nAn example");
    if (e->file) {
        printf(", in %s:\n\n", e->file);
        print_indented(e->text);
        printf("\nwhere this tells it:\n\n");
    } else
        printf(":\n\n");
    print_indented(e->command);
}

static void print_json(const Meaning *m, bool first) {
    const Example *e = example_of(m->code);

    printf("%s{\"code\": \"E%04d\"", first ? "[" : ",\n ", m->code);
    gssmc_print_json(", \"doc\": ", m->doc);
    gssmc_print_json(", \"cure\": ", m->cure);
    if (e && e->file) {
        gssmc_print_json(", \"file\": ", e->file);
        gssmc_print_json(", \"text\": ", e->text);
    }
    if (e)
        gssmc_print_json(", \"command\": ", e->command);
    printf("}");
}

// "E0202", "e202" or "202".
static const Meaning *find(const char *word) {
    char *end;
    const char *digits = *word == 'E' || *word == 'e' ? word + 1 : word;
    long code = strtol(digits, &end, 10);

    if (*digits < '0' || *digits > '9' || *end)
        return NULL;
    for (int i = 0; i < N_MEANINGS; i++)
        if (meanings[i].code == code)
            return &meanings[i];
    return NULL;
}

static int refuse(const OptCommand *self, Arena *a, const char *word) {
    const char *names[N_MEANINGS];

    for (int i = 0; i < N_MEANINGS; i++)
        names[i] = arena_printf(a, "E%04d", meanings[i].code);
    const char *near = map_nearest(word, names, N_MEANINGS);
    return opt_refuse(self, "no diagnostic has the code '%s'%s%s%s", word,
                      near ? "; did you mean '" : "", near ? near : "",
                      near ? "'?" : "; gssmc explain lists them");
}

int command_explain(const OptCommand *self, int argc, char **argv) {
    bool json = false;
    const Opt table[] = {{"json", 0, OPT_FLAG, &json, NULL, "print JSON"}};
    OptRest rest = {.least = 0, .most = 1000};
    Arena a = {0};
    int code = opt_parse(self, table, 1, argc, argv, &rest);

    if (code != OPT_GO_ON)
        return code;
    code = EXIT_OK;
    for (int i = 0; i < rest.n && code == EXIT_OK; i++)
        if (!find(rest.items[i]))
            code = refuse(self, &a, rest.items[i]);
    for (int i = 0; i < rest.n && code == EXIT_OK; i++) {
        if (json)
            print_json(find(rest.items[i]), i == 0);
        else {
            printf("%s", i ? "\n" : "");
            print_text(find(rest.items[i]));
        }
    }
    for (int i = 0; i < N_MEANINGS && rest.n == 0; i++) {
        if (json)
            print_json(&meanings[i], i == 0);
        else
            printf("E%04d  %s\n", meanings[i].code, meanings[i].doc);
    }
    if (json && code == EXIT_OK)
        printf("]\n");
    arena_free(&a);
    return code;
}
