#include "runtime/processors.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

int processors_count(void) {
    cpu_set_t processors;
    if (sched_getaffinity(0, sizeof processors, &processors) != 0)
        return 1;
    const int count = CPU_COUNT(&processors);
    return count > 0 ? count : 1;
}

// The value of a line "key : value" of /proc/cpuinfo, where it is that key; else NULL. Ends the
// line behind the value.
static const char *value_of(char *line, const char *key) {
    const size_t length = strlen(key);
    const char *colon =
        strncmp(line, key, length) == 0 ? line + length + strspn(line + length, " \t") : line;
    if (*colon != ':')
        return NULL;
    line[strcspn(line, "\n")] = '\0';
    return colon + 1 + strspn(colon + 1, " \t");
}

void processors_name(char *name, size_t bytes) {
    struct utsname system;
    char model[128] = "", family[16] = "", number[16] = "";
    const struct {
        const char *key;
        char *text;
        size_t bytes;
    } wanted[] = {{"model name", model, sizeof model},
                  {"cpu family", family, sizeof family},
                  {"model", number, sizeof number}};
    FILE *file = fopen("/proc/cpuinfo", "r");
    char *line = NULL;
    size_t capacity = 0;
    while (file && getline(&line, &capacity, file) > 0 && line[0] != '\n') // of the first one
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
            const char *value = value_of(line, wanted[i].key);
            if (value)
                snprintf(wanted[i].text, wanted[i].bytes, "%s", value);
        }
    free(line);
    if (file)
        fclose(file);
    if (!model[0])
        snprintf(model, sizeof model, "%s", uname(&system) == 0 ? system.machine : "processor");
    if (family[0] && number[0])
        snprintf(name, bytes, "%s (family %s model %s)", model, family, number);
    else
        snprintf(name, bytes, "%s", model);
}
