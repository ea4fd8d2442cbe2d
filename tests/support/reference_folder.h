// The folder of reference checkpoints with golden files, which lies outside the repository.
#ifndef TESTS_SUPPORT_REFERENCE_FOLDER_H
#define TESTS_SUPPORT_REFERENCE_FOLDER_H

// Path of the checkpoint `name` in $MONOGEN_REFERENCE, else in ../shared/reference. Skips the test,
// saying why, where there is none. Valid until the next call.
const char *reference_checkpoint(const char *name);

#endif
