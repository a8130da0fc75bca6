// tests/check_record.c -- what a run writes: safetensors, checkpoints, logs, folders; tables, curves.
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <check.h>
#include <cjson/cJSON.h>

#include "ir/base/exits.h"
#include "runtime/record/checkpoint.h"
#include "runtime/record/csv.h"
#include "runtime/record/curves.h"
#include "runtime/record/json.h"
#include "runtime/record/log.h"
#include "runtime/record/progress.h"
#include "runtime/record/run.h"
#include "runtime/record/safetensors.h"
#include "runtime/record/table.h"
#include "tests/support_files.h"

static char dir[64]; // of the test
static char why[512];

static void make_dir(void) {
    strcpy(dir, "/tmp/check_record_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    why[0] = '\0';
}

static void drop_dir(void) {
    delete_tree(dir);
}

// A path in the test's folder; four can be in use at once.
static const char *at(const char *name) {
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void write_file(const char *path, const void *data, size_t len) {
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

static void check_file(const char *path, const char *expected) {
    Buf b = {0};
    ck_assert_msg(buf_read_file(&b, path, 0, why, sizeof why), "%s", why);
    ck_assert_str_eq(buf_text(&b), expected);
    buf_free(&b);
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

// Whether a sentence was given.
static void check_why(const char *part) {
    ck_assert_msg(strstr(why, part) != NULL, "no '%s' in: %s", part, why);
    why[0] = '\0';
}

// Arrays of every dtype, narrow ones first, with an empty one and a scalar.
static unsigned char flags[3] = {1, 0, 1}, bytes_u8[5] = {1, 2, 3, 4, 255};
static float singles[2] = {1.5f, -0.0f};
static double doubles[6] = {0.1, -2, 3e300, NAN, INFINITY, 5e-324}, scalar[1] = {7};
static int32_t ints[2] = {-1, INT32_MAX};
static int64_t longs[1] = {INT64_MIN};

static const RtTensor samples[] = {
    {.name = "flag", .dtype = RT_BOOL, .rank = 1, .shape = {3}, .data = flags, .bytes = 3},
    {.name = "p.w \"0\"", .dtype = RT_F32, .rank = 2, .shape = {1, 2}, .data = singles, .bytes = 8},
    {.name = "d", .dtype = RT_F64, .rank = 2, .shape = {2, 3}, .data = doubles, .bytes = 48},
    {.name = "u", .dtype = RT_U8, .rank = 1, .shape = {5}, .data = bytes_u8, .bytes = 5},
    {.name = "none", .dtype = RT_F64, .rank = 2, .shape = {0, 4}},
    {.name = "i", .dtype = RT_I32, .rank = 1, .shape = {2}, .data = ints, .bytes = 8},
    {.name = "l", .dtype = RT_I64, .rank = 1, .shape = {1}, .data = longs, .bytes = 8},
    {.name = "scalar", .dtype = RT_F64, .data = scalar, .bytes = 8},
};
enum { N_SAMPLES = sizeof samples / sizeof *samples };

static const RtPair pairs[] = {{"format", "test"}, {"text", "a\n\"b\" \xC3\xA9"}};

// Puts the bytes of a small valid file.
static void put_sample(Buf *b) {
    ck_assert_msg(rt_safetensors_format(b, "x", samples, N_SAMPLES, pairs, 2, why, sizeof why),
                  "%s", why);
}

START_TEST(arrays_come_back_as_they_were_written) {
    RtTensorFile f;
    const char *path = at("a.safetensors");

    ck_assert_msg(rt_safetensors_write(path, samples, N_SAMPLES, pairs, 2, why, sizeof why), "%s",
                  why);
    ck_assert_msg(rt_safetensors_read(&f, path, why, sizeof why), "%s", why);
    ck_assert_int_eq(f.n, N_SAMPLES);
    for (int i = 0; i < f.n; i++) {
        const RtTensor *t = rt_safetensors_find(&f, samples[i].name);
        ck_assert_ptr_eq(t, &f.tensors[i]);
        ck_assert_int_eq(t->dtype, samples[i].dtype);
        ck_assert_int_eq(t->rank, samples[i].rank);
        for (int k = 0; k < t->rank; k++)
            ck_assert_int_eq(t->shape[k], samples[i].shape[k]);
        ck_assert_uint_eq(t->bytes, samples[i].bytes);
        ck_assert_uint_eq((uintptr_t)t->data % rt_dtype_size(t->dtype), 0);
        if (t->bytes > 0)
            ck_assert_mem_eq(t->data, samples[i].data, t->bytes);
    }
    ck_assert_ptr_null(rt_safetensors_find(&f, "no such"));
    ck_assert_str_eq(rt_safetensors_find_metadata(&f, "text"), pairs[1].value);
    ck_assert_ptr_null(rt_safetensors_find_metadata(&f, "no such"));
    rt_safetensors_close(&f);
    rt_safetensors_close(&f);
}
END_TEST

START_TEST(equal_input_gives_equal_bytes_and_aligned_data) {
    Buf a = {0}, b = {0};

    put_sample(&a);
    put_sample(&b);
    ck_assert_uint_eq(a.len, b.len);
    ck_assert_mem_eq(a.data, b.data, a.len);
    ck_assert_int_eq(a.data[0] % 8, 0);
    buf_free(&a);
    buf_free(&b);
}
END_TEST

START_TEST(a_file_of_no_arrays_is_valid) {
    RtTensorFile f;
    const char *path = at("empty.safetensors");

    ck_assert(rt_safetensors_write(path, NULL, 0, NULL, 0, why, sizeof why));
    ck_assert(rt_safetensors_read(&f, path, why, sizeof why));
    ck_assert_int_eq(f.n, 0);
    rt_safetensors_close(&f);
}
END_TEST

START_TEST(files_of_other_writers_are_read) {
    RtTensorFile f;

    ck_assert_msg(rt_safetensors_read(&f, "tests/data/gae.safetensors", why, sizeof why), "%s",
                  why);
    const RtTensor *t = rt_safetensors_find(&f, "in.value");
    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(t->dtype, RT_F64);
    ck_assert_int_eq(t->rank, 1);
    ck_assert_int_eq(rt_tensor_elements(t), 16);
    rt_safetensors_close(&f);
}
END_TEST

START_TEST(a_file_cut_at_any_byte_is_refused) {
    RtTensorFile f;
    Buf b = {0};

    put_sample(&b);
    for (size_t len = 0; len < b.len; len++) {
        // memory of just that size, so that a byte too far is seen
        char *piece = malloc(len ? len : 1);
        memcpy(piece, b.data, len);
        why[0] = '\0';
        ck_assert_msg(!rt_safetensors_parse(&f, "cut", piece, len, why, sizeof why), "%zu", len);
        ck_assert_str_ne(why, "");
        ck_assert_int_eq(f.n, 0);
        free(piece);
    }
    buf_free(&b);
}
END_TEST

START_TEST(no_flipped_bit_crashes_the_reader) {
    RtTensorFile f;
    Buf b = {0};

    put_sample(&b);
    for (size_t i = 0; i < 8 * b.len; i++) {
        b.data[i / 8] = (char)(b.data[i / 8] ^ 1 << i % 8);
        why[0] = '\0';
        if (rt_safetensors_parse(&f, "flip", b.data, b.len, why, sizeof why))
            rt_safetensors_close(&f);
        else
            ck_assert_str_ne(why, "");
        b.data[i / 8] = (char)(b.data[i / 8] ^ 1 << i % 8);
    }
    buf_free(&b);
}
END_TEST

static const struct {
    const char *header;
    size_t n_data;
    const char *why;
} bad_headers[] = {
    {"", 0, "not a JSON object"},
    {"[]", 0, "not a JSON object"},
    {"{} x", 0, "not a JSON object"},
    {"{}", 1, "belong to no array"},
    {"{\"a\":1}", 0, "needs exactly"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[]}}", 0, "needs exactly"},
    {"{\"a\":{\"dtype\":\"F99\",\"shape\":[],\"data_offsets\":[0,8]}}", 8, "dtype 'F99'"},
    {"{\"a\":{\"dtype\":3,\"shape\":[],\"data_offsets\":[0,8]}}", 8, "no dtype"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":3,\"data_offsets\":[0,8]}}", 8, "no shape"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[-1],\"data_offsets\":[0,8]}}", 8, "whole number"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[0.5],\"data_offsets\":[0,8]}}", 8, "whole number"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[1e99],\"data_offsets\":[0,8]}}", 8, "whole number"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1,
     "more than 8 axes"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
     "too large"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[0,4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
     "too large"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "needs 16"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[8,0]}}", 8, "[begin, end]"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[8,16]}}", 8, "cut short"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[1,9]}}", 9, "belong to no array"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
     6, "overlap"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
     2, "two arrays"},
    {"{\"a\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "BOOL"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "not a text"},
    {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "two entries"},
    {"{\"__metadata__\":[]}", 0, "map of texts"},
};
enum { N_BAD_HEADERS = sizeof bad_headers / sizeof *bad_headers };

START_TEST(a_bad_header_is_refused_with_a_sentence) {
    RtTensorFile f;
    Buf b = {0};
    size_t len = strlen(bad_headers[_i].header);
    char length[8] = {(char)len};

    ck_assert_uint_lt(len, 256);
    buf_put(&b, length, 8);
    buf_puts(&b, bad_headers[_i].header);
    for (size_t i = 0; i < bad_headers[_i].n_data; i++)
        buf_put(&b, "\7", 1);
    ck_assert(!rt_safetensors_parse(&f, "file", b.data, b.len, why, sizeof why));
    check_why(bad_headers[_i].why);
    buf_free(&b);
}
END_TEST

START_TEST(data_that_is_not_aligned_is_copied) {
    static const char header[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                                 "\"b\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[1,9]}}";
    RtTensorFile f;
    Buf b = {0};
    char length[8] = {(char)(sizeof header - 1)};
    double x = 0.25;

    buf_put(&b, length, 8);
    buf_puts(&b, header);
    buf_put(&b, "\1", 1);
    buf_put(&b, (const char *)&x, 8);
    ck_assert_msg(rt_safetensors_parse(&f, "file", b.data, b.len, why, sizeof why), "%s", why);
    ck_assert_double_eq(*(double *)f.tensors[1].data, 0.25);
    rt_safetensors_close(&f);
    buf_free(&b);
}
END_TEST

START_TEST(arrays_that_make_no_sense_are_not_written) {
    RtTensor t[2] = {samples[2], samples[2]};

    ck_assert(!rt_safetensors_write(at("x"), t, 2, NULL, 0, why, sizeof why));
    check_why("two arrays");
    t[0].bytes = 47;
    ck_assert(!rt_safetensors_write(at("x"), t, 1, NULL, 0, why, sizeof why));
    check_why("fit its shape");
    t[0].name = "";
    ck_assert(!rt_safetensors_write(at("x"), t, 1, NULL, 0, why, sizeof why));
    check_why("no name");
    ck_assert(!exists(at("x")));
}
END_TEST

START_TEST(missing_files_and_folders_give_sentences) {
    RtTensorFile f;

    ck_assert(!rt_safetensors_read(&f, at("missing"), why, sizeof why));
    check_why("missing");
    ck_assert(!rt_safetensors_write(at("no/such/x"), samples, 1, NULL, 0, why, sizeof why));
    check_why("no/such");
}
END_TEST

// A checkpoint of one array, two logs and the episodes "0" to "n_episodes - 1", which are written.
static bool write_checkpoint(int64_t commit, int n_episodes) {
    static char hashes[16][RT_HASH_SIZE], ids[16][16];
    RtEpisodeRef episodes[16];
    double state[4] = {(double)commit, 1, 2, 3};
    const RtTensor t = {"state", RT_F64, 1, {4}, state, sizeof state};
    const RtPair made_with[] = {{"config", "abc"}, {"cpu", "avx2"}};

    for (int i = 0; i < n_episodes; i++) {
        double x[1] = {i};
        const RtTensor e = {"x", RT_F64, 1, {1}, x, sizeof x};
        snprintf(ids[i], sizeof ids[i], "e%d", i);
        if (!rt_episode_write(dir, ids[i], &e, 1, NULL, 0, hashes[i], why, sizeof why))
            return false;
        episodes[i] = (RtEpisodeRef){ids[i], hashes[i]};
    }
    const RtCheckpoint c = {
        .commit = commit,
        .cursor = "{\"iteration\": 3}",
        .tensors = &t,
        .n_tensors = 1,
        .logs = (RtLogMark[]){{"events.jsonl", 0}, {"timing.jsonl", 0}},
        .n_logs = 2,
        .episodes = episodes,
        .n_episodes = n_episodes,
        .hashes = made_with,
        .n_hashes = 2,
    };
    return rt_checkpoint_write(dir, &c, RT_KEEP_CHECKPOINTS, why, sizeof why);
}

static void make_run_dirs(void) {
    make_dir();
    mkdir(at("checkpoints"), 0777);
    mkdir(at("episodes"), 0777);
    mkdir(at("eval"), 0777);
}

START_TEST(a_checkpoint_comes_back_whole) {
    RtCheckpoint c;

    ck_assert_msg(write_checkpoint(7, 2), "%s", why);
    ck_assert_int_eq(rt_checkpoint_find_newest_good(&c, dir, NULL, why, sizeof why), RT_FOUND);
    ck_assert_int_eq(c.commit, 7);
    ck_assert_str_eq(c.cursor, "{\"iteration\": 3}");
    ck_assert_int_eq(c.n_tensors, 1);
    ck_assert_double_eq(((double *)c.tensors[0].data)[0], 7);
    ck_assert_int_eq(c.n_logs, 2);
    ck_assert_str_eq(c.logs[1].name, "timing.jsonl");
    ck_assert_int_eq(c.n_episodes, 2);
    ck_assert_str_eq(c.episodes[1].id, "e1");
    ck_assert_str_eq(rt_checkpoint_find_hash(&c, "cpu"), "avx2");
    ck_assert_ptr_null(rt_checkpoint_find_hash(&c, "no such"));

    RtTensorFile e;
    ck_assert(rt_episode_read(&e, dir, "e1", c.episodes[1].hash, why, sizeof why));
    ck_assert_double_eq(*(double *)rt_safetensors_find(&e, "x")->data, 1);
    rt_safetensors_close(&e);
    ck_assert(!rt_episode_read(&e, dir, "e1", c.episodes[0].hash, why, sizeof why));
    check_why("damaged");
    rt_checkpoint_close(&c);
}
END_TEST

START_TEST(any_flipped_bit_or_cut_of_a_checkpoint_is_seen) {
    RtCheckpoint c;
    Buf b = {0};
    const char *path = at("checkpoints/000001.safetensors");

    ck_assert(write_checkpoint(1, 1));
    ck_assert(buf_read_file(&b, path, 0, why, sizeof why));
    for (size_t i = 0; i < b.len; i++) {
        b.data[i] = (char)(b.data[i] ^ 1 << i % 8);
        write_file(path, b.data, b.len);
        ck_assert_msg(!rt_checkpoint_read(&c, path, why, sizeof why), "byte %zu", i);
        b.data[i] = (char)(b.data[i] ^ 1 << i % 8);
        check_why("damaged");
    }
    for (size_t len = 0; len < b.len; len++) {
        write_file(path, b.data, len);
        ck_assert_msg(!rt_checkpoint_read(&c, path, why, sizeof why), "length %zu", len);
        check_why("damaged");
    }
    write_file(path, b.data, b.len);
    ck_assert(rt_checkpoint_read(&c, path, why, sizeof why));
    rt_checkpoint_close(&c);
    buf_free(&b);
}
END_TEST

START_TEST(the_newest_good_checkpoint_is_found) {
    RtCheckpoint c;
    Buf notes = {0};

    ck_assert(write_checkpoint(1, 1) && write_checkpoint(2, 2) && write_checkpoint(3, 3));
    ck_assert_int_eq(truncate(at("checkpoints/000003.safetensors"), 100), 0);
    ck_assert_int_eq(rt_checkpoint_find_newest_good(&c, dir, &notes, why, sizeof why), RT_FOUND);
    ck_assert_int_eq(c.commit, 2);
    ck_assert_ptr_nonnull(strstr(buf_text(&notes), "checkpoint 3 is passed over"));
    rt_checkpoint_close(&c);

    // a damaged episode takes the commits with it that refer to it
    write_file(at("episodes/e1.safetensors"), "x", 1);
    ck_assert_int_eq(rt_checkpoint_find_newest_good(&c, dir, &notes, why, sizeof why), RT_FOUND);
    ck_assert_int_eq(c.commit, 1);
    rt_checkpoint_close(&c);

    unlink(at("episodes/e0.safetensors"));
    ck_assert_int_eq(rt_checkpoint_find_newest_good(&c, dir, &notes, why, sizeof why),
                     RT_FOUND_DAMAGED);
    check_why("none of its 3 checkpoints");
    buf_free(&notes);
}
END_TEST

START_TEST(a_run_before_its_first_commit_says_so) {
    RtCheckpoint c;

    ck_assert_int_eq(rt_checkpoint_find_newest_good(&c, dir, NULL, why, sizeof why), RT_FOUND_NONE);
    check_why("before its first commit");
}
END_TEST

START_TEST(a_renamed_checkpoint_is_not_good) {
    RtCheckpoint c;

    ck_assert(write_checkpoint(1, 0));
    ck_assert_int_eq(
        rename(at("checkpoints/000001.safetensors"), at("checkpoints/000009.safetensors")), 0);
    ck_assert_int_eq(rt_checkpoint_find_newest_good(&c, dir, NULL, why, sizeof why),
                     RT_FOUND_DAMAGED);
    check_why("renamed");
}
END_TEST

START_TEST(a_log_shorter_than_its_mark_makes_a_checkpoint_bad) {
    RtCheckpoint c, out = {.commit = 1, .cursor = "", .n_logs = 1};

    out.logs = (RtLogMark[]){{"events.jsonl", 10}};
    ck_assert(rt_checkpoint_write(dir, &out, 3, why, sizeof why));
    write_file(at("events.jsonl"), "123456789", 9);
    ck_assert_int_eq(rt_checkpoint_find_newest_good(&c, dir, NULL, why, sizeof why),
                     RT_FOUND_DAMAGED);
    check_why("shorter");
    write_file(at("events.jsonl"), "1234567890x", 11);
    ck_assert_int_eq(rt_checkpoint_find_newest_good(&c, dir, NULL, why, sizeof why), RT_FOUND);
    ck_assert_int_eq(rt_checkpoint_log_offset(&c, "events.jsonl"), 10);
    ck_assert_int_eq(rt_checkpoint_log_offset(&c, "other"), 0);
    rt_checkpoint_close(&c);
}
END_TEST

START_TEST(only_the_newest_checkpoints_are_kept) {
    Arena a = {0};
    int64_t *commits;

    for (int i = 0; i < 6; i++)
        ck_assert(write_checkpoint(i, 0));
    ck_assert_int_eq(rt_checkpoint_list(&a, dir, &commits), RT_KEEP_CHECKPOINTS);
    for (int i = 0; i < RT_KEEP_CHECKPOINTS; i++)
        ck_assert_int_eq(commits[i], 3 + i);
    arena_free(&a);
}
END_TEST

START_TEST(cleaning_removes_what_the_commit_does_not_know) {
    RtCheckpoint c;
    char hash[RT_HASH_SIZE];

    ck_assert(write_checkpoint(1, 1) && write_checkpoint(2, 2));
    ck_assert(rt_checkpoint_find_newest_good(&c, dir, NULL, why, sizeof why) == RT_FOUND);
    ck_assert(write_checkpoint(3, 3));
    ck_assert(rt_episode_write(dir, "left", samples, 1, NULL, 0, hash, why, sizeof why));
    write_file(at("checkpoints/000004.safetensors.tmp-99-0"), "x", 1);
    write_file(at("config.yaml.tmp-99-0"), "x", 1);
    write_file(at("config.yaml"), "x", 1);
    ck_assert_msg(rt_checkpoint_clean(dir, &c, 3, why, sizeof why), "%s", why);
    ck_assert(exists(at("checkpoints/000001.safetensors")));
    ck_assert(exists(at("checkpoints/000002.safetensors")));
    ck_assert(!exists(at("checkpoints/000003.safetensors")));
    ck_assert(!exists(at("checkpoints/000004.safetensors.tmp-99-0")));
    ck_assert(!exists(at("config.yaml.tmp-99-0")) && exists(at("config.yaml")));
    ck_assert(exists(at("episodes/e0.safetensors")) && exists(at("episodes/e1.safetensors")));
    ck_assert(!exists(at("episodes/e2.safetensors")) && !exists(at("episodes/left.safetensors")));
    rt_checkpoint_close(&c);
}
END_TEST

START_TEST(an_episode_is_immutable) {
    char first[RT_HASH_SIZE], again[RT_HASH_SIZE];

    ck_assert(rt_episode_write(dir, "a", samples, 1, NULL, 0, first, why, sizeof why));
    ck_assert(rt_episode_write(dir, "a", samples, 1, NULL, 0, again, why, sizeof why));
    ck_assert_str_eq(first, again);
    ck_assert(!rt_episode_write(dir, "a", samples, 2, NULL, 0, again, why, sizeof why));
    check_why("other content");
    ck_assert(!rt_episode_write(dir, "../a", samples, 1, NULL, 0, again, why, sizeof why));
    check_why("a name of letters");
}
END_TEST

START_TEST(a_checkpoint_that_cannot_be_written_gives_a_sentence) {
    delete_tree(at("checkpoints"));
    write_file(at("checkpoints"), "x", 1);
    ck_assert(!write_checkpoint(1, 0));
    check_why("checkpoints");
}
END_TEST

START_TEST(events_are_lines_of_json_in_the_order_given) {
    RtLog log;

    ck_assert_msg(rt_log_open(&log, at("events.jsonl"), 0, why, sizeof why), "%s", why);
    rt_event_begin(&log, "iteration");
    rt_event_put_int(&log, "iteration", 3);
    rt_event_put_double(&log, "model/mse", 0.1);
    rt_event_put_double(&log, "gap", NAN);
    rt_event_put_text(&log, "text", "a \"b\"\n\x01\xFF");
    rt_event_put_bool(&log, "done", true);
    rt_event_put_doubles(&log, "x", (double[]){1e-8, -2}, 2);
    rt_event_put_json(&log, "cursor", "{\"a\":1}");
    rt_event_end(&log);
    rt_event_begin(&log, "cut off");
    rt_event_begin(&log, "next");
    rt_event_end(&log);
    check_file(at("events.jsonl"), "");
    ck_assert(rt_log_flush(&log, why, sizeof why));
    check_file(at("events.jsonl"),
               "{\"event\":\"iteration\",\"iteration\":3,\"model/mse\":0.1,\"gap\":\"nan\","
               "\"text\":\"a \\\"b\\\"\\n\\u0001\xEF\xBF\xBD\",\"done\":true,\"x\":[1e-08,-2],"
               "\"cursor\":{\"a\":1}}\n{\"event\":\"next\"}\n");
    rt_log_close(&log);
    rt_log_close(&log);
}
END_TEST

static void put_event(RtLog *log, int i) {
    rt_event_begin(log, "iteration");
    rt_event_put_int(log, "i", i);
    rt_event_end(log);
}

START_TEST(a_log_is_cut_back_to_its_commit) {
    RtLog log;
    const char *first = "{\"event\":\"iteration\",\"i\":1}\n";

    ck_assert(rt_log_open(&log, at("events.jsonl"), 0, why, sizeof why));
    put_event(&log, 1);
    ck_assert(rt_log_flush(&log, why, sizeof why));
    int64_t offset = log.offset;
    ck_assert_int_eq(offset, (int64_t)strlen(first));
    put_event(&log, 2);
    ck_assert(rt_log_flush(&log, why, sizeof why));
    put_event(&log, 3);
    rt_log_close(&log);

    ck_assert(rt_log_open(&log, at("events.jsonl"), offset, why, sizeof why));
    check_file(at("events.jsonl"), first);
    put_event(&log, 4);
    ck_assert(rt_log_truncate(&log, offset, why, sizeof why));
    ck_assert(rt_log_flush(&log, why, sizeof why));
    check_file(at("events.jsonl"), first);
    rt_log_close(&log);

    ck_assert(!rt_log_open(&log, at("events.jsonl"), offset + 1, why, sizeof why));
    check_why("were committed");
    check_file(at("events.jsonl"), first);
    ck_assert(!rt_log_open(&log, at("no/such/log"), 0, why, sizeof why));
    check_why("no/such/log");
}
END_TEST

START_TEST(a_full_disk_gives_a_sentence_and_keeps_the_text) {
    RtLog log = {0};

    if (access("/dev/full", W_OK) != 0)
        return;
    log = (RtLog){.fd = open("/dev/full", O_WRONLY), .path = strdup("/dev/full")};
    put_event(&log, 1);
    ck_assert(!rt_log_flush(&log, why, sizeof why));
    check_why("/dev/full");
    ck_assert_uint_gt(log.pending.len, 0);
    rt_log_close(&log);
}
END_TEST

START_TEST(progress_follows_the_events) {
    RtCsv csv = {.kind = "iteration"}, fresh = {.kind = "iteration"};
    RtLog log;
    const char *events = at("events.jsonl"), *path = at("progress.csv");
    const char *expected = "iteration,mse,note,score\n0,0.5,,\n1,0.25,\"a,b\",-0.1\n";

    ck_assert(rt_log_open(&log, events, 0, why, sizeof why));
    rt_event_begin(&log, "iteration");
    rt_event_put_int(&log, "iteration", 0);
    rt_event_put_double(&log, "mse", 0.5);
    rt_event_end(&log);
    ck_assert(rt_log_flush(&log, why, sizeof why));
    ck_assert_msg(rt_csv_update(&csv, events, path, why, sizeof why), "%s", why);
    check_file(path, "iteration,mse\n0,0.5\n");

    rt_event_begin(&log, "other");
    rt_event_end(&log);
    rt_event_begin(&log, "iteration");
    rt_event_put_int(&log, "iteration", 1);
    rt_event_put_text(&log, "note", "a,b");
    rt_event_put_double(&log, "mse", 0.25);
    rt_event_put_double(&log, "score", -0.1);
    rt_event_put_doubles(&log, "list", (double[]){1}, 1);
    rt_event_end(&log);
    ck_assert(rt_log_flush(&log, why, sizeof why));
    ck_assert(rt_csv_update(&csv, events, path, why, sizeof why));
    check_file(path, "iteration,mse,note,score\n0,0.5,,\n1,0.25,\"a,b\",-0.1\n");

    // a resumed run writes the same file over whatever is there
    write_file(path, "x", 1);
    ck_assert(rt_csv_update(&fresh, events, path, why, sizeof why));
    check_file(path, expected);
    rt_csv_free(&csv);
    rt_csv_free(&fresh);
    rt_log_close(&log);

    write_file(events, "{\"event\":\n", 10);
    ck_assert(!rt_csv_update(&fresh, events, path, why, sizeof why));
    check_why("not JSON");
    rt_csv_free(&fresh);
}
END_TEST

static RtRunDef run_def(void) {
    return (RtRunDef){.root = dir,
                      .env = "some/env",
                      .system = "my__sys_",
                      .seed = 3,
                      .time = "20310415-081502",
                      .config = "a: 1\n",
                      .config_len = 5};
}

START_TEST(a_run_folder_has_a_unique_name) {
    RtRun a, b, c;
    RtRunDef def = run_def();
    Arena arena = {0};

    ck_assert_msg(rt_run_create(&a, &def, why, sizeof why) == EXIT_OK, "%s", why);
    ck_assert_str_eq(a.dir, at("some-env__my_sys__3__20310415-081502"));
    ck_assert_int_eq(rt_run_create(&b, &def, why, sizeof why), EXIT_OK);
    ck_assert_str_eq(b.dir, at("some-env__my_sys__3__20310415-081502-2"));
    ck_assert_int_eq(rt_run_create(&c, &def, why, sizeof why), EXIT_OK);
    ck_assert_str_eq(c.dir, at("some-env__my_sys__3__20310415-081502-3"));
    check_file(rt_run_path(&a, &arena, "config.yaml"), "a: 1\n");
    ck_assert(exists(rt_run_path(&a, &arena, "checkpoints")));
    ck_assert(exists(rt_run_path(&a, &arena, "episodes")));
    ck_assert(exists(rt_run_path(&a, &arena, "eval")));
    rt_run_close(&a);
    rt_run_close(&b);
    rt_run_close(&c);
    rt_run_close(&c);
    def.time = NULL;
    ck_assert_int_eq(rt_run_create(&a, &def, why, sizeof why), EXIT_OK);
    rt_run_close(&a);
    arena_free(&arena);
}
END_TEST

START_TEST(a_run_in_use_cannot_be_written_and_can_be_read) {
    RtRun run, other;
    RtRunDef def = run_def();
    char slashed[256];

    ck_assert_int_eq(rt_run_create(&run, &def, why, sizeof why), EXIT_OK);
    snprintf(slashed, sizeof slashed, "%s//", run.dir);
    ck_assert_int_eq(rt_run_open(&other, slashed, true, why, sizeof why), EXIT_IN_USE);
    check_why("in use");
    ck_assert_int_eq(rt_run_open(&other, slashed, false, why, sizeof why), EXIT_OK);
    ck_assert_str_eq(other.dir, run.dir);
    rt_run_close(&other);
    rt_run_close(&run);
    slashed[strlen(slashed) - 2] = '\0';
    ck_assert_int_eq(rt_run_open(&other, slashed, true, why, sizeof why), EXIT_OK);
    rt_run_close(&other);
}
END_TEST

START_TEST(what_is_no_run_is_refused) {
    RtRun run;
    RtRunDef def = run_def();

    ck_assert_int_eq(rt_run_open(&run, at("missing"), true, why, sizeof why), EXIT_MISSING);
    check_why("missing");
    ck_assert_int_eq(rt_run_open(&run, dir, true, why, sizeof why), EXIT_BAD_INPUT);
    check_why("not a run folder");
    write_file(at("lock"), "", 0);
    ck_assert_int_eq(rt_run_open(&run, dir, true, why, sizeof why), EXIT_BAD_INPUT);
    check_why("stopped while it was being made");
    ck_assert_int_eq(rt_run_open(&run, at("lock"), true, why, sizeof why), EXIT_BAD_INPUT);
    check_why("not a run folder");

    // a root that is a file takes no folder
    def.root = at("lock");
    ck_assert_int_eq(rt_run_create(&run, &def, why, sizeof why), EXIT_CANNOT_CREATE);
    check_why("lock");
    if (geteuid() != 0) {
        ck_assert_int_eq(chmod(dir, 0500), 0);
        def.root = dir;
        ck_assert_int_eq(rt_run_create(&run, &def, why, sizeof why), EXIT_CANNOT_CREATE);
        check_why(dir);
        chmod(dir, 0700);
    }
}
END_TEST

START_TEST(runs_are_listed_with_what_their_folders_show) {
    RtRun a, b;
    RtRunDef def = run_def();
    RtRunInfo *runs;
    Arena arena = {0};
    int n;

    def.env = "b";
    ck_assert_int_eq(rt_run_create(&b, &def, why, sizeof why), EXIT_OK);
    def.env = "a";
    ck_assert_int_eq(rt_run_create(&a, &def, why, sizeof why), EXIT_OK);
    mkdir(at("no run"), 0777);
    RtCheckpoint c = {.commit = 5, .cursor = "{\"iteration\":2}"};
    ck_assert(rt_checkpoint_write(a.dir, &c, 3, why, sizeof why));
    rt_run_close(&a);

    ck_assert_int_eq(rt_run_list(&arena, dir, &runs, &n, why, sizeof why), EXIT_OK);
    ck_assert_int_eq(n, 2);
    ck_assert_str_eq(runs[0].env, "a");
    ck_assert_str_eq(runs[0].system, "my_sys");
    ck_assert_int_eq(runs[0].seed, 3);
    ck_assert_str_eq(runs[0].time, "20310415-081502");
    ck_assert(!runs[0].in_use && runs[0].complete);
    ck_assert_int_eq(runs[0].commit, 5);
    ck_assert_str_eq(runs[0].cursor, c.cursor);
    ck_assert(runs[1].in_use);
    ck_assert_int_eq(runs[1].commit, -1);
    ck_assert_ptr_null(runs[1].cursor);
    ck_assert_int_eq(rt_run_list(&arena, at("missing"), &runs, &n, why, sizeof why), EXIT_MISSING);
    check_why("missing");
    rt_run_close(&b);
    arena_free(&arena);
}
END_TEST

// A driver in small: commits 0 to 12 with an event, an episode and a state each, from wherever the
// folder stands.
static int drive(const char *run_dir) {
    enum { N_COMMITS = 12 };
    static char ids[16][16], hashes[16][RT_HASH_SIZE];
    RtEpisodeRef episodes[16];
    double state[3] = {1, 2, 3};
    int64_t begin = 0;
    RtRun run;
    RtCheckpoint c;
    RtLog log;
    RtCsv csv = {.kind = "iteration"};
    Arena a = {0};
    char reason[256];

    int code = rt_run_open(&run, run_dir, true, reason, sizeof reason);
    if (code != EXIT_OK)
        return code;
    char *events = rt_run_path(&run, &a, "events.jsonl");
    char *progress = rt_run_path(&run, &a, "progress.csv");
    RtFound found = rt_checkpoint_find_newest_good(&c, run.dir, NULL, reason, sizeof reason);
    if (found == RT_FOUND_DAMAGED)
        return EXIT_BAD_INPUT;
    if (found == RT_FOUND) {
        memcpy(state, c.tensors[0].data, sizeof state);
        begin = c.commit + 1;
        for (int i = 0; i < c.n_episodes; i++) {
            strcpy(ids[i], c.episodes[i].id);
            strcpy(hashes[i], c.episodes[i].hash);
        }
    }
    if (!rt_checkpoint_clean(run.dir, &c, 3, reason, sizeof reason) ||
        !rt_log_open(&log, events, rt_checkpoint_log_offset(&c, "events.jsonl"), reason,
                     sizeof reason))
        return EXIT_IO;
    rt_checkpoint_close(&c);

    for (int64_t commit = begin; commit <= N_COMMITS; commit++) {
        for (int i = 0; i < 3; i++)
            state[i] = sin(state[i] * 1000 + (double)commit);
        const RtTensor t = {"state", RT_F64, 1, {3}, state, sizeof state};
        snprintf(ids[commit], sizeof ids[commit], "%06d", (int)commit);
        bool done = rt_episode_write(run.dir, ids[commit], &t, 1, NULL, 0, hashes[commit], reason,
                                     sizeof reason);
        rt_event_begin(&log, "iteration");
        rt_event_put_int(&log, "iteration", commit);
        rt_event_put_double(&log, "x", state[0]);
        rt_event_end(&log);
        done = done && rt_log_flush(&log, reason, sizeof reason) &&
               rt_csv_update(&csv, events, progress, reason, sizeof reason);
        for (int i = 0; i <= commit; i++)
            episodes[i] = (RtEpisodeRef){ids[i], hashes[i]};
        const RtCheckpoint next = {
            .commit = commit,
            .cursor = "{}",
            .tensors = &t,
            .n_tensors = 1,
            .logs = (RtLogMark[]){{"events.jsonl", log.offset}},
            .n_logs = 1,
            .episodes = episodes,
            .n_episodes = (int)commit + 1,
        };
        if (!done || !rt_checkpoint_write(run.dir, &next, 3, reason, sizeof reason))
            return EXIT_IO;
    }
    rt_csv_free(&csv);
    rt_log_close(&log);
    rt_run_close(&run);
    arena_free(&a);
    return EXIT_OK;
}

// Adds each file of the folder with its bytes to `b`, in order of names.
static void put_tree(Buf *b, const char *path, const char *name) {
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);

    if (n < 0) {
        Buf text = {0};
        ck_assert_msg(buf_read_file(&text, path, 0, why, sizeof why), "%s", why);
        char hash[RT_HASH_SIZE];
        rt_hash(hash, buf_text(&text), text.len);
        buf_printf(b, "%s %s\n", name, hash);
        buf_free(&text);
        return;
    }
    for (int i = 0; i < n; i++) {
        char below[1024], below_name[512];
        snprintf(below, sizeof below, "%s/%s", path, names[i]->d_name);
        snprintf(below_name, sizeof below_name, "%.200s/%s", name, names[i]->d_name);
        if (strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0)
            put_tree(b, below, below_name);
        free(names[i]);
    }
    free(names);
}

START_TEST(a_run_killed_again_and_again_ends_like_one_left_alone) {
    RtRun whole, torn;
    RtRunDef def = run_def();
    Buf expected = {0}, found = {0};
    char whole_dir[256], torn_dir[256];

    ck_assert_int_eq(rt_run_create(&whole, &def, why, sizeof why), EXIT_OK);
    ck_assert_int_eq(rt_run_create(&torn, &def, why, sizeof why), EXIT_OK);
    strcpy(whole_dir, whole.dir);
    strcpy(torn_dir, torn.dir);
    rt_run_close(&whole);
    rt_run_close(&torn);
    ck_assert_int_eq(drive(whole_dir), EXIT_OK);

    int status = -1;
    for (int i = 0; status != 0; i++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0)
            _exit(drive(torn_dir));

        // a little later each time, so that the kills fall everywhere and the run ends
        nanosleep(&(struct timespec){.tv_nsec = 100000L * (1 + i)}, NULL);
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_msg(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "exit %d",
                      WEXITSTATUS(status));
        ck_assert_int_lt(i, 2000);
    }
    put_tree(&expected, whole_dir, "");
    put_tree(&found, torn_dir, "");
    ck_assert_str_eq(buf_text(&found), buf_text(&expected));
    ck_assert_ptr_nonnull(strstr(buf_text(&found), "/checkpoints/000012.safetensors"));
    buf_free(&expected);
    buf_free(&found);
}
END_TEST

