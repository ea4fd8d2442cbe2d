#include "generator/compile/cache.h"

#include "generator/base/file.h"
#include "generator/compile/message.h"
#include "generator/compile/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// Entries live in FOLDER/compiled/DIGEST/, next to entries being written, PARTIAL_PREFIX*.
static const char SUBFOLDER[] = "compiled";
static const char PARTIAL_PREFIX[] = ".partial-";
static const char INDEX[] = "index";
enum { PART_COUNT = 3, STALE_SECONDS = 3600 };
static const size_t FILE_BYTES_MAX = (size_t)1 << 30;

// The files of an entry besides its index.
struct part {
    const char *name;
    struct text *text;
};

static void parts_of(struct compile_result *result, struct part parts[PART_COUNT]) {
    parts[0] = (struct part){"object", &result->object};
    parts[1] = (struct part){"log", &result->log};
    parts[2] = (struct part){"listing", &result->listing};
}

static void add_facts(struct text *text, const struct compile_result *result) {
    message_add_string(text, "version", result->compiler_version);
#define KERNEL_RESOURCE(name, meaning) message_add_long(text, #name, result->resources.name);
#include "generator/compile/resources.def"
#undef KERNEL_RESOURCE
}

// Over the facts, and over the files with their names and lengths.
static void digest_entry(struct compile_result *result, char digest[DIGEST_TEXT_BYTES]) {
    struct part parts[PART_COUNT];
    struct sha256_ctx context;
    struct text facts = {0};
    unsigned char hash[SHA256_DIGEST_SIZE];
    parts_of(result, parts);
    add_facts(&facts, result);
    for (size_t i = 0; i < PART_COUNT; i++)
        text_format(&facts, "%s %zu\n", parts[i].name, parts[i].text->length);
    sha256_init(&context);
    sha256_update(&context, facts.length, (const unsigned char *)facts.bytes);
    for (size_t i = 0; i < PART_COUNT; i++)
        if (parts[i].text->length)
            sha256_update(&context, parts[i].text->length,
                          (const unsigned char *)parts[i].text->bytes);
    sha256_digest(&context, sizeof hash, hash);
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(digest + 2 * i, 3, "%02x", hash[i]);
    text_close(&facts);
}

static bool path_of(char path[SCRATCH_PATH_BYTES], const char *folder, const char *name) {
    if (snprintf(path, SCRATCH_PATH_BYTES, "%s/%s", folder, name) < SCRATCH_PATH_BYTES)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

static bool read_file(const char *folder, const char *name, struct text *text) {
    char path[SCRATCH_PATH_BYTES], bytes[65536];
    if (!path_of(path, folder, name))
        return false;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return false;
    ssize_t got = 0;
    while ((got = read(file, bytes, sizeof bytes)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || text->length > FILE_BYTES_MAX)
            break;
        text_append_bytes(text, bytes, (size_t)got);
    }
    close(file);
    return got == 0;
}

static bool write_file(const char *folder, const char *name, const struct text *text) {
    char path[SCRATCH_PATH_BYTES];
    if (!path_of(path, folder, name))
        return false;
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0)
        return false;
    size_t written = 0;
    while (written < text->length) {
        ssize_t wrote = write(file, text->bytes + written, text->length - written);
        if (wrote < 0 && errno != EINTR) {
            int reason = errno;
            close(file);
            errno = reason;
            return false;
        }
        written += wrote > 0 ? (size_t)wrote : 0;
    }
    return close(file) == 0;
}

// What the index of an entry with this result says.
static void print_index(struct compile_result *result, struct text *index) {
    char digest[DIGEST_TEXT_BYTES];
    digest_entry(result, digest);
    message_begin(index);
    add_facts(index, result);
    message_add_string(index, "digest", digest);
    message_end(index);
}

