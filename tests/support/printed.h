// What tests compare: diagnostics as they are printed, and a folder to write into.
#ifndef TESTS_SUPPORT_PRINTED_H
#define TESTS_SUPPORT_PRINTED_H

#include "generator/base/diagnostic.h"

// The diagnostics as diagnostics_print writes them. Valid until the next call.
const char *printed_diagnostics(const struct diagnostics *diagnostics);

// A folder of this process: $MONOGEN_TEST_TMP, or one made under $TMPDIR or /tmp.
const char *temporary_folder(void);

// The path of `name` in temporary_folder(). Valid until the fourth call after it.
const char *temporary_path(const char *name);

#endif