static RtRow sample_row(const char *system, const char *env, int64_t seed, double score) {
    RtRow r = rt_row();

    r.system = system;
    r.env = env;
    r.profile = "quick";
    r.seed = seed;
    r.score = score;
    return r;
}

// Two seeds of one system, one of another without an MSE, and one of another family.
static void fill_table(RtTable *t) {
    static const char *const departs[] = {"angle as sin and cos", "10 tasks"};
    RtRow r = sample_row("alpha", "fam_three", 0, -0.58);

    r.score_sd_tasks = 0.058;
    r.mse = 0.03;
    r.mse_sd = 0.04;
    r.paper_score = -0.5957;
    r.paper_mse = 0.0291;
    r.paper_mse_sd = 0.04;
    r.adapt = 0.25;
    r.adapt_sd = 0.01;
    r.belief = 0.002;
    r.paper_seconds = 0.2;
    r.paper_seconds_sd = 0.02;
    r.real_episodes = 200;
    r.seconds = 59.96;
    r.departs = departs;
    r.n_departs = 1;
    rt_table_add(t, &r);
    r.seed = 1;
    r.score = -0.6;
    r.mse = 0.05;
    r.score_other = -0.9;
    r.departs = departs;
    r.n_departs = 2;
    rt_table_add(t, &r);
    r = sample_row("gamma", "other", 0, 1659.25);
    r.paper_score = 1800;
    rt_table_add(t, &r);
    r = sample_row("beta", "fam_three", 0, -0.65);
    r.paper_score = -0.6;
    r.score_sd_tasks = 0.0501;
    rt_table_add(t, &r);
}

