#include "generator/base/process.h"
#include "generator/commands/cache_folder.h"
#include "generator/commands/commands.h"
#include "generator/commands/report.h"
#include "generator/compile/cuda_tool.h"
#include "generator/model/names.h"
#include "generator/pipeline/pipeline.h"
#include "runtime/backend/backend.h"

#include <string.h>

// One thing that was looked for.
struct finding {
    const char *name;
    bool there;
    const char *what; // what is there, or why not
    const char *cost; // of its absence; NULL where it is there
};

struct doctor {
    struct arena *arena;
    struct value *findings;
    int usable_compilers;
};

static void add(struct doctor *doctor, struct finding finding) {
    struct arena *arena = doctor->arena;
    struct value *row = value_table(arena);
    value_table_set(arena, row, "name", value_string(arena, finding.name));
    value_table_set(arena, row, "there", value_boolean(arena, finding.there));
    value_table_set(arena, row, "what", value_string(arena, finding.what));
    if (!finding.there && finding.cost)
        value_table_set(arena, row, "cost", value_string(arena, finding.cost));
    value_list_add(arena, doctor->findings, row);
}

// Asks the worker for the compiler of each target.
static void look_for_compilers(struct doctor *doctor, const struct installation *installation) {
    struct diagnostics trouble = {0};
    struct script *script = script_open(script_default_limits(), &trouble);
    struct override_list none = {0};
    size_t count = 0;
    const char *const *names = names_in(
        doctor->arena, arena_format(doctor->arena, "%s/targets", installation->specs), &count);
    for (size_t i = 0; script && i < count; i++) {
        struct target target = {0};
        char line[1024];
        if (!target_load(script, installation->specs, names[i], &none, doctor->arena, &target,
                         &trouble))
            continue;
        const bool usable = compile_probe(target.compiler, target.isa, NULL, line, sizeof line);
        doctor->usable_compilers += usable;
        add(doctor,
            (struct finding){arena_format(doctor->arena, "compiler for %s", target.name), usable,
                             arena_format(doctor->arena, "%s: %s", target.compiler, line),
                             arena_format(doctor->arena, "no kernel for target %s can be compiled",
                                          target.name)});
    }
    script_close(script);
    diagnostics_close(&trouble);
}

static void look_for_devices(struct doctor *doctor) {
    for (size_t i = 0; backends[i]; i++) {
        char line[1024];
        const bool usable = backends[i]->probe(NULL, line, sizeof line);
        add(doctor, (struct finding){arena_format(doctor->arena, "device %s", backends[i]->name),
                                     usable, arena_string(doctor->arena, line),
                                     "such kernels can be generated here, not run; --device host "
                                     "runs the host build of the same spec"});
    }
}

static void look_for_objdump(struct doctor *doctor) {
    const char *const arguments[] = {"objdump", "--version", NULL};
    struct process_result result = {0};
    process_run(&(struct process_request){.arguments = arguments,
                                          .output_bytes_max = 1 << 20,
                                          .timeout_seconds = 10},
                &result);
    const bool there = result.end == PROCESS_EXITED && result.code == 0 && result.output.length;
    char line[256];
    if (there)
        snprintf(line, sizeof line, "%.*s", (int)strcspn(result.output.bytes, "\n"),
                 result.output.bytes);
    else
        process_describe(&result, line, sizeof line);
    add(doctor, (struct finding){"objdump", there,
                                 there ? arena_string(doctor->arena, line)
                                       : arena_format(doctor->arena, "objdump %s", line),
                                 "host kernels come without an ISA listing (package binutils)"});
    process_result_close(&result);
}

static void look_for_nvdisasm(struct doctor *doctor) {
    char path[4096];
    const bool there = cuda_tool_find("nvdisasm", path, sizeof path);
    add(doctor, (struct finding){"nvdisasm", there,
                                 there ? arena_string(doctor->arena, path)
                                       : "nvdisasm is not in " CUDA_TOOL_PLACES,
                                 "kernels for NVIDIA GPUs come without an ISA listing (package "
                                 "cuda-nvdisasm of the CUDA toolkit)"});
}

static void look_at_cache(struct doctor *doctor) {
    char problem[512];
    const char *folder = cache_folder_find(NULL, doctor->arena, problem, sizeof problem);
    const bool usable = folder && !problem[0];
    add(doctor, (struct finding){
                    "cache folder", usable, usable ? folder : arena_string(doctor->arena, problem),
                    "what it does not hold yet is compiled at every run; --cache DIR names another "
                    "folder"});
}

static void print_findings(const struct value *findings) {
    for (size_t i = 0; i < findings->list.count; i++) {
        const struct value *row = findings->list.items[i], *cost = value_get(row, "cost");
        const int left = printf("%-3s  %-20s  ", value_get(row, "there")->boolean ? "yes" : "no",
                                value_get(row, "name")->string);
        report_wrapped(stdout, value_get(row, "what")->string, left, left);
        if (cost) {
            const int column = printf("%*scosts:", left, "");
            report_wrapped(stdout, cost->string, left, column);
        }
    }
}

bool doctor_command(const struct command_line *line, struct diagnostics *diagnostics) {
    struct arena arena = {0};
    struct installation installation;
    struct doctor doctor = {.arena = &arena, .findings = value_list(&arena)};
    const bool installed = installation_find(&arena, &installation, diagnostics);
    if (installed)
        look_for_compilers(&doctor, &installation);
    look_for_devices(&doctor);
    look_for_objdump(&doctor);
    look_for_nvdisasm(&doctor);
    look_at_cache(&doctor);
    struct value *all = value_table(&arena);
    value_table_set(&arena, all, "findings", doctor.findings);
    if (line->json)
        report_value(all, true);
    else
        print_findings(doctor.findings);
    const bool able = doctor.usable_compilers > 0;
    arena_close(&arena);
    return installed && (able || environment_error(diagnostics, "there is no compiler: nothing can "
                                                                "be generated"));
}
