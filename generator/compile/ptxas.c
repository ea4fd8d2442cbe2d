#include "generator/compile/ptxas.h"

#include <elf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REGISTER_BYTES = 4, LINE_BYTES = 512 };

// The number before `unit` in the line: 12 of "Used 12 registers, used 1 barriers". -1: none.
static long number_before(const char *line, const char *unit) {
    for (const char *at = strstr(line, unit); at; at = strstr(at + 1, unit)) {
        const char *digits = at;
        while (digits > line && digits[-1] >= '0' && digits[-1] <= '9')
            digits--;
        if (digits < at)
            return strtol(digits, NULL, 10);
    }
    return -1;
}

// Copies the line at `text` and returns what follows it.
static const char *take_line(const char *text, char line[LINE_BYTES]) {
    size_t length = strcspn(text, "\n");
    snprintf(line, LINE_BYTES, "%.*s", (int)(length < LINE_BYTES ? length : LINE_BYTES - 1), text);
    return text + length + (text[length] == '\n');
}

static void take_stack(const char *line, struct kernel_resources *resources) {
    long frame = number_before(line, " bytes stack frame");
    long stored = number_before(line, " bytes spill stores");
    long loaded = number_before(line, " bytes spill loads");
    long spilled = stored > loaded ? stored : loaded;
    if (frame >= 0)
        resources->scratch_bytes = frame;
    if (spilled >= 0)
        resources->vgpr_spills = (spilled + REGISTER_BYTES - 1) / REGISTER_BYTES;
}

// In the log, the lines of an entry function follow "Compiling entry function 'NAME'"; among them,
// "Function properties for NAME" stands before its stack, and before that of functions it calls.
void ptxas_read(const char *log, const char *kernel, struct kernel_resources *resources) {
    char line[LINE_BYTES], entry[LINE_BYTES], properties[LINE_BYTES];
    snprintf(entry, sizeof entry, "Compiling entry function '%s'", kernel);
    snprintf(properties, sizeof properties, "Function properties for %s", kernel);
    bool in_entry = false, in_properties = false;
    while (*log) {
        log = take_line(log, line);
        if (strstr(line, "Compiling entry function '")) {
            in_entry = strstr(line, entry) != NULL;
            in_properties = false;
        } else if (in_entry && strstr(line, "Function properties for ")) {
            const char *found = strstr(line, properties);
            in_properties = found && strlen(found) == strlen(properties);
        } else if (in_entry && strstr(line, "Used ") && number_before(line, " registers") >= 0) {
            long lds_bytes = number_before(line, " bytes smem");
            resources->vgpr = number_before(line, " registers");
            resources->lds_bytes =
                lds_bytes >= 0 ? lds_bytes : 0; // where there is none it is not told
        } else if (in_properties && strstr(line, " bytes stack frame")) {
            take_stack(line, resources);
            in_properties = false;
        }
    }
}

void ptxas_strip_times(struct text *log) {
    struct text kept = {0};
    for (const char *line = log->bytes ? log->bytes : ""; *line;) {
        size_t length = strcspn(line, "\n");
        const char *time = strstr(line, "Compile time = ");
        if (strncmp(line, "ptxas info", 10) != 0 || !time || time >= line + length)
            text_append_bytes(&kept, line, length + (line[length] == '\n'));
        line += length + (line[length] == '\n');
    }
    text_close(log);
    *log = kept;
}

// The machine code of a kernel is the section ".text.NAME".
long cubin_code_bytes(const char *cubin, size_t length, const char *kernel) {
    static const char prefix[] = ".text.";
    Elf64_Ehdr header;
    Elf64_Shdr names, section;
    if (length < sizeof header)
        return -1;
    memcpy(&header, cubin, sizeof header);
    size_t table_bytes = header.e_shnum * sizeof section;
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_shentsize != sizeof section ||
        header.e_shstrndx >= header.e_shnum || table_bytes > length ||
        header.e_shoff > length - table_bytes)
        return -1;
    memcpy(&names, cubin + header.e_shoff + header.e_shstrndx * sizeof names, sizeof names);
    if (names.sh_size > length || names.sh_offset > length - names.sh_size)
        return -1;
    const char *name_bytes = cubin + names.sh_offset;
    for (size_t i = 0; i < header.e_shnum; i++) {
        memcpy(&section, cubin + header.e_shoff + i * sizeof section, sizeof section);
        size_t room = section.sh_name < names.sh_size ? names.sh_size - section.sh_name : 0;
        const char *name = name_bytes + section.sh_name;
        size_t wanted = sizeof prefix - 1 + strlen(kernel) + 1; // with the zero byte
        if (room >= wanted && memcmp(name, prefix, sizeof prefix - 1) == 0 &&
            memcmp(name + sizeof prefix - 1, kernel, strlen(kernel) + 1) == 0)
            return section.sh_size <= LONG_MAX ? (long)section.sh_size : -1;
    }
    return -1;
}