// clang-format off
static const char table_text[] =
    "Table 1: policies and models on unseen tasks; in brackets the deviation across tasks\n"
    "\n"
    "family     system  profile  seeds  score (tasks)  seeds sd    paper  verdict  MSE (tasks)  seeds sd      paper MSE  verdict        other z  episodes   time\n"
    "fam_three  alpha   quick        2  -0.59 (0.058)     0.014  -0.5957  better   0.04 (0.04)     0.014  0.0291 (0.04)  within spread     -0.9       200  60.0s\n"
    "\n"
    "\n"
    "Table 2: policies learnt without a model, on unseen tasks\n"
    "\n"
    "family     system  profile  seeds  score (tasks)  seeds sd   paper  verdict\n"
    "fam_three  beta    quick        1   -0.65 (0.05)         -    -0.6  within spread\n"
    "\n"
    "other      gamma   quick        1         1659.2         -  1800.0  short\n"
    "\n"
    "\n"
    "Table 6: seconds to adapt to an unseen task, to make the belief, and for each action\n"
    "\n"
    "family     system  profile  seeds  seconds (tasks)       paper  verdict  belief\n"
    "fam_three  alpha   quick        2      0.25 (0.01)  0.2 (0.02)  short     0.002\n"
    "\n"
    "alpha on fam_three (quick) departs from the paper:\n"
    "  * angle as sin and cos\n"
    "  * 10 tasks\n";
