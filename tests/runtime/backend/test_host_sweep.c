#include "runtime/backend/host_sweep.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { STRIDE_BYTES = 256, MEMORY_BYTES = 1 << 20 };

// Memory that ends at a page which must not be read.
static unsigned char *guarded_memory(size_t page_bytes) {
    unsigned char *memory = mmap(NULL, MEMORY_BYTES + page_bytes, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    assert_int_equal(mprotect(memory + MEMORY_BYTES, page_bytes, PROT_NONE), 0);
    return memory;
}

// How a child ends that sweeps: 0, or the signal that killed it.
static int sweep_in_child(const void *memory, size_t bytes, unsigned threads) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); // a sanitiser's handler would only report it
        double seconds;
        _exit(host_sweep(memory, bytes, threads, &seconds) ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

// The loads are made, all of them and no others: the compiler has not dropped them.
static void every_part_is_read_and_nothing_behind_it(void **state) {
    (void)state;
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *memory = guarded_memory(page_bytes);
    for (unsigned threads = 1; threads <= 3; threads++) {
        assert_int_equal(sweep_in_child(memory, MEMORY_BYTES, threads), 0);
        assert_int_equal(sweep_in_child(memory + STRIDE_BYTES, MEMORY_BYTES, threads), SIGSEGV);
    }
    // A page anywhere inside is missed too.
    for (size_t page = 0; page < MEMORY_BYTES / page_bytes; page += 50) {
        assert_int_equal(mprotect(memory + page * page_bytes, page_bytes, PROT_NONE), 0);
        assert_int_equal(sweep_in_child(memory, MEMORY_BYTES, 2), SIGSEGV);
        assert_int_equal(mprotect(memory + page * page_bytes, page_bytes, PROT_READ), 0);
    }
    munmap(memory, MEMORY_BYTES + page_bytes);
}

static void any_size_and_any_number_of_threads_will_do(void **state) {
    (void)state;
    static _Alignas(64) unsigned char memory[4096];
    for (size_t bytes = 0; bytes <= sizeof memory; bytes += 100)
        for (unsigned threads = 1; threads < 40; threads += 13) {
            double seconds = -1;
            assert_true(host_sweep(memory, bytes, threads, &seconds));
            assert_true(seconds >= 0 && seconds < 60);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_is_read_and_nothing_behind_it),
        cmocka_unit_test(any_size_and_any_number_of_threads_will_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
