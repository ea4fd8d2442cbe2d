// The version that --version prints and that plans and manifests carry.
#ifndef GENERATOR_BASE_VERSION_H
#define GENERATOR_BASE_VERSION_H

#define MONOGEN_VERSION "monogen 0.1"

#endif
