// Shared library: one that is opened at run time where it is there (a GPU's driver, a compiler), so
// that monogen builds and starts where it is not.
#ifndef RUNTIME_SHARED_LIBRARY_H
#define RUNTIME_SHARED_LIBRARY_H

#include "runtime/error.h"

#include <stdbool.h>
#include <stddef.h>

struct shared_library {
    void *handle;   // NULL: closed
    char name[256]; // as it was opened: "libm.so.6", "/opt/rocm/lib/libm.so.6"
};

// Where a library is looked for. Lists end with NULL.
struct library_search {
    const char *what;          // "HIP runtime"
    const char *variable;      // of the environment: names the library; then it is this one or none
    const char *const *files;  // the newest first
    const char *home_variable; // names a folder that comes before all others; NULL: none does
    const char *home_subfolder;  // the libraries' place in it
    const char *const *patterns; // of folders, after those of the system's loader; the last match
                                 // in the alphabet first
    const char *absent;          // the message where it is nowhere, with what to do
};

struct library_symbol {
    const char *name;
    size_t offset; // of the function's pointer in a table
    bool optional; // its pointer is NULL where the library lacks it
};

// Opens the first library that can be opened. False after filling *error (MONOGEN_NO_ENVIRONMENT);
// then there is nothing to close.
bool shared_library_open(struct shared_library *library, const struct library_search *search,
                         struct monogen_error *error);

// Fills the pointers of `table`. Returns the name of a symbol that the library lacks, or NULL.
const char *shared_library_find(const struct shared_library *library,
                                const struct library_symbol *symbols, size_t count, void *table);

void shared_library_close(struct shared_library *library);

#endif
