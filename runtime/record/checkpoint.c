// runtime/record/checkpoint.c -- commits: the only moments at which a run changes for good.
//
// The hash of a checkpoint is the first entry of its metadata, so it lies at a fixed place; it is
// taken over the whole file with zeros in that place, so no bit of the file is outside of it.
#include "runtime/record/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "runtime/record/json.h"

#define ZERO_HASH "00000000000000000000000000000000"

static const char format_name[] = "gssm checkpoint 1";
static const char hash_prefix[] = "{\"__metadata__\":{\"content_hash\":\"";
static const char safetensors[] = ".safetensors";

enum { HASH_AT = 8 + sizeof hash_prefix - 1, HASH_LEN = RT_HASH_SIZE - 1 };

static char *checkpoint_path(Arena *a, const char *run_dir, int64_t commit) {
    return arena_printf(a, "%s/checkpoints/%06" PRId64 "%s", run_dir, commit, safetensors);
}

static char *episode_path(Arena *a, const char *run_dir, const char *id) {
    return arena_printf(a, "%s/episodes/%s%s", run_dir, id, safetensors);
}

static bool is_episode_id(const char *id) {
    return *id && *id != '.' &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               strlen(id);
}

static void put_logs(Buf *b, const RtCheckpoint *c) {
    buf_puts(b, "{");
    for (int i = 0; i < c->n_logs; i++) {
        buf_puts(b, i ? "," : "");
        rt_json_put_string(b, c->logs[i].name);
        buf_printf(b, ":%" PRId64, c->logs[i].offset);
    }
    buf_puts(b, "}");
}

static void put_text_pair(Buf *b, bool first, const char *key, const char *value) {
    buf_puts(b, first ? "" : ",");
    rt_json_put_string(b, key);
    buf_puts(b, ":");
    rt_json_put_string(b, value);
}

// The whole file, its own hash in place.
static bool format_checkpoint(Buf *out, const char *path, const RtCheckpoint *c, char *why,
                              size_t why_size) {
    Buf logs = {0}, episodes = {0}, hashes = {0};
    char commit[24];

    snprintf(commit, sizeof commit, "%" PRId64, c->commit);
    put_logs(&logs, c);
    buf_puts(&episodes, "{");
    for (int i = 0; i < c->n_episodes; i++)
        put_text_pair(&episodes, i == 0, c->episodes[i].id, c->episodes[i].hash);
    buf_puts(&episodes, "}");
    buf_puts(&hashes, "{");
    for (int i = 0; i < c->n_hashes; i++)
        put_text_pair(&hashes, i == 0, c->hashes[i].key, c->hashes[i].value);
    buf_puts(&hashes, "}");

    const RtPair metadata[] = {
        {"content_hash", ZERO_HASH},
        {"format", format_name},
        {"commit", commit},
        {"cursor", c->cursor ? c->cursor : ""},
        {"logs", buf_text(&logs)},
        {"episodes", buf_text(&episodes)},
        {"hashes", buf_text(&hashes)},
    };
    bool done = rt_safetensors_format(out, path, c->tensors, c->n_tensors, metadata,
                                      sizeof metadata / sizeof *metadata, why, why_size);
    if (done) {
        char hash[RT_HASH_SIZE];
        rt_hash(hash, out->data, out->len);
        memcpy(out->data + HASH_AT, hash, HASH_LEN);
    }
    buf_free(&logs);
    buf_free(&episodes);
    buf_free(&hashes);
    return done;
}

static int compare_commits(const void *x, const void *y) {
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;

    return a < b ? -1 : a > b;
}

// The number in a checkpoint's file name, or -1.
static int64_t commit_of_name(const char *name) {
    char again[64];
    size_t digits = strspn(name, "0123456789");

    if (digits < 6 || digits > 18 || strcmp(name + digits, safetensors) != 0)
        return -1;
    int64_t commit = strtoll(name, NULL, 10);
    snprintf(again, sizeof again, "%06" PRId64 "%s", commit, safetensors);
    return strcmp(again, name) == 0 ? commit : -1;
}

int rt_checkpoint_list(Arena *a, const char *run_dir, int64_t **commits) {
    char *path = arena_printf(a, "%s/checkpoints", run_dir);
    int n = 0, cap = 0;

    *commits = NULL;
    DIR *folder = opendir(path);
    if (!folder)
        return 0;
    for (struct dirent *d = readdir(folder); d; d = readdir(folder)) {
        int64_t commit = commit_of_name(d->d_name);
        if (commit >= 0)
            arena_push(a, *commits, n, cap, commit);
    }
    closedir(folder);
    if (n > 1)
        qsort(*commits, (size_t)n, sizeof **commits, compare_commits);
    return n;
}