// clang-format on

START_TEST(a_table_is_aligned_text) {
    RtTable t = {0};
    Buf b = {0};

    fill_table(&t);
    rt_table_put_text(&b, &t);
    ck_assert_str_eq(buf_text(&b), table_text);
    buf_free(&b);
    rt_table_free(&t);
}
END_TEST

START_TEST(json_begins_with_the_keys_that_are_promised) {
    RtTable t = {0};
    Buf b = {0};

    fill_table(&t);
    rt_table_put_json(&b, &t);
    ck_assert_ptr_nonnull(strstr(
        buf_text(&b),
        "[{\"system\": \"alpha\", \"env\": \"fam_three\", \"profile\": \"quick\", \"seeds\": 2, "
        "\"score\": -0.59, \"score_sd_tasks\": 0.058, \"score_sd_seeds\": 0.014142135623730963, "
        "\"mse\": 0.04, \"mse_sd\": 0.04, \"paper_score\": -0.5957, \"paper_mse\": 0.0291, "
        "\"verdict\": \"better\", \"real_episodes\": 200, \"seconds\": 59.96, "));
    ck_assert_ptr_nonnull(strstr(
        buf_text(&b),
        "{\"system\": \"beta\", \"env\": \"fam_three\", \"profile\": \"quick\", \"seeds\": 1, "
        "\"score\": -0.65, \"score_sd_tasks\": 0.0501, \"score_sd_seeds\": null, "
        "\"mse\": null, \"mse_sd\": null, \"paper_score\": -0.6, \"paper_mse\": null, "
        "\"verdict\": \"within spread\", \"real_episodes\": null, \"seconds\": null, "));
    cJSON *list = cJSON_Parse(buf_text(&b)), *first = cJSON_GetArrayItem(list, 0);
    ck_assert_int_eq(cJSON_GetArraySize(list), 3);
    ck_assert_str_eq(cJSON_GetObjectItem(first, "mse_verdict")->valuestring, "within spread");
    ck_assert_str_eq(cJSON_GetObjectItem(first, "adapt_verdict")->valuestring, "short");
    ck_assert_double_eq(cJSON_GetObjectItem(first, "adapt_seconds")->valuedouble, 0.25);
    ck_assert_double_eq_tol(cJSON_GetObjectItem(first, "mse_sd_seeds")->valuedouble, 0.01414, 1e-5);
    ck_assert(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 2), "mse_verdict")));
    cJSON_Delete(list);
    buf_free(&b);
    rt_table_free(&t);
}
END_TEST

