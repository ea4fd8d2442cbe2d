// The vector instructions for any processor.
#define VARIANT(name) name##_baseline
#include "runtime/simulator/vector_kernels.h"
