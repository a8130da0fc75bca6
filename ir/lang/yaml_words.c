// ir/lang/yaml_words.c -- the table of what libyaml says.
#include "ir/lang/yaml_words.h"

#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

// What libyaml says, and how we say it. `whole` errors are shown where the thing starts.
static const struct {
    const char *theirs, *ours;
    bool whole;
} problems[] = {
    {"mapping values are not allowed in this context",
     "a ':' is not allowed here; a text that holds ': ' stands in quotes", false},
    {"did not find expected key", "expected a key, indented like the keys before it", false},
    {"did not find expected '-' indicator", "expected '-', indented like the items before it",
     false},
    {"did not find expected ',' or ']'", "expected ',' or ']'", false},
    {"did not find expected ',' or '}'", "expected ',' or '}'", false},
    {"could not find expected ':'", "expected ':' and a space after this key", true},
    {"did not find expected node content", "expected a value", false},
    {"did not find expected <document start>", "expected the end of the file", false},
    {"block sequence entries are not allowed in this context", "a '-' item is not allowed here",
     false},
    {"mapping keys are not allowed in this context", "a key is not allowed here", false},
    {"found character that cannot start any token",
     "no value starts with this character; a text that does stands in quotes", false},
    {"found unexpected end of stream", "the text in quotes does not end", true},
    {"found unexpected document indicator", "the text in quotes does not end", true},
    {"found a tab character where an indentation space is expected",
     "a tab cannot indent; use spaces", false},
    {"found a tab character that violates indentation", "a tab cannot indent; use spaces", false},
    {"found unknown escape character", "no escape is written like this", false},
    {"did not find expected alphabetic or numeric character",
     "expected the name of an anchor: letters, digits, '-' and '_'", false},
    {"found undefined tag handle", "the tag is not known", false},
    {"found duplicate %YAML directive", "a second %YAML directive", false},
    {"found incompatible YAML document", "only YAML 1.1 and 1.2 are known", false},
};

// Problems that have another reason where a value stands before them on the line, or where they
// are at a certain character; `note` says more.
static const struct {
    const char *theirs;
    const char *chars; // one of these stands there; NULL: any
    bool within;       // not the first character of its line
    const char *ours;  // NULL: as in the table above
    const char *note;
} reasons[] = {
    {"found character that cannot start any token", "\t", false, "a tab cannot indent; use spaces",
     NULL},
    {"did not find expected key", NULL, true, "the value before this is complete",
     "an expression that begins with a quote, '[' or '{' stands in quotes as a whole"},
    {"block sequence entries are not allowed in this context", NULL, true,
     "'- ' begins an item of a list, and none is allowed here",
     "a minus stands right before its operand: -x"},
    {"did not find expected ',' or '}'", "[{", true, NULL,
     "within { } and [ ] YAML ends plain text at ',' and brackets: put it in quotes"},
    {"did not find expected ',' or ']'", "[{", true, NULL,
     "within { } and [ ] YAML ends plain text at ',' and brackets: put it in quotes"},
};

// What libyaml was doing, and how our note says it.
static const struct {
    const char *theirs, *ours;
} contexts[] = {
    {"while parsing a block mapping", "the mapping starts here"},
    {"while parsing a flow mapping", "the '{' stands here"},
    {"while parsing a block collection", "the list starts here"},
    {"while parsing a flow sequence", "the '[' stands here"},
    {"while scanning a quoted scalar", "the quote stands here"},
};

// Whether the byte at `at` is the first of its line that is no space.
static bool begins_line(const char *text, size_t at) {
    while (at && text[at - 1] == ' ')
        at--;
    return !at || text[at - 1] == '\n';
}

YamlProblem yaml_problem(const char *theirs, const char *text, size_t len, size_t at) {
    YamlProblem p = {.text = theirs};
    for (int i = 0; i < COUNT(problems); i++) {
        if (!strcmp(theirs, problems[i].theirs))
            p = (YamlProblem){.text = problems[i].ours, .whole = problems[i].whole};
    }
    for (int i = 0; i < COUNT(reasons); i++) {
        if (strcmp(theirs, reasons[i].theirs) || at >= len)
            continue;
        bool fits = !reasons[i].chars || strchr(reasons[i].chars, text[at]);
        if (!fits || (reasons[i].within && begins_line(text, at)))
            continue;
        p.text = reasons[i].ours ? reasons[i].ours : p.text;
        p.note = reasons[i].note;
        return p;
    }
    return p;
}

const char *yaml_context(const char *theirs) {
    for (int i = 0; i < COUNT(contexts); i++) {
        if (!strcmp(theirs, contexts[i].theirs))
            return contexts[i].ours;
    }
    return NULL;
}