START_TEST(csv_and_latex_hold_the_same_cells) {
    RtTable t = {0};
    Buf b = {0};

    fill_table(&t);
    rt_table_put_csv(&b, &t);
    ck_assert_ptr_nonnull(strstr(b.data, "\nbeta,fam_three,quick,1,-0.65,0.0501,,,,-0.6,,within "
                                         "spread,,,,"));
    buf_reset(&b);
    rt_table_put_latex(&b, &t);
    ck_assert_ptr_nonnull(strstr(b.data,
                                 "fam\\_three & alpha & quick & 2 & \\textbf{$-$0.59 (0.058)} & "
                                 "0.014 & $-$0.5957 & better & \\textbf{0.04 (0.04)} & 0.014 & "
                                 "0.0291 (0.04) & within spread & "));
    ck_assert_ptr_nonnull(strstr(b.data, "% alpha on fam_three (quick): 10 tasks\n"));
    buf_free(&b);
    rt_table_free(&t);
}
END_TEST

START_TEST(a_later_run_of_the_same_seed_counts) {
    RtTable t = {0};
    RtCell *cells;
    RtRow r = sample_row("a", "e", 0, 1);

    rt_table_add(&t, &r);
    r.score = 2;
    rt_table_add(&t, &r);
    ck_assert_int_eq(rt_table_cells(&t, &cells), 1);
    ck_assert_int_eq(cells[0].n_seeds, 1);
    ck_assert_double_eq(cells[0].row.score, 2);
    ck_assert_int_eq(cells[0].verdict, RT_VERDICT_NONE);
    ck_assert_ptr_nonnull(strstr(buf_text(&t.notes), "have seed 0"));
    rt_table_free(&t);
}
END_TEST

