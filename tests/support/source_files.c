#include "tests/support/source_files.h"

#include "generator/base/file.h"
#include "generator/base/text.h"
#include "tests/support/printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static bool ends_in(const char *name, const char *const *endings) {
    for (int i = 0; endings && endings[i]; i++) {
        const size_t length = strlen(name), ending = strlen(endings[i]);
        if (length > ending && strcmp(name + length - ending, endings[i]) == 0)
            return true;
    }
    return !endings;
}

static void visit_file(const char *path,
                       void (*visit)(void *context, const char *path, const char *text),
                       void *context) {
    struct arena arena = {0};
    struct diagnostics trouble = {0};
    size_t length = 0;
    const char *text = file_read(&arena, path, (size_t)64 << 20, &length, &trouble);
    if (!text)
        fail_msg("%s", printed_diagnostics(&trouble));
    visit(context, path, text);
    diagnostics_close(&trouble);
    arena_close(&arena);
}

int source_files(const char *folder, const char *const *endings,
                 void (*visit)(void *context, const char *path, const char *text), void *context) {
    struct dirent **entries = NULL;
    const int count = scandir(folder, &entries, NULL, alphasort);
    if (count < 0)
        fail_msg("there is no folder %s", folder);
    int files = 0;
    for (int i = 0; i < count; i++) {
        struct arena arena = {0};
        const char *name = entries[i]->d_name;
        const char *path = arena_format(&arena, "%s/%s", folder, name);
        if (name[0] != '.' && folder_exists(path)) {
            files += source_files(path, endings, visit, context);
        } else if (name[0] != '.' && file_exists(path) && ends_in(name, endings)) {
            visit_file(path, visit, context);
            files++;
        }
        arena_close(&arena);
        free(entries[i]);
    }
    free(entries);
    return files;
}

void source_lines(const char *path, const char *text,
                  void (*visit)(const char *path, int number, const char *line)) {
    struct text line = {0};
    for (int number = 1; *text; number++) {
        const size_t length = strcspn(text, "\n");
        text_clear(&line);
        text_append_bytes(&line, text, length);
        visit(path, number, line.bytes ? line.bytes : "");
        text += length + (text[length] == '\n');
    }
    text_close(&line);
}