// Fills *result from the entry. An entry is sound when its index, byte for byte, is the one that
// its files and facts give.
static bool read_entry(const char *entry, struct compile_result *result) {
    struct part parts[PART_COUNT];
    struct text index = {0}, parsed = {0}, expected = {0};
    struct message message;
    parts_of(result, parts);
    bool sound = read_file(entry, INDEX, &index);
    if (sound) {
        text_append_bytes(&parsed, index.bytes, index.length);
        sound = message_parse(parsed.bytes, parsed.length, &message);
    }
    for (size_t i = 0; i < PART_COUNT && sound; i++)
        sound = read_file(entry, parts[i].name, parts[i].text);
    if (sound) {
        snprintf(result->compiler_version, sizeof result->compiler_version, "%s",
                 message_string(&message, "version"));
#define KERNEL_RESOURCE(name, meaning) result->resources.name = message_long(&message, #name);
#include "generator/compile/resources.def"
#undef KERNEL_RESOURCE
        print_index(result, &expected);
        sound = expected.length == index.length &&
                memcmp(expected.bytes, index.bytes, index.length) == 0;
    }
    text_close(&index);
    text_close(&parsed);
    text_close(&expected);
    return sound;
}

bool cache_load(const char *folder, const char digest[DIGEST_TEXT_BYTES],
                struct compile_result *result) {
    char entries[SCRATCH_PATH_BYTES], entry[SCRATCH_PATH_BYTES];
    struct compile_result candidate = {0};
    if (!path_of(entries, folder, SUBFOLDER) || !path_of(entry, entries, digest) ||
        !read_entry(entry, &candidate)) {
        compile_result_close(&candidate);
        return false;
    }
    compile_result_close(result);
    *result = candidate;
    return true;
}

// Removes what writers left that were killed long ago.
static void sweep(const char *entries) {
    DIR *open_folder = opendir(entries);
    if (!open_folder)
        return;
    for (struct dirent *item; (item = readdir(open_folder));) {
        char path[SCRATCH_PATH_BYTES];
        struct stat status;
        if (strncmp(item->d_name, PARTIAL_PREFIX, strlen(PARTIAL_PREFIX)) == 0 &&
            path_of(path, entries, item->d_name) && lstat(path, &status) == 0 &&
            time(NULL) - status.st_mtime > STALE_SECONDS)
            scratch_remove(path);
    }
    closedir(open_folder);
}

static bool write_entry(const char *partial, struct compile_result *result) {
    struct part parts[PART_COUNT];
    struct text index = {0};
    parts_of(result, parts);
    print_index(result, &index);
    bool written = chmod(partial, 0755) == 0 && write_file(partial, INDEX, &index);
    for (size_t i = 0; i < PART_COUNT && written; i++)
        written = write_file(partial, parts[i].name, parts[i].text);
    int reason = errno;
    text_close(&index);
    errno = reason;
    return written;
}

// Renames the whole entry into place. What is there already is damaged (or cache_load had found it)
// or was put there just now by another process, whose entry is as good as ours.
static bool put_in_place(const char *entries, const char *partial, const char *entry) {
    if (rename(partial, entry) == 0)
        return true;
    if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
        return false;
    char aside[SCRATCH_PATH_BYTES];
    if (!scratch_make(entries, PARTIAL_PREFIX, aside))
        return false;
    rmdir(aside); // a name of our own
    // ENOENT: another process has just moved the old one aside.
    bool moved = (rename(entry, aside) == 0 || errno == ENOENT) && rename(partial, entry) == 0;
    int reason = errno;
    unlink(aside); // where it was a file
    scratch_remove(aside);
    errno = reason;
    return moved || reason == ENOTEMPTY || reason == EEXIST;
}

void cache_store(const char *folder, const char digest[DIGEST_TEXT_BYTES],
                 struct compile_result *result) {
    char entries[SCRATCH_PATH_BYTES], entry[SCRATCH_PATH_BYTES], partial[SCRATCH_PATH_BYTES];
    bool made = path_of(entries, folder, SUBFOLDER) && path_of(entry, entries, digest);
    struct diagnostics ignored = {0}; // its reason is errno's too
    if (made && !folder_make(entries, &ignored))
        made = false;
    diagnostics_close(&ignored);
    if (made)
        sweep(entries);
    if (!made || !scratch_make(entries, PARTIAL_PREFIX, partial)) {
        snprintf(result->cache_note, sizeof result->cache_note,
                 "the compiled kernel was not cached: cannot write in %.150s", folder);
        return;
    }
    if (!write_entry(partial, result) || !put_in_place(entries, partial, entry))
        snprintf(result->cache_note, sizeof result->cache_note,
                 "the compiled kernel was not cached in %.100s: %s", folder, strerror(errno));
    scratch_remove(partial);
}