// Runs that a swept key tells apart are rows of their own, whatever their seed.
START_TEST(what_was_swept_is_a_row_of_its_own) {
    RtTable t = {0};
    RtCell *cells;
    RtRow r = sample_row("a", "e", 0, 1);
    Buf b = {0};

    r.swept = "latent=16";
    rt_table_add(&t, &r);
    r.swept = "latent=32";
    rt_table_add(&t, &r);
    ck_assert_int_eq(rt_table_cells(&t, &cells), 2);
    ck_assert_uint_eq(t.notes.len, 0);
    rt_table_put_text(&b, &t);
    ck_assert_ptr_nonnull(strstr(b.data, "a       latent=32  quick"));
    buf_free(&b);
    rt_table_free(&t);
}
END_TEST

static const struct {
    double score, paper_sd, sd_tasks;
    RtVerdict want;
} judged[] = {
    {1.0, NAN, NAN, RT_VERDICT_BETTER},   {0.9, NAN, NAN, RT_VERDICT_SHORT},
    {0.9, NAN, 0.2, RT_VERDICT_WITHIN},   {0.9, 0.05, 0.2, RT_VERDICT_SHORT},
    {0.9, 0.15, 0.05, RT_VERDICT_WITHIN}, {NAN, 0.1, 0.1, RT_VERDICT_NONE},
};

START_TEST(the_papers_spread_counts_before_ours) {
    RtTable t = {0};
    RtCell *cells;
    RtRow r = sample_row("a", "e", 0, judged[_i].score);

    r.paper_score = 1;
    r.paper_score_sd = judged[_i].paper_sd;
    r.score_sd_tasks = judged[_i].sd_tasks;
    rt_table_add(&t, &r);
    ck_assert_int_eq(rt_table_cells(&t, &cells), 1);
    ck_assert_int_eq(cells[0].verdict, judged[_i].want);
    rt_table_free(&t);
}
END_TEST

START_TEST(times_of_a_test_stand_beside_it) {
    static const double adapts[] = {0.1, 0.3}, beliefs[] = {0.01, 0.03}, steps[] = {1e-4, 3e-4};
    static const double scores[] = {1, 2};
    RtTable t = {0};
    RtEval e = {.row = sample_row("a", "e", 0, 1.5), .latent = "own"};

    e.row.seconds = 12.5;
    e.task_scores = scores;
    e.n_tasks = 2;
    e.adapts = adapts;
    e.beliefs = beliefs;
    e.steps = steps;
    ck_assert_msg(rt_eval_write(dir, "t", &e, why, sizeof why), "%s", why);
    check_file(at("eval/t.timing.jsonl"),
               "{\"event\":\"test\",\"training_seconds\":12.5}\n"
               "{\"event\":\"task\",\"task\":0,\"adapt\":0.1,\"belief\":0.01,\"step\":0.0001}\n"
               "{\"event\":\"task\",\"task\":1,\"adapt\":0.3,\"belief\":0.03,\"step\":0.0003}\n");
    check_file(at("eval/t.json"),
               "{\"schema\": 1, \"system\": \"a\", \"env\": \"e\", \"profile\": \"quick\", "
               "\"seed\": 0, \"latent\": \"own\",\n \"score\": 1.5,\n \"departs\": [],\n "
               "\"task_scores\": [1, 2]}\n");
    ck_assert_msg(rt_table_read_run(&t, dir, NULL, why, sizeof why), "%s", why);
    ck_assert_double_eq_tol(t.rows[0].adapt, 0.2, 1e-12);
    ck_assert_double_eq_tol(t.rows[0].adapt_sd, 0.1414213, 1e-6);
    ck_assert_double_eq_tol(t.rows[0].belief, 0.02, 1e-12);
    ck_assert_double_eq_tol(t.rows[0].step, 2e-4, 1e-12);
    ck_assert_double_eq(t.rows[0].seconds, 12.5);
    rt_table_free(&t);
}
END_TEST

