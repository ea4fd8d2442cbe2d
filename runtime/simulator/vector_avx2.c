// The vector instructions for an x86 with AVX2 and FMA; the Makefile tells the compiler so, and
// elsewhere not to compile them.
#ifdef VECTOR_HAS_AVX2
#define VARIANT(name) name##_avx2
#include "runtime/simulator/vector_kernels.h"
#else
typedef int vector_avx2_is_empty;
#endif
