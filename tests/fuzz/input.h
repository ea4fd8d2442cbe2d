// What the fuzz targets share: how the bytes that they are given become a reader's input.
//
// A fuzz target is a file fuzz_<reader>.c: it gives libFuzzer's bytes to one reader and takes
// whatever answer there is, as long as the reader neither crashes nor breaks its word. Outside of
// build/fuzz, where all targets stand in one program, the Makefile calls the function
// fuzz_<reader>.
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include "generator/script/script.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

// Small, so that loops and bombs, which mutation writes often, end soon.
extern const struct script_limits input_script_limits;

// The folder that inputs are written to; below $MONOGEN_TEST_TMP where that is set.
const char *input_folder(void);

// Writes `bytes` [size] as the file `name` of input_folder, which may be in a folder of it. Returns
// its path, which the arena owns.
const char *input_file(struct arena *arena, const char *name, const void *bytes, size_t size);

void input_file_remove(const char *path);

// What was refused must have a reason, and a reason can be printed with the line that it is about.
void input_require_reason(const struct diagnostics *diagnostics);

// Ends the program, which is a finding, where a reader broke its word.
void input_require(bool kept, const char *word);

#endif