// Deletes all checkpoints but the newest `keep` up to `commit`; with `newer`, those after it too.
static void prune(const char *run_dir, int64_t commit, int keep, bool newer) {
    Arena scratch = {0};
    int64_t *commits;
    int n = rt_checkpoint_list(&scratch, run_dir, &commits), n_kept = 0;

    for (int i = n - 1; i >= 0; i--) {
        bool drop = commits[i] > commit ? newer : n_kept++ >= (keep > 1 ? keep : 1);
        if (drop)
            unlink(checkpoint_path(&scratch, run_dir, commits[i]));
    }
    arena_free(&scratch);
}

bool rt_checkpoint_write(const char *run_dir, const RtCheckpoint *c, int keep, char *why,
                         size_t why_size) {
    Arena scratch = {0};
    Buf bytes = {0};
    char *path = checkpoint_path(&scratch, run_dir, c->commit);
    bool done = format_checkpoint(&bytes, path, c, why, why_size) &&
                buf_write_file(path, bytes.data, bytes.len, why, why_size);

    if (done)
        prune(run_dir, c->commit, keep, false);
    buf_free(&bytes);
    arena_free(&scratch);
    return done;
}

static bool refuse(const char *path, const char *what, char *why, size_t why_size) {
    snprintf(why, why_size, "%s: %s", path, what);
    return false;
}

// Whether the bytes of the file fit the hash in them. Puts the hash back afterwards.
static bool check_hash(Buf *bytes) {
    char stored[HASH_LEN], hash[RT_HASH_SIZE];

    if (bytes->len < HASH_AT + HASH_LEN ||
        memcmp(bytes->data + 8, hash_prefix, sizeof hash_prefix - 1) != 0)
        return false;
    memcpy(stored, bytes->data + HASH_AT, HASH_LEN);
    memcpy(bytes->data + HASH_AT, ZERO_HASH, HASH_LEN);
    rt_hash(hash, bytes->data, bytes->len);
    memcpy(bytes->data + HASH_AT, stored, HASH_LEN);
    return memcmp(hash, stored, HASH_LEN) == 0;
}

// Parses the JSON map that the metadata holds under `key`. NULL where it is none.
static cJSON *parse_map(const RtTensorFile *f, const char *key) {
    const char *text = rt_safetensors_find_metadata(f, key);
    cJSON *map = text ? cJSON_Parse(text) : NULL;

    if (map && !cJSON_IsObject(map)) {
        cJSON_Delete(map);
        return NULL;
    }
    return map;
}

static bool read_logs(RtCheckpoint *c) {
    cJSON *map = parse_map(&c->file, "logs");
    const cJSON *entry;
    bool done = map != NULL;
    RtLogMark *logs = arena_array(&c->file.arena, RtLogMark, cJSON_GetArraySize(map) + 1);

    cJSON_ArrayForEach(entry, map) {
        done = done && cJSON_IsNumber(entry) && entry->valuedouble >= 0 &&
               entry->valuedouble < 9e15 && !strchr(entry->string, '/');
        if (done)
            logs[c->n_logs++] = (RtLogMark){arena_strdup(&c->file.arena, entry->string),
                                            (int64_t)entry->valuedouble};
    }
    c->logs = logs;
    cJSON_Delete(map);
    return done;
}

// A map of texts as pairs, in order.
static bool read_pairs(RtCheckpoint *c, const char *key, RtPair **pairs, int *n) {
    cJSON *map = parse_map(&c->file, key);
    const cJSON *entry;
    bool done = map != NULL;

    *pairs = arena_array(&c->file.arena, RtPair, cJSON_GetArraySize(map) + 1);
    cJSON_ArrayForEach(entry, map) {
        done = done && cJSON_IsString(entry);
        if (done)
            (*pairs)[(*n)++] = (RtPair){arena_strdup(&c->file.arena, entry->string),
                                        arena_strdup(&c->file.arena, entry->valuestring)};
    }
    cJSON_Delete(map);
    return done;
}

static bool read_episodes(RtCheckpoint *c) {
    RtPair *pairs;
    int n = 0;
    bool done = read_pairs(c, "episodes", &pairs, &n);
    RtEpisodeRef *episodes = arena_array(&c->file.arena, RtEpisodeRef, n + 1);

    for (int i = 0; i < n; i++) {
        done = done && is_episode_id(pairs[i].key);
        episodes[i] = (RtEpisodeRef){pairs[i].key, pairs[i].value};
    }
    c->episodes = episodes;
    c->n_episodes = n;
    return done;
}

