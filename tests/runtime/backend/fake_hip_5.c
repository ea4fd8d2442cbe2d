// The fake HIP runtime without what HIP 6 added.
#define FAKE_HIP_5
#include "tests/runtime/backend/fake_hip_6.c"