START_TEST(evaluations_become_a_row) {
    static const char *const departs[] = {"one"};
    static const double scores[] = {1, NAN};
    RtTable t = {0};
    RtEval e = {.row = sample_row("a", "e", 4, -0.5), .latent = "own"};

    ck_assert(!rt_table_read_run(&t, dir, NULL, why, sizeof why));
    check_why("no evaluation");
    e.row.departs = departs;
    e.row.n_departs = 1;
    e.row.kl = 2.5;
    e.task_scores = scores;
    e.n_tasks = 2;
    ck_assert_msg(rt_eval_write(dir, "test-own", &e, why, sizeof why), "%s", why);
    e.latent = "zero";
    e.row.score = -0.75;
    ck_assert(rt_eval_write(dir, "test-zero", &e, why, sizeof why));
    e.by_hand = true;
    e.latent = "own";
    ck_assert(rt_eval_write(dir, "z", &e, why, sizeof why));
    check_file(at("eval/z.json"),
               "{\"schema\": 1, \"system\": \"a\", \"env\": \"e\", \"profile\": \"quick\", "
               "\"seed\": 4, \"latent\": \"own\", \"table\": false,\n \"score\": -0.75,\n "
               "\"kl\": 2.5,\n \"departs\": [\"one\"],\n \"task_scores\": [1, null]}\n");
    ck_assert_msg(rt_table_read_run(&t, dir, NULL, why, sizeof why), "%s", why);
    ck_assert_int_eq(t.n, 1);
    ck_assert_double_eq(t.rows[0].score, -0.5);
    ck_assert_double_eq(t.rows[0].score_zero, -0.75);
    ck_assert(isnan(t.rows[0].score_other) && isnan(t.rows[0].mse));
    ck_assert_double_eq(t.rows[0].kl, 2.5);
    ck_assert_int_eq(t.rows[0].seed, 4);
    ck_assert_str_eq(t.rows[0].departs[0], "one");
    rt_table_free(&t);
}
END_TEST

// Writes an evaluation of a run of 10 iterations whose recipe says 5 tasks of 4 episodes.
static void write_test(const char *name, double iteration, double tasks, double score) {
    RtEval e = {.row = sample_row("a", "e", 0, score), .latent = "own"};

    e.row.iteration = iteration;
    e.row.iterations = 10;
    e.row.tasks = tasks;
    e.row.recipe_tasks = 5;
    e.row.episodes = e.row.recipe_episodes = 4;
    ck_assert_msg(rt_eval_write(dir, name, &e, why, sizeof why), "%s", why);
}

static void check_test(double score, const char *note) {
    RtTable t = {0};

    ck_assert_msg(rt_table_read_run(&t, dir, NULL, why, sizeof why), "%s", why);
    ck_assert_double_eq(t.rows[0].score, score);
    if (note)
        ck_assert_msg(strstr(buf_text(&t.notes), note) != NULL, "%s", buf_text(&t.notes));
    else
        ck_assert_uint_eq(t.notes.len, 0);
    rt_table_free(&t);
}

// Names say nothing: a short test that was made later, or read later, does not hide a whole one.
START_TEST(the_latest_and_largest_test_counts) {
    write_test("z", 6, 1, 1);
    check_test(1, "tested after 6 of 10 iterations");
    check_test(1, "tested on 1 tasks x 4 episodes; its recipe says 5 x 4");
    write_test("y", 6, 5, 2);
    check_test(2, "tested after 6 of 10 iterations");
    write_test("x", 10, 2, 3);
    check_test(3, "tested on 2 tasks x 4 episodes");
    write_test("w", 10, 5, 4);
    check_test(4, NULL);
}
END_TEST

static const struct {
    const char *text, *why;
} bad_evals[] = {
    {"x", "not JSON"},
    {"[]", "schema"},
    {"{\"schema\":2}", "schema"},
    {"{\"schema\":1}", "seed"},
    {"{\"schema\":1,\"seed\":0}", "system"},
    {"{\"schema\":1,\"seed\":0,\"score\":\"x\"}", "score"},
    {"{\"schema\":1,\"seed\":0,\"departs\":[1]}", "departs"},
    {"{\"schema\":1,\"seed\":0,\"departs\":{}}", "departs"},
    {"{\"schema\":1,\"seed\":0,\"system\":\"a\",\"env\":\"b\",\"profile\":\"c\",\"latent\":\"d\"}",
     "not 'd'"},
};
enum { N_BAD_EVALS = sizeof bad_evals / sizeof *bad_evals };

START_TEST(a_bad_evaluation_is_refused_with_a_sentence) {
    RtTable t = {0};

    mkdir(at("eval"), 0777);
    write_file(at("eval/a.json"), bad_evals[_i].text, strlen(bad_evals[_i].text));
    ck_assert(!rt_table_read_run(&t, dir, NULL, why, sizeof why));
    check_why(bad_evals[_i].why);
    check_why("");
    ck_assert_int_eq(t.n, 0);
    rt_table_free(&t);
}
END_TEST

// ---- curves -------------------------------------------------------------------------------------

// The events of a run: of iterations with a score, of one without, and the start of one more.
static const char events_text[] =
    "{\"event\":\"episode\",\"iteration\":0,\"score\":9}\n"
    "{\"event\":\"iteration\",\"iteration\":0,\"time/episodes\":3,\"score\":1}\n"
    "{\"event\":\"iteration\",\"iteration\":1,\"time/episodes\":4,\"score\":\"nan\"}\n"
    "{\"event\":\"iteration\",\"iteration\":2,\"time/episodes\":6,\"score\":3}\n"
    "{\"event\":\"iteration\",\"iteration\":3,\"time/episodes\":8}\n"
    "{\"event\":\"iteration\",\"iter";

START_TEST(a_curve_is_a_tag_where_iterations_have_it) {
    RtCurve c;
    Arena a = {0};

    write_file(at("events.jsonl"), events_text, strlen(events_text));
    ck_assert_msg(rt_curve_read(&c, &a, dir, "score", "time/episodes", why, sizeof why), "%s", why);
    ck_assert_int_eq(c.n, 2);
    ck_assert_double_eq(c.x[0], 3);
    ck_assert_double_eq(c.y[1], 3);
    ck_assert_int_eq(c.iteration[1], 3);
    ck_assert_double_eq(c.last_x, 8);
    ck_assert(rt_curve_read(&c, &a, dir, "score", "iteration", why, sizeof why));
    ck_assert_double_eq(c.x[1], 3);
    ck_assert_double_eq(c.last_x, 4);
    ck_assert(rt_curve_read(&c, &a, dir, "other", "iteration", why, sizeof why));
    ck_assert_int_eq(c.n, 0);

    write_file(at("events.jsonl"), "{\n", 2);
    ck_assert(!rt_curve_read(&c, &a, dir, "score", "iteration", why, sizeof why));
    check_why("has a line at byte 0 that is not JSON");
    ck_assert(!rt_curve_read(&c, &a, at("no"), "score", "iteration", why, sizeof why));
    arena_free(&a);
}
END_TEST

START_TEST(seeds_are_joined_by_iteration) {
    int64_t i0[] = {1, 2, 3}, i1[] = {1, 3};
    double x0[] = {10, 20, 30}, y0[] = {0, 2, 4}, x1[] = {12, 30}, y1[] = {2, 8};
    const RtCurve curves[] = {{3, i0, x0, y0, 30}, {2, i1, x1, y1, 30}};
    Arena a = {0};

    RtBand b = rt_band_of(&a, curves, 2, 1);
    ck_assert_int_eq(b.n, 3);
    ck_assert_int_eq(b.most, 2);
    ck_assert_double_eq(b.x[0], 11);
    ck_assert_double_eq(b.mean[0], 1);
    ck_assert_double_eq_tol(b.sd[0], sqrt(2), 1e-12);
    ck_assert_double_eq(b.mean[1], 2);
    ck_assert_double_eq(b.sd[1], 0);
    ck_assert_double_eq(b.mean[2], 6);

    // each curve is smoothed by itself
    b = rt_band_of(&a, curves, 2, 2);
    ck_assert_double_eq(b.mean[0], 1);
    ck_assert_double_eq(b.mean[1], 1);
    ck_assert_double_eq(b.mean[2], 4);
    ck_assert_int_eq(rt_band_of(&a, NULL, 0, 1).n, 0);
    arena_free(&a);
}
END_TEST