static bool read_contents(RtCheckpoint *c) {
    const char *format = rt_safetensors_find_metadata(&c->file, "format");
    const char *commit = rt_safetensors_find_metadata(&c->file, "commit");
    RtPair *hashes;

    if (!format || strcmp(format, format_name) != 0 || !commit)
        return false;
    c->commit = strtoll(commit, NULL, 10);
    c->cursor = rt_safetensors_find_metadata(&c->file, "cursor");
    c->tensors = c->file.tensors;
    c->n_tensors = c->file.n;
    bool done = c->cursor && read_logs(c) && read_episodes(c) &&
                read_pairs(c, "hashes", &hashes, &c->n_hashes);
    if (done)
        c->hashes = hashes;
    return done;
}

bool rt_checkpoint_read(RtCheckpoint *c, const char *path, char *why, size_t why_size) {
    Buf bytes = {0};
    bool done = buf_read_file(&bytes, path, 0, why, why_size);

    *c = (RtCheckpoint){0};
    if (done && !check_hash(&bytes))
        done =
            refuse(path, "the content does not fit its hash; the file is damaged", why, why_size);
    done = done && rt_safetensors_parse(&c->file, path, bytes.data, bytes.len, why, why_size);
    if (done && !read_contents(c))
        done = refuse(path, "the file is not a checkpoint that this version reads", why, why_size);
    buf_free(&bytes);
    if (!done)
        rt_checkpoint_close(c);
    return done;
}

// Whether everything outside the checkpoint that it refers to is there.
static bool check_references(Arena *a, const char *run_dir, const RtCheckpoint *c, char *why,
                             size_t why_size) {
    for (int i = 0; i < c->n_logs; i++) {
        char *path = arena_printf(a, "%s/%s", run_dir, c->logs[i].name);
        struct stat s;
        if (c->logs[i].offset > 0 && (stat(path, &s) != 0 || s.st_size < c->logs[i].offset))
            return refuse(path, "the log is shorter than the checkpoint says", why, why_size);
    }

    Buf bytes = {0};
    bool done = true;
    for (int i = 0; done && i < c->n_episodes; i++) {
        char *path = episode_path(a, run_dir, c->episodes[i].id), hash[RT_HASH_SIZE];
        done = buf_read_file(&bytes, path, 0, why, why_size);
        if (!done)
            break;
        rt_hash(hash, buf_text(&bytes), bytes.len);
        if (strcmp(hash, c->episodes[i].hash) != 0)
            done = refuse(path, "the episode does not fit its hash; the file is damaged", why,
                          why_size);
    }
    buf_free(&bytes);
    return done;
}

// Reads checkpoint `commit` with all that it refers to.
static bool read_good(RtCheckpoint *c, Arena *a, const char *run_dir, int64_t commit, char *why,
                      size_t why_size) {
    char *path = checkpoint_path(a, run_dir, commit);

    if (!rt_checkpoint_read(c, path, why, why_size))
        return false;
    bool done = c->commit == commit ||
                refuse(path, "the file was renamed: its commit is another", why, why_size);
    done = done && check_references(a, run_dir, c, why, why_size);
    if (!done)
        rt_checkpoint_close(c);
    return done;
}

RtFound rt_checkpoint_find_newest_good(RtCheckpoint *c, const char *run_dir, Buf *notes, char *why,
                                       size_t why_size) {
    Arena scratch = {0};
    RtFound found = RT_FOUND_NONE;
    char reason[512];
    int64_t *commits;
    int n = rt_checkpoint_list(&scratch, run_dir, &commits);

    *c = (RtCheckpoint){0};
    for (int i = n - 1; i >= 0 && found != RT_FOUND; i--) {
        if (read_good(c, &scratch, run_dir, commits[i], reason, sizeof reason))
            found = RT_FOUND;
        else if (notes)
            buf_printf(notes, "checkpoint %" PRId64 " is passed over: %s\n", commits[i], reason);
    }
    if (n == 0)
        snprintf(why, why_size,
                 "%s has no checkpoint: the run was stopped before its first commit, so nothing is "
                 "lost; train it anew",
                 run_dir);
    else if (found != RT_FOUND) {
        found = RT_FOUND_DAMAGED;
        snprintf(why, why_size, "%s: none of its %d checkpoints can be used; the oldest: %s",
                 run_dir, n, reason);
    }
    arena_free(&scratch);
    return found;
}

const char *rt_checkpoint_find_hash(const RtCheckpoint *c, const char *key) {
    for (int i = 0; i < c->n_hashes; i++) {
        if (strcmp(c->hashes[i].key, key) == 0)
            return c->hashes[i].value;
    }
    return NULL;
}

int64_t rt_checkpoint_log_offset(const RtCheckpoint *c, const char *name) {
    for (int i = 0; i < c->n_logs; i++) {
        if (strcmp(c->logs[i].name, name) == 0)
            return c->logs[i].offset;
    }
    return 0;
}

