#include "tests/support/kernel_folder.h"

#include "tests/runtime/fake_kernel.h"
#include "tests/support/printed.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// Three CUs; packed rows that no part fills, columns beyond the last unit, slices of one tensor and
// of its bias that interleave, a CU without a tile, and the head's tensor again as plain rows.
static const char MANIFEST[] =
    "{'format': 2, 'generator': 'a test', 'plan': 'abc',"
    " 'model': {'name': 'fake', 'vocab': 2048, 'context': 64, 'layers': 1, 'bos': [0], 'eos': [1]},"
    " 'target': {'name': 'host', 'backend': 'host', 'isa': 'native', 'cus': 3, 'xcds': 1},"
    " 'kernel': {'object': 'fake_kernel.so', 'symbol': 'fake_echo', 'workgroups': 4,"
    "   'threads_per_workgroup': 1, 'lds_bytes': 0, 'epochs_per_step': 5, 'arguments': []},"
    " 'memory': {'weights_bytes': 4416, 'vectors_bytes': 224, 'kv_bytes': 256,"
    "            'mailbox_pairs': 32},"
    " 'kv': {'dtype': 'fp32', 'head_dim': 1, 'row_elements': 1, 'splits': 1, 'block': 16,"
    "        'split_positions': 64},"
    " 'ropes': [{'rows': 64, 'inverse_frequencies': [1.0, 0.01], 'amplitude': 1.0},"
    "           {'rows': 65, 'inverse_frequencies': [0.5], 'amplitude': 2.0}],"
    " 'partitions': [{'name': 'even', 'first_tile': [0, 2, 3, 4]},"
    "                {'name': 'uneven', 'first_tile': [0, 3, 3, 5]}],"
    " 'weights': {'dtype': 'bf16', 'unit_order': 'rows', 'regions': ["
    "   {'name': 'layers', 'offset': 0, 'bytes': 1344, 'layout': 'tiles', 'stages': ["
    "     {'step': 1, 'name': 'qkv', 'layer': 0, 'tiles': 4, 'tile_rows': 4, 'columns': 10,"
    "      'unit_columns': 4, 'partition': 'even', 'parts': ["
    "        {'tensor': 'q', 'tensor_rows': 8, 'tensor_first': 0, 'rows': 8, 'first': 0,"
    "         'stride': 1},"
    "        {'tensor': 'k', 'tensor_rows': 4, 'tensor_first': 0, 'rows': 4, 'first': 8,"
    "         'stride': 1},"
    "        {'tensor': 'v', 'tensor_rows': 2, 'tensor_first': 0, 'rows': 2, 'first': 12,"
    "         'stride': 1}]},"
    "     {'step': 2, 'name': 'gate_up', 'layer': 0, 'tiles': 5, 'tile_rows': 6, 'columns': 16,"
    "      'unit_columns': 16, 'partition': 'uneven', 'parts': ["
    "        {'tensor': 'gate_up', 'tensor_rows': 30, 'tensor_first': 0, 'rows': 15, 'first': 0,"
    "         'stride': 2},"
    "        {'tensor': 'gate_up', 'tensor_rows': 30, 'tensor_first': 15, 'rows': 15, 'first': 1,"
    "         'stride': 2}]}]},"
    "   {'name': 'head', 'offset': 1344, 'bytes': 1536, 'layout': 'tiles', 'stages': ["
    "     {'step': 3, 'name': 'head', 'layer': -1, 'tiles': 4, 'tile_rows': 16, 'columns': 12,"
    "      'unit_columns': 6, 'partition': 'even', 'parts': ["
    "        {'tensor': 'embedding', 'tensor_rows': 64, 'tensor_first': 0, 'rows': 64, 'first': 0,"
    "         'stride': 1}]}]},"
    "   {'name': 'embedding', 'offset': 2880, 'bytes': 1536, 'layout': 'rows',"
    "    'tensor': 'embedding', 'rows': 64, 'columns': 12}]},"
    " 'vectors': [{'tensor': 'norm', 'holds': 'norm', 'tensor_elements': 10, 'tensor_first': 0,"
    "              'offset': 0, 'elements': 10, 'first': 0, 'stride': 1, 'add': 0.0},"
    "             {'tensor': 'norm1', 'holds': 'norm', 'tensor_elements': 12, 'tensor_first': 0,"
    "              'offset': 48, 'elements': 12, 'first': 0, 'stride': 1, 'add': 1.0},"
    "             {'tensor': 'bias', 'holds': 'bias', 'tensor_elements': 30, 'tensor_first': 0,"
    "              'offset': 96, 'elements': 15, 'first': 0, 'stride': 2, 'add': 0.0},"
    "             {'tensor': 'bias', 'holds': 'bias', 'tensor_elements': 30, 'tensor_first': 15,"
    "              'offset': 96, 'elements': 15, 'first': 1, 'stride': 2, 'add': 0.0}],"
    " 'steps': [{'step': 0, 'name': 'embed', 'layer': -1},"
    "           {'step': 1, 'name': 'qkv', 'layer': 0},"
    "           {'step': 2, 'name': 'gate_up', 'layer': 0},"
    "           {'step': 3, 'name': 'head', 'layer': -1}],"
    " 'mailboxes': [{'name': 'hidden', 'first_pair': 0, 'pairs': 16},"
    "               {'name': 'qkv', 'first_pair': 16, 'pairs': 16}]}";

static json_t *parse(const char *text) {
    json_error_t problem;
    json_t *json = json_loads(text, JSON_DECODE_ANY, &problem);
    if (!json)
        fail_msg("%s in: %s", problem.text, text);
    return json;
}

