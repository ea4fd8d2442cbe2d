// What the tests of compilation share: a small kernel for each compiler, and a folder to write in.
#ifndef TESTS_SUPPORT_SMALL_KERNEL_H
#define TESTS_SUPPORT_SMALL_KERNEL_H

#include "generator/compile/compile.h"

// A kernel "reverse" of 256 lanes: out[i] = 2 * in[255 - i], through 1 KiB of LDS.
extern const char small_kernel_hip[];
extern const char small_kernel_cuda[];
// extern "C" void reverse(float *out, const float *in), for the host.
extern const char small_kernel_host[];

struct compile_request small_kernel_request(const char *compiler);

// Skips the test, saying why, where the compiler cannot be used.
void need_compiler(const char *compiler);

// A folder of the calling test: NAME in temporary_folder(), made anew. Static storage, one at a
// time.
const char *test_folder(const char *name);

void write_test_file(const char *path, const char *bytes);

// Writes an executable shell script that answers a probe for `version` and otherwise does `body`.
void write_fake_worker(const char *path, const char *version, const char *body);

#endif
