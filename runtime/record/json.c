// runtime/record/json.c -- writing JSON text in a fixed form.
#include "runtime/record/json.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

// Length of the UTF-8 sequence at `s`, or 0 where it is malformed, overlong or a surrogate.
static size_t utf8_length(const unsigned char *s) {
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xC2 && s[0] <= 0xDF)
        return (s[1] & 0xC0) == 0x80 ? 2 : 0;
    if (s[0] >= 0xE0 && s[0] <= 0xEF) {
        bool low = s[0] != 0xE0 || s[1] >= 0xA0;
        bool surrogate = s[0] == 0xED && s[1] >= 0xA0;
        return low && !surrogate && (s[1] & 0xC0) == 0x80 && (s[2] & 0xC0) == 0x80 ? 3 : 0;
    }
    if (s[0] >= 0xF0 && s[0] <= 0xF4) {
        bool range = (s[0] != 0xF0 || s[1] >= 0x90) && (s[0] != 0xF4 || s[1] < 0x90);
        return range && (s[1] & 0xC0) == 0x80 && (s[2] & 0xC0) == 0x80 && (s[3] & 0xC0) == 0x80 ? 4
                                                                                                : 0;
    }
    return 0;
}

void rt_json_put_string(Buf *b, const char *s) {
    buf_puts(b, "\"");
    for (const char *p = s ? s : ""; *p;) {
        unsigned char c = (unsigned char)*p;
        size_t len = utf8_length((const unsigned char *)p);

        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c == '\n')
            buf_puts(b, "\\n");
        else if (c == '\t')
            buf_puts(b, "\\t");
        else if (c < 0x20 || c == 0x7F)
            buf_printf(b, "\\u%04x", c);
        else if (len == 0)
            buf_puts(b, "\xEF\xBF\xBD");
        else
            buf_put(b, p, len);
        p += len ? len : 1;
    }
    buf_puts(b, "\"");
}

void rt_json_put_double(Buf *b, double x) {
    char text[32];
    int len = buf_format_double(text, x);

    if (isfinite(x))
        buf_put(b, text, (size_t)len);
    else
        buf_puts(b, isnan(x) ? "\"nan\"" : x > 0 ? "\"inf\"" : "\"-inf\"");
}

void rt_json_put_finite(Buf *b, double x) {
    if (isfinite(x))
        rt_json_put_double(b, x);
    else
        buf_puts(b, "null");
}
