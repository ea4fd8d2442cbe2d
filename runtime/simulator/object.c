#include "runtime/simulator/object.h"

#include "runtime/file_map.h"
#include "runtime/simulator/object_parts.h"

#include <elf.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// LLVM AMDGPUUsage, "ELF Code Object" and "Code Object Kernel Descriptor".
enum {
    OSABI_AMDGPU_HSA = 64,
    ABI_VERSION_V4 = 2, // ELFABIVERSION_AMDGPU_HSA_V4; V5 is the next
    ABI_VERSION_V5 = 3,
    NOTE_METADATA = 32, // NT_AMDGPU_METADATA
    DESCRIPTOR_BYTES = 64,
    PAGE_BYTES = 4096
};
#define MAX_OBJECT_BYTES ((size_t)1 << 30)
#define MAX_MEMORY_BYTES ((uint64_t)1 << 32)

bool object_fail(const struct object_source *source, const char *format, ...) {
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return monogen_fail(source->error, MONOGEN_BAD_INPUT, "%s: %s", source->name, message);
}

// ---- the file -----------------------------------------------------------------------------------

struct reading {
    struct object *object;
    struct object_source source;
    Elf64_Ehdr header;
};

static bool is_within(const struct object *object, uint64_t offset, uint64_t bytes) {
    return offset <= object->file_bytes && bytes <= object->file_bytes - offset;
}

// Item `index` of a table in the file, whose items are [bytes] large.
static bool take(const struct object *object, uint64_t table, uint64_t index, uint64_t item_bytes,
                 void *item, size_t bytes) {
    if (index > UINT32_MAX || item_bytes > UINT16_MAX ||
        !is_within(object, table, index * item_bytes + bytes))
        return false;
    memcpy(item, object->bytes + table + index * item_bytes, bytes);
    return true;
}

static bool read_header(struct reading *reading) {
    Elf64_Ehdr *header = &reading->header;
    const struct object_source *source = &reading->source;
    if (!take(reading->object, 0, 0, 0, header, sizeof *header) ||
        memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return object_fail(source, "not a code object: it is no ELF file");
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_machine != EM_AMDGPU || header->e_type != ET_DYN)
        return object_fail(source, "an ELF file, but not a linked AMD GPU code object");
    const unsigned version = header->e_ident[EI_ABIVERSION];
    if (header->e_ident[EI_OSABI] != OSABI_AMDGPU_HSA || version < ABI_VERSION_V4 ||
        version > ABI_VERSION_V5)
        return object_fail(source,
                           "a code object of version %u; versions 4 and 5 are known "
                           "(-mcode-object-version=5)",
                           version + 2);
    return true;
}

// ---- segments -----------------------------------------------------------------------------------

static bool add_segment(struct reading *reading, const Elf64_Phdr *program) {
    struct object *object = reading->object;
    if (!is_within(object, program->p_offset, program->p_filesz) ||
        program->p_filesz > program->p_memsz || program->p_vaddr > MAX_MEMORY_BYTES ||
        program->p_memsz > MAX_MEMORY_BYTES)
        return object_fail(&reading->source, "a segment lies outside of the file, or is too large");
    const uint64_t end = program->p_vaddr + program->p_memsz;
    object->memory_bytes = end > object->memory_bytes ? end : object->memory_bytes;
    object->segments[object->segment_count++] =
        (struct object_segment){.address = program->p_vaddr,
                                .memory_bytes = program->p_memsz,
                                .file_offset = program->p_offset,
                                .file_bytes = program->p_filesz,
                                .executable = program->p_flags & PF_X,
                                .writable = program->p_flags & PF_W};
    return true;
}

