// What is read of ptxas' words and of cubins: of logs as NVRTC 12.0 and 13.0 gave them.
#include "generator/compile/ptxas.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char LOG_13[] =
    "ptxas info    : 0 bytes gmem\n"
    "ptxas info    : Compiling entry function 'reverse' for 'sm_90a'\n"
    "ptxas info    : Function properties for reverse\n"
    "ptxas         .     480 bytes stack frame, 30 bytes spill stores, 33 bytes spill loads\n"
    "ptxas info    : Used 32 registers, used 1 barriers, 480 bytes cumulative stack size\n"
    "ptxas info    : Compile time = 69.819 ms\n"
    "ptxas info    : Function properties for _Z6helperfi\n"
    "ptxas         .     7 bytes stack frame, 8 bytes spill stores, 9 bytes spill loads\n"
    "ptxas info    : Compiling entry function 'reverse_too' for 'sm_90a'\n"
    "ptxas info    : Function properties for _Z6helperfi\n"
    "ptxas         .     7 bytes stack frame, 8 bytes spill stores, 9 bytes spill loads\n"
    "ptxas info    : Function properties for reverse_too\n"
    "ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
    "ptxas info    : Used 22 registers, used 1 barriers, 1024 bytes smem, 8 bytes cmem[0]\n"
    "ptxas info    : Compile time = 1.807 ms\n";

static struct kernel_resources read_log(const char *log, const char *kernel) {
    struct kernel_resources resources = {
        .vgpr = -1, .lds_bytes = -1, .scratch_bytes = -1, .vgpr_spills = -1, .sgpr = -1};
    ptxas_read(log, kernel, &resources);
    return resources;
}

static void each_kernel_has_its_own_words(void **state) {
    (void)state;
    struct kernel_resources first = read_log(LOG_13, "reverse");
    assert_int_equal(first.vgpr, 32);
    assert_int_equal(first.lds_bytes, 0);
    assert_int_equal(first.scratch_bytes, 480);
    assert_int_equal(first.vgpr_spills, 9); // 33 bytes, of 4 a register
    assert_int_equal(first.sgpr, -1);
    struct kernel_resources second = read_log(LOG_13, "reverse_too");
    assert_int_equal(second.vgpr, 22);
    assert_int_equal(second.lds_bytes, 1024);
    assert_int_equal(second.scratch_bytes, 0);
    assert_int_equal(second.vgpr_spills, 0);
}

static void what_is_not_told_stays_unknown(void **state) {
    (void)state;
    static const char *const logs[] = {
        "",
        "\n\n",
        "ptxas info    : Compiling entry function 'other' for 'sm_90a'\n"
        "ptxas info    : Used 12 registers\n",
        "ptxas info    : Compiling entry function 'reverse' for 'sm_90a'",
        "ptxas info    : Compiling entry function 'reverse' for 'sm_90a'\n"
        "ptxas info    : Used many registers\n"
        "    480 bytes stack frame\n",
    };
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
        struct kernel_resources resources = read_log(logs[i], "reverse");
        assert_int_equal(resources.vgpr, -1);
        assert_int_equal(resources.lds_bytes, -1);
        assert_int_equal(resources.scratch_bytes, -1);
        assert_int_equal(resources.vgpr_spills, -1);
    }
}

static void times_are_left_out(void **state) {
    (void)state;
    struct text log = {0};
    text_append(&log, "Compile time = mine\n"
                      "ptxas info    : Compile time = 69.819 ms\n"
                      "kept\n"
                      "ptxas info    : Compile time = 1 ms");
    ptxas_strip_times(&log);
    assert_string_equal(log.bytes, "Compile time = mine\nkept\n");
    text_close(&log);
    ptxas_strip_times(&log); // an empty one stays so
    assert_int_equal(log.length, 0);
    text_close(&log);
}

// An object of three sections: none, names, and .text.reverse.
struct object {
    Elf64_Ehdr header;
    Elf64_Shdr sections[3];
    char names[24];
};

static struct object make_object(void) {
    struct object object = {
        .header = {.e_shoff = offsetof(struct object, sections),
                   .e_shnum = 3,
                   .e_shentsize = sizeof(Elf64_Shdr),
                   .e_shstrndx = 1},
        .sections = {{0},
                     {.sh_name = 0, .sh_offset = offsetof(struct object, names), .sh_size = 24},
                     {.sh_name = 1, .sh_size = 512}},
        .names = "\0.text.reverse",
    };
    memcpy(object.header.e_ident, ELFMAG, SELFMAG);
    return object;
}

static void code_is_measured(void **state) {
    (void)state;
    struct object object = make_object();
    const char *bytes = (const char *)&object;
    assert_int_equal(cubin_code_bytes(bytes, sizeof object, "reverse"), 512);
    assert_int_equal(cubin_code_bytes(bytes, sizeof object, "revers"), -1);
    assert_int_equal(cubin_code_bytes(bytes, sizeof object, "reverse_too"), -1);
    for (size_t length = 0; length < sizeof object;
         length++) { // so that a read behind the end shows
        char *part = malloc(length + 1);
        assert_non_null(part);
        memcpy(part + 1, bytes, length);
        assert_int_equal(cubin_code_bytes(part + 1, length, "reverse"), -1);
        free(part);
    }
}

static void broken_objects_have_no_code(void **state) {
    (void)state;
    struct object broken[8];
    for (size_t i = 0; i < 8; i++)
        broken[i] = make_object();
    broken[0].header.e_ident[0] = 0;
    broken[1].header.e_shoff = UINT64_MAX - 8;
    broken[2].header.e_shnum = UINT16_MAX;
    broken[3].header.e_shstrndx = 3;
    broken[4].sections[1].sh_offset = UINT64_MAX - 8;
    broken[5].sections[1].sh_size = UINT64_MAX;
    broken[6].sections[2].sh_name = UINT32_MAX;
    broken[7].header.e_shentsize = 1;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(cubin_code_bytes((const char *)&broken[i], sizeof broken[i], "reverse"),
                         -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kernel_has_its_own_words),
        cmocka_unit_test(what_is_not_told_stays_unknown),
        cmocka_unit_test(times_are_left_out),
        cmocka_unit_test(code_is_measured),
        cmocka_unit_test(broken_objects_have_no_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