static const RtColumn columns[] = {
    {"iteration", RT_COLUMN_COUNT, 3, NULL},      {"model MSE", RT_COLUMN_REAL, 0.03125, NULL},
    {"real return", RT_COLUMN_REAL, NAN, NULL},   {"stage", RT_COLUMN_TEXT, 0, "fit"},
    {"time left", RT_COLUMN_SECONDS, 3725, NULL},
};

START_TEST(a_pipe_gets_one_plain_line_for_a_row) {
    char *text = NULL;
    size_t len;
    RtProgress p;
    FILE *out = open_memstream(&text, &len);

    rt_progress_open(&p, out, false);
    ck_assert(!p.live && !p.color);
    rt_progress_show(&p, columns, 5);
    rt_progress_finish_row(&p, columns, 5);
    rt_progress_note(&p, "stopped at %d", 3);
    rt_progress_close(&p);
    fclose(out);
    ck_assert_str_eq(text, "iteration 3  model MSE 0.03125  real return -  stage fit  time left "
                           "1h02m\nstopped at 3\n");
    free(text);
}
END_TEST

START_TEST(a_terminal_gets_a_table_that_is_redrawn) {
    char *text = NULL;
    size_t len;
    RtProgress p;
    FILE *out = open_memstream(&text, &len);

    rt_progress_open(&p, out, false);
    p.live = true;
    rt_progress_show(&p, columns, 5);
    rt_progress_show(&p, columns, 5); // too soon: not drawn
    rt_progress_finish_row(&p, columns, 5);
    rt_progress_note(&p, "stopped");
    rt_progress_close(&p);
    fclose(out);
    ck_assert_str_eq(text, "iteration  model MSE  real return  stage  time left\n"
                           "        3    0.03125            -    fit      1h02m\n"
                           "\r\033[2A\033[J"
                           "iteration  model MSE  real return  stage  time left\n"
                           "        3    0.03125            -    fit      1h02m\n"
                           "\r\033[2A\033[Jstopped\n"
                           "iteration  model MSE  real return  stage  time left\n"
                           "        3    0.03125            -    fit      1h02m\n");
    free(text);
}
END_TEST

START_TEST(no_line_of_the_table_wraps) {
    char *text = NULL;
    size_t len;
    RtProgress p;
    RtColumn many[40];
    FILE *out = open_memstream(&text, &len);

    for (int i = 0; i < 40; i++)
        many[i] = (RtColumn){"a column with a long name", RT_COLUMN_REAL, 1e300 * i, NULL};
    rt_progress_open(&p, out, false);
    p.live = true;
    for (int i = 0; i < 30; i++)
        rt_progress_finish_row(&p, many, 40);
    ck_assert_int_eq(p.n_drawn, 1 + RT_PROGRESS_ROWS);
    rt_progress_close(&p);
    fclose(out);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        ck_assert_uint_lt(strlen(line), 90);
    free(text);
}
END_TEST

START_TEST(a_quiet_progress_shows_nothing) {
    RtProgress p;

    rt_progress_open(&p, stderr, true);
    rt_progress_show(&p, columns, 5);
    rt_progress_finish_row(&p, columns, 5);
    rt_progress_note(&p, "nothing");
    rt_progress_close(&p);
}
END_TEST

static Suite *record_suite(void) {
    Suite *s = suite_create("record");

    TCase *tensors = tcase_create("safetensors");
    tcase_add_checked_fixture(tensors, make_dir, drop_dir);
    tcase_add_test(tensors, arrays_come_back_as_they_were_written);
    tcase_add_test(tensors, equal_input_gives_equal_bytes_and_aligned_data);
    tcase_add_test(tensors, a_file_of_no_arrays_is_valid);
    tcase_add_test(tensors, files_of_other_writers_are_read);
    tcase_add_test(tensors, a_file_cut_at_any_byte_is_refused);
    tcase_add_test(tensors, no_flipped_bit_crashes_the_reader);
    tcase_add_loop_test(tensors, a_bad_header_is_refused_with_a_sentence, 0, N_BAD_HEADERS);
    tcase_add_test(tensors, data_that_is_not_aligned_is_copied);
    tcase_add_test(tensors, arrays_that_make_no_sense_are_not_written);
    tcase_add_test(tensors, missing_files_and_folders_give_sentences);
    suite_add_tcase(s, tensors);

    TCase *checkpoints = tcase_create("checkpoint");
    tcase_add_checked_fixture(checkpoints, make_run_dirs, drop_dir);
    tcase_add_test(checkpoints, a_checkpoint_comes_back_whole);
    tcase_add_test(checkpoints, any_flipped_bit_or_cut_of_a_checkpoint_is_seen);
    tcase_add_test(checkpoints, the_newest_good_checkpoint_is_found);
    tcase_add_test(checkpoints, a_run_before_its_first_commit_says_so);
    tcase_add_test(checkpoints, a_renamed_checkpoint_is_not_good);
    tcase_add_test(checkpoints, a_log_shorter_than_its_mark_makes_a_checkpoint_bad);
    tcase_add_test(checkpoints, only_the_newest_checkpoints_are_kept);
    tcase_add_test(checkpoints, cleaning_removes_what_the_commit_does_not_know);
    tcase_add_test(checkpoints, an_episode_is_immutable);
    tcase_add_test(checkpoints, a_checkpoint_that_cannot_be_written_gives_a_sentence);
    suite_add_tcase(s, checkpoints);

    TCase *logs = tcase_create("log");
    tcase_add_checked_fixture(logs, make_dir, drop_dir);
    tcase_add_test(logs, events_are_lines_of_json_in_the_order_given);
    tcase_add_test(logs, a_log_is_cut_back_to_its_commit);
    tcase_add_test(logs, a_full_disk_gives_a_sentence_and_keeps_the_text);
    tcase_add_test(logs, progress_follows_the_events);
    suite_add_tcase(s, logs);

    TCase *runs = tcase_create("run");
    tcase_set_timeout(runs, 120);
    tcase_add_checked_fixture(runs, make_dir, drop_dir);
    tcase_add_test(runs, a_run_folder_has_a_unique_name);
    tcase_add_test(runs, a_run_in_use_cannot_be_written_and_can_be_read);
    tcase_add_test(runs, what_is_no_run_is_refused);
    tcase_add_test(runs, runs_are_listed_with_what_their_folders_show);
    tcase_add_test(runs, a_run_killed_again_and_again_ends_like_one_left_alone);
    suite_add_tcase(s, runs);

    TCase *tables = tcase_create("table");
    tcase_add_checked_fixture(tables, make_dir, drop_dir);
    tcase_add_test(tables, a_table_is_aligned_text);
    tcase_add_test(tables, json_begins_with_the_keys_that_are_promised);
    tcase_add_test(tables, csv_and_latex_hold_the_same_cells);
    tcase_add_test(tables, a_later_run_of_the_same_seed_counts);
    tcase_add_test(tables, what_was_swept_is_a_row_of_its_own);
    tcase_add_loop_test(tables, the_papers_spread_counts_before_ours, 0,
                        sizeof judged / sizeof *judged);
    tcase_add_test(tables, times_of_a_test_stand_beside_it);
    tcase_add_test(tables, evaluations_become_a_row);
    tcase_add_test(tables, the_latest_and_largest_test_counts);
    tcase_add_loop_test(tables, a_bad_evaluation_is_refused_with_a_sentence, 0, N_BAD_EVALS);
    suite_add_tcase(s, tables);

    TCase *curves = tcase_create("curves");
    tcase_add_checked_fixture(curves, make_dir, drop_dir);
    tcase_add_test(curves, a_curve_is_a_tag_where_iterations_have_it);
    tcase_add_test(curves, seeds_are_joined_by_iteration);
    suite_add_tcase(s, curves);

    TCase *progress = tcase_create("progress");
    tcase_add_test(progress, a_pipe_gets_one_plain_line_for_a_row);
    tcase_add_test(progress, a_terminal_gets_a_table_that_is_redrawn);
    tcase_add_test(progress, no_line_of_the_table_wraps);
    tcase_add_test(progress, a_quiet_progress_shows_nothing);
    suite_add_tcase(s, progress);
    return s;
}

int main(void) {
    SRunner *r = srunner_create(record_suite());

    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