static bool read_segments(struct reading *reading) {
    const Elf64_Ehdr *header = &reading->header;
    struct object *object = reading->object;
    object->segments = calloc((size_t)header->e_phnum + 1, sizeof *object->segments);
    if (!object->segments)
        return monogen_fail(reading->source.error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    for (unsigned i = 0; i < header->e_phnum; i++) {
        Elf64_Phdr program;
        if (!take(object, header->e_phoff, i, header->e_phentsize, &program, sizeof program))
            return object_fail(&reading->source, "its program headers are cut off");
        if (program.p_type == PT_LOAD && program.p_memsz > 0 && !add_segment(reading, &program))
            return false;
    }
    if (object->segment_count == 0)
        return object_fail(&reading->source, "it loads nothing");
    object->memory_bytes = (object->memory_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    return true;
}

// Copies [bytes] that are at an address of the loaded object. False where they are in no segment.
static bool take_loaded(const struct object *object, uint64_t address, void *to, size_t bytes) {
    for (size_t i = 0; i < object->segment_count; i++) {
        const struct object_segment *segment = &object->segments[i];
        if (address < segment->address || address - segment->address > segment->file_bytes ||
            bytes > segment->file_bytes - (address - segment->address))
            continue;
        memcpy(to, object->bytes + segment->file_offset + (address - segment->address), bytes);
        return true;
    }
    return false;
}

// ---- notes: the metadata ------------------------------------------------------------------------

// Looks through one PT_NOTE. *found: whether the metadata is there and was read.
static bool read_notes(struct reading *reading, const Elf64_Phdr *program, const char *isa,
                       bool *found) {
    const struct object *object = reading->object;
    uint64_t at = program->p_offset, end = program->p_offset + program->p_filesz;
    if (!is_within(object, program->p_offset, program->p_filesz))
        return object_fail(&reading->source, "its notes are cut off");
    while (end - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        memcpy(&note, object->bytes + at, sizeof note);
        const uint64_t name_bytes = ((uint64_t)note.n_namesz + 3) / 4 * 4;
        const uint64_t text_bytes = ((uint64_t)note.n_descsz + 3) / 4 * 4;
        at += sizeof note;
        if (name_bytes > end - at || note.n_descsz > end - at - name_bytes)
            return object_fail(&reading->source, "a note is cut off");
        const bool is_metadata = note.n_type == NOTE_METADATA && note.n_namesz == 7 &&
                                 memcmp(object->bytes + at, "AMDGPU", 7) == 0;
        at += name_bytes;
        if (is_metadata && !*found) {
            *found = true;
            if (!object_read_metadata(reading->object, object->bytes + at, note.n_descsz, isa,
                                      &reading->source))
                return false;
        }
        at = text_bytes > end - at ? end : at + text_bytes;
    }
    return true;
}

static bool read_metadata(struct reading *reading, const char *isa) {
    const Elf64_Ehdr *header = &reading->header;
    bool found = false;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        Elf64_Phdr program;
        if (take(reading->object, header->e_phoff, i, header->e_phentsize, &program,
                 sizeof program) &&
            program.p_type == PT_NOTE && !read_notes(reading, &program, isa, &found))
            return false;
    }
    return found || object_fail(&reading->source, "it has no metadata of its kernels");
}

// ---- kernel descriptors -------------------------------------------------------------------------

static uint32_t bits_of(uint32_t word, unsigned first, unsigned count) {
    return word >> first & ((1u << count) - 1);
}

static void read_descriptor(const unsigned char bytes[DESCRIPTOR_BYTES], uint64_t address,
                            struct object_kernel *kernel) {
    uint32_t words[DESCRIPTOR_BYTES / 4];
    memcpy(words, bytes, sizeof words);
    const uint32_t resources_1 = words[12], resources_2 = words[13], resources_3 = words[11];
    const uint32_t properties = words[14] & 0xFFFF, preload = words[14] >> 16;
    kernel->lds_bytes = words[0];
    kernel->scratch_bytes = words[1];
    kernel->argument_block_bytes = words[2];
    kernel->entry = address + (words[4] | (uint64_t)words[5] << 32);
    kernel->accumulation_first = (bits_of(resources_3, 0, 6) + 1) * 4;
    kernel->vector_registers = (bits_of(resources_1, 0, 6) + 1) * 8;
    kernel->scalar_registers = (bits_of(resources_1, 6, 4) / 2 + 1) * 16;
    kernel->round_f32 = bits_of(resources_1, 12, 2);
    kernel->round_f16_f64 = bits_of(resources_1, 14, 2);
    kernel->keeps_denormals_f32 = bits_of(resources_1, 16, 2) == 3;
    kernel->keeps_denormals_f16_f64 = bits_of(resources_1, 18, 2) == 3;
    kernel->clamps_dx10 = bits_of(resources_1, 21, 1);
    kernel->ieee = bits_of(resources_1, 23, 1);
    kernel->user_scalars = bits_of(resources_2, 1, 5);
    kernel->workgroup_x = bits_of(resources_2, 7, 1);
    kernel->workgroup_y = bits_of(resources_2, 8, 1);
    kernel->workgroup_z = bits_of(resources_2, 9, 1);
    kernel->workgroup_info = bits_of(resources_2, 10, 1);
    kernel->workitem_dimensions = bits_of(resources_2, 11, 2) + 1;
    kernel->private_segment_buffer = bits_of(properties, 0, 1);
    kernel->dispatch_pointer = bits_of(properties, 1, 1);
    kernel->queue_pointer = bits_of(properties, 2, 1);
    kernel->argument_block_pointer = bits_of(properties, 3, 1);
    kernel->dispatch_identity = bits_of(properties, 4, 1);
    kernel->flat_scratch_init = bits_of(properties, 5, 1);
    kernel->private_segment_size = bits_of(properties, 6, 1);
    kernel->preloaded_argument_words = bits_of(preload, 0, 7);
    kernel->preloaded_argument_offset_words = bits_of(preload, 7, 9);
}

// The dynamic symbols and their names, as a section header tells.
struct symbols {
    uint64_t offset, count, item_bytes;
    uint64_t names_offset, names_bytes;
};

static bool find_symbols(const struct reading *reading, struct symbols *symbols) {
    const Elf64_Ehdr *header = &reading->header;
    const struct object *object = reading->object;
    for (unsigned i = 0; i < header->e_shnum; i++) {
        Elf64_Shdr section, names;
        if (!take(object, header->e_shoff, i, header->e_shentsize, &section, sizeof section))
            break;
        if (section.sh_type != SHT_DYNSYM)
            continue;
        if (section.sh_entsize < sizeof(Elf64_Sym) || section.sh_entsize > UINT16_MAX ||
            !is_within(object, section.sh_offset, section.sh_size) ||
            section.sh_link >= header->e_shnum ||
            !take(object, header->e_shoff, section.sh_link, header->e_shentsize, &names,
                  sizeof names) ||
            !is_within(object, names.sh_offset, names.sh_size))
            break;
        *symbols = (struct symbols){section.sh_offset, section.sh_size / section.sh_entsize,
                                    section.sh_entsize, names.sh_offset, names.sh_size};
        return true;
    }
    return object_fail(&reading->source, "its table of symbols is missing or cut off");
}

static bool symbol_is(const struct object *object, const struct symbols *symbols,
                      const Elf64_Sym *symbol, const char *name) {
    const size_t bytes = strlen(name) + 1;
    return symbol->st_name < symbols->names_bytes &&
           bytes <= symbols->names_bytes - symbol->st_name &&
           memcmp(object->bytes + symbols->names_offset + symbol->st_name, name, bytes) == 0;
}

static bool find_descriptor(const struct reading *reading, const struct symbols *symbols,
                            struct object_kernel *kernel) {
    const struct object *object = reading->object;
    char name[sizeof kernel->name + 4];
    snprintf(name, sizeof name, "%s.kd", kernel->name);
    for (uint64_t i = 0; i < symbols->count; i++) {
        Elf64_Sym symbol;
        unsigned char descriptor[DESCRIPTOR_BYTES];
        if (!take(object, symbols->offset, i, symbols->item_bytes, &symbol, sizeof symbol) ||
            !symbol_is(object, symbols, &symbol, name))
            continue;
        if (!take_loaded(object, symbol.st_value, descriptor, sizeof descriptor))
            break;
        read_descriptor(descriptor, symbol.st_value, kernel);
        return true;
    }
    return object_fail(&reading->source, "the descriptor of kernel %s is missing", kernel->name);
}

static bool check_kernel(const struct reading *reading, const struct object_kernel *kernel) {
    const struct object *object = reading->object;
    for (size_t i = 0; i < kernel->argument_count; i++) {
        const struct object_argument *argument = &kernel->arguments[i];
        if (argument->offset > kernel->argument_block_bytes ||
            argument->bytes > kernel->argument_block_bytes - argument->offset)
            return object_fail(&reading->source, "argument %zu of kernel %s lies outside of its %u",
                               i, kernel->name, kernel->argument_block_bytes);
    }
    if (kernel->preloaded_argument_words &&
        ((uint64_t)kernel->preloaded_argument_offset_words + kernel->preloaded_argument_words) * 4 >
            kernel->argument_block_bytes)
        return object_fail(&reading->source, "kernel %s preloads more arguments than it has",
                           kernel->name);
    for (size_t i = 0; i < object->segment_count; i++) {
        const struct object_segment *segment = &object->segments[i];
        if (segment->executable && kernel->entry >= segment->address &&
            kernel->entry - segment->address < segment->file_bytes)
            return true;
    }
    return object_fail(&reading->source, "kernel %s begins outside of the code", kernel->name);
}

// Of the relocations those that only add where the object lies could be made; others name symbols
// of other objects.
static bool check_relocations(const struct reading *reading) {
    const Elf64_Ehdr *header = &reading->header;
    for (unsigned i = 0; i < header->e_shnum; i++) {
        Elf64_Shdr section;
        if (!take(reading->object, header->e_shoff, i, header->e_shentsize, &section,
                  sizeof section))
            return object_fail(&reading->source, "its section headers are cut off");
        if ((section.sh_type == SHT_RELA || section.sh_type == SHT_REL) && section.sh_size > 0)
            return object_fail(&reading->source, "it has relocations, which are not made here");
    }
    return true;
}

static bool read_object(struct reading *reading, const char *isa) {
    struct object *object = reading->object;
    struct symbols symbols = {0};
    if (!read_header(reading) || !read_segments(reading) || !read_metadata(reading, isa) ||
        !check_relocations(reading) || !find_symbols(reading, &symbols))
        return false;
    for (size_t i = 0; i < object->kernel_count; i++)
        if (!find_descriptor(reading, &symbols, &object->kernels[i]) ||
            !check_kernel(reading, &object->kernels[i]))
            return false;
    return true;
}

bool object_parse(struct object *object, const char *name, const void *bytes, size_t file_bytes,
                  const char *isa, struct monogen_error *error) {
    *object =
        (struct object){.bytes = malloc(file_bytes ? file_bytes : 1), .file_bytes = file_bytes};
    if (!object->bytes)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
    if (file_bytes)
        memcpy(object->bytes, bytes, file_bytes);
    struct reading reading = {.object = object, .source = {name, error}};
    if (read_object(&reading, isa))
        return true;
    object_close(object);
    return false;
}

bool object_read(struct object *object, const char *path, const char *isa,
                 struct monogen_error *error) {
    struct file_map map;
    *object = (struct object){0};
    if (!file_map_open(&map, path, MAX_OBJECT_BYTES, error))
        return false;
    const bool read = object_parse(object, path, map.bytes, map.length, isa, error);
    file_map_close(&map);
    return read;
}

void object_close(struct object *object) {
    for (size_t i = 0; i < object->kernel_count; i++)
        free(object->kernels[i].arguments);
    free(object->kernels);
    free(object->segments);
    free(object->bytes);
    *object = (struct object){0};
}

const struct object_kernel *object_find_kernel(const struct object *object, const char *name) {
    for (size_t i = 0; i < object->kernel_count; i++)
        if (strcmp(object->kernels[i].name, name) == 0)
            return &object->kernels[i];
    return NULL;
}
