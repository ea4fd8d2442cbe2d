// weights_load() into plain memory, for tests of what it packs.
#ifndef TESTS_SUPPORT_LOADED_WEIGHTS_H
#define TESTS_SUPPORT_LOADED_WEIGHTS_H

#include "runtime/weights.h"
#include "tests/support/kernel_folder.h"

enum load_path {
    LOAD_IN_PLACE, // the device's weights have an address for the host
    LOAD_STAGED,   // they are uploaded piece by piece
    LOAD_REFUSED,  // the same, and every upload fails
};

// What a load left.
struct loaded_weights {
    unsigned char *weights; // [weights_bytes]
    float *vectors;         // [vectors_bytes]
};

// Writes the folder's manifest, opens it and loads what it wants. False after filling *error; then
// there is nothing to close.
bool loaded_weights_open(const struct kernel_folder *folder, const struct weight_source *source,
                         enum load_path path, struct loaded_weights *loaded,
                         struct monogen_error *error);
void loaded_weights_close(struct loaded_weights *loaded);

#endif