void rt_checkpoint_close(RtCheckpoint *c) {
    rt_safetensors_close(&c->file);
    *c = (RtCheckpoint){0};
}

// Whether the process that writes the temporary file is another one that lives.
static bool is_being_written(const char *name) {
    const char *mark = strstr(name, ".tmp-");
    long process = mark ? strtol(mark + 5, NULL, 10) : 0;

    return process > 0 && process != (long)getpid() &&
           (kill((pid_t)process, 0) == 0 || errno != ESRCH);
}

// Removes unfinished temporary files of `path`, and all files that `keep` does not hold where it is
// given. A `shared` folder is one that a process without the lock may be writing to.
static bool remove_files(Arena *a, const char *path, const Map *keep, bool shared, char *why,
                         size_t why_size) {
    DIR *folder = opendir(path);
    bool done = true;

    if (!folder)
        return errno == ENOENT || refuse(path, strerror(errno), why, why_size);
    for (struct dirent *d = readdir(folder); d && done; d = readdir(folder)) {
        bool drop = strstr(d->d_name, ".tmp-") || (keep && !map_has(keep, d->d_name));
        drop = drop && !(shared && is_being_written(d->d_name));
        char *file = arena_printf(a, "%s/%s", path, d->d_name);
        struct stat s;
        if (drop && lstat(file, &s) == 0 && !S_ISDIR(s.st_mode) && unlink(file) != 0)
            done = refuse(file, strerror(errno), why, why_size);
    }
    closedir(folder);
    return done;
}

bool rt_checkpoint_clean(const char *run_dir, const RtCheckpoint *c, int keep, char *why,
                         size_t why_size) {
    Arena a = {0};
    Map episodes = {0};
    int there = 1;

    for (int i = 0; i < c->n_episodes; i++)
        map_put(&episodes, &a, arena_printf(&a, "%s%s", c->episodes[i].id, safetensors), &there);
    bool done =
        remove_files(&a, run_dir, NULL, false, why, why_size) &&
        remove_files(&a, arena_printf(&a, "%s/eval", run_dir), NULL, true, why, why_size) &&
        remove_files(&a, arena_printf(&a, "%s/checkpoints", run_dir), NULL, false, why, why_size) &&
        remove_files(&a, arena_printf(&a, "%s/episodes", run_dir), &episodes, false, why, why_size);
    if (done)
        prune(run_dir, c->commit, keep, true);
    arena_free(&a);
    return done;
}

// Whether an episode file that is already there may stand for the one to be written.
static bool check_existing(const char *path, const char *hash, bool *equal, char *why,
                           size_t why_size) {
    Buf bytes = {0};
    char old[RT_HASH_SIZE];

    *equal = false;
    if (access(path, F_OK) != 0)
        return true;
    bool done = buf_read_file(&bytes, path, 0, why, why_size);
    if (done) {
        rt_hash(old, buf_text(&bytes), bytes.len);
        *equal = strcmp(old, hash) == 0;
        done = *equal || refuse(path, "an episode of this name with other content is already there",
                                why, why_size);
    }
    buf_free(&bytes);
    return done;
}

bool rt_episode_write(const char *run_dir, const char *id, const RtTensor *tensors, int n,
                      const RtPair *metadata, int n_metadata, char hash[RT_HASH_SIZE], char *why,
                      size_t why_size) {
    Arena scratch = {0};
    Buf bytes = {0};
    char *path = episode_path(&scratch, run_dir, id);
    bool equal = false;
    bool done =
        is_episode_id(id) ||
        refuse(path, "an episode needs a name of letters, digits, '-', '_' and '.'", why, why_size);

    done = done &&
           rt_safetensors_format(&bytes, path, tensors, n, metadata, n_metadata, why, why_size);
    if (done) {
        rt_hash(hash, bytes.data, bytes.len);
        done = check_existing(path, hash, &equal, why, why_size);
    }
    if (done && !equal)
        done = buf_write_file(path, bytes.data, bytes.len, why, why_size);
    buf_free(&bytes);
    arena_free(&scratch);
    return done;
}

bool rt_episode_read(RtTensorFile *f, const char *run_dir, const char *id, const char *hash,
                     char *why, size_t why_size) {
    Arena scratch = {0};
    char *path = episode_path(&scratch, run_dir, id), found[RT_HASH_SIZE];
    bool done = rt_safetensors_read(f, path, why, why_size);

    if (done && hash) {
        rt_hash(found, f->bytes.data, f->bytes.len);
        if (strcmp(found, hash) != 0) {
            done = refuse(path, "the episode does not fit its hash; the file is damaged", why,
                          why_size);
            rt_safetensors_close(f);
        }
    }
    arena_free(&scratch);
    return done;
}