static json_t *good_manifest(void) {
    char text[sizeof MANIFEST];
    for (size_t i = 0; i < sizeof MANIFEST; i++)
        text[i] = MANIFEST[i] == '\'' ? '"' : MANIFEST[i];
    json_t *manifest = parse(text);
    json_t *arguments = json_object_get(json_object_get(manifest, "kernel"), "arguments");
#define KERNEL_ARGUMENT(type, name, bytes)                                                         \
    json_array_append_new(arguments, json_pack("{s:s,s:i}", "name", #name, "bytes", bytes));
#include "runtime/kernel_arguments.def"
#undef KERNEL_ARGUMENT
    return manifest;
}

// Puts the fake kernel, which the Makefile builds beside the tests of the runtime, into the folder.
static void link_kernel(const struct kernel_folder *folder) {
    char program[PATH_MAX], from[PATH_MAX + 64], to[PATH_MAX + 64];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    assert_true(length > 0);
    program[length] = '\0';
    char *tests = strstr(program, "/tests/runtime/");
    assert_non_null(tests);
    *tests = '\0';
    snprintf(from, sizeof from, "%s/tests/runtime/fake_kernel.so", program);
    snprintf(to, sizeof to, "%s/fake_kernel.so", folder->path);
    assert_int_equal(symlink(from, to), 0);
}

int kernel_folder_open(void **state) {
    struct kernel_folder *folder = calloc(1, sizeof *folder);
    if (!folder)
        return -1;
    *state = folder;
    snprintf(folder->path, sizeof folder->path, "%s/kernel.XXXXXX", temporary_folder());
    if (!mkdtemp(folder->path))
        return -1;
    folder->manifest = good_manifest();
    link_kernel(folder);
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

int kernel_folder_close(void **state) {
    struct kernel_folder *folder = *state;
    int removed = nftw(folder->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    json_decref(folder->manifest);
    free(folder);
    return removed;
}

// Walks to the parent of the path's last part, which goes to `last` [64]: a key, or "[2]".
static json_t *find_parent(json_t *json, const char *path, char last[64]) {
    const char *part = path;
    for (;;) {
        size_t length = part[0] == '[' ? strcspn(part, "]") + 1 : strcspn(part, ".[");
        assert_true(length < 64);
        memcpy(last, part, length);
        last[length] = '\0';
        part += length;
        if (*part == '\0')
            return json;
        json = last[0] == '[' ? json_array_get(json, strtoul(last + 1, NULL, 10))
                              : json_object_get(json, last);
        if (!json)
            fail_msg("no \"%s\" in %s", last, path);
        if (*part == '.')
            part++;
    }
}

json_t *kernel_folder_at(const struct kernel_folder *folder, const char *path) {
    char last[64];
    json_t *parent = find_parent(folder->manifest, path, last);
    json_t *node = last[0] == '[' ? json_array_get(parent, strtoul(last + 1, NULL, 10))
                                  : json_object_get(parent, last);
    if (!node)
        fail_msg("no %s", path);
    return node;
}

void kernel_folder_set(struct kernel_folder *folder, const char *path, const char *json) {
    char last[64];
    json_t *parent = find_parent(folder->manifest, path, last);
    int failed = last[0] == '['
                     ? json_array_set_new(parent, strtoul(last + 1, NULL, 10), parse(json))
                     : json_object_set_new(parent, last, parse(json));
    if (failed)
        fail_msg("cannot set %s", path);
}

void kernel_folder_set_integer(struct kernel_folder *folder, const char *path, long long value) {
    char text[32];
    snprintf(text, sizeof text, "%lld", value);
    kernel_folder_set(folder, path, text);
}

void kernel_folder_write_manifest(const struct kernel_folder *folder) {
    char *text = json_dumps(folder->manifest, 0);
    assert_non_null(text);
    kernel_folder_write(folder, "7-manifest.json", text, strlen(text));
    free(text);
}

void kernel_folder_write(const struct kernel_folder *folder, const char *name, const void *contents,
                         size_t bytes) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(contents, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

void kernel_folder_write_tensors(const struct kernel_folder *folder, const char *name,
                                 const struct tensor_to_write *tensors, size_t count) {
    json_t *header = json_object();
    size_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        json_t *entry = json_pack("{s:s,s:o,s:[I,I]}", "dtype", tensors[i].dtype, "shape",
                                  parse(tensors[i].shape), "data_offsets", (json_int_t)offset,
                                  (json_int_t)(offset + tensors[i].bytes));
        assert_int_equal(json_object_set_new(header, tensors[i].name, entry), 0);
        offset += tensors[i].bytes;
    }
    char *text = json_dumps(header, 0);
    assert_non_null(text);
    uint64_t header_bytes = strlen(text);
    size_t bytes = 8 + header_bytes + offset;
    unsigned char *file = malloc(bytes);
    assert_non_null(file);
    memcpy(file, &header_bytes, 8);
    memcpy(file + 8, text, header_bytes);
    unsigned char *data = file + 8 + header_bytes;
    for (size_t i = 0; i < count; i++) {
        memcpy(data, tensors[i].data, tensors[i].bytes);
        data += tensors[i].bytes;
    }
    kernel_folder_write(folder, name, file, bytes);
    free(file);
    free(text);
    json_decref(header);
}

void kernel_folder_expect_error(const struct kernel_folder *folder, enum monogen_status status,
                                const char *part) {
    if (folder->error.status != status || !strstr(folder->error.message, part))
        fail_msg("expected status %d and \"%s\", got %d: %s", (int)status, part,
                 (int)folder->error.status, folder->error.message);
}
