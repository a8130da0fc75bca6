// ir/lang/yaml_words.h -- what libyaml says of a text that is no YAML, in our words. Private to
// ir/lang.
#ifndef IR_LANG_YAML_WORDS_H
#define IR_LANG_YAML_WORDS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct YamlProblem {
    const char *text;
    const char *note; // what else helps, or NULL
    bool whole;       // shown where the thing that is wrong starts
} YamlProblem;

// What libyaml's problem `theirs` at byte `at` of `text` means.
YamlProblem yaml_problem(const char *theirs, const char *text, size_t len, size_t at);

// What libyaml was doing, for a note; NULL where that does not help.
const char *yaml_context(const char *theirs);

#endif
