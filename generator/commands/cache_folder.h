// Cache folder: where compiled kernels are kept from one run to the next.
#ifndef GENERATOR_COMMANDS_CACHE_FOLDER_H
#define GENERATOR_COMMANDS_CACHE_FOLDER_H

#include "generator/base/diagnostic.h"

// The folder that --cache names (`wanted`; NULL: $XDG_CACHE_HOME/monogen, else ~/.cache/monogen),
// made where it is missing. `problem` [bytes] says why nothing can be written there (else it is
// empty): what such a folder holds can be read all the same. NULL: none was wanted ("none"), or
// there is none.
const char *cache_folder_find(const char *wanted, struct arena *arena, char *problem, size_t bytes);

#endif
