// Who reads and who writes which element, expanded once for the rule `reuse`.
#ifndef GENERATOR_PLAN_CHECK_EDGES_H
#define GENERATOR_PLAN_CHECK_EDGES_H

#include "generator/plan/check_rules.h"

// The CUs that may read an element: those from the first to the last that have tiles; -1: none.
struct readers {
    int first, last;
};

// The CUs that write in a body, each with the lowest and the highest of its elements.
struct writer {
    int cu, lowest, highest;
};
struct writers {
    struct writer *list;
    int count;
    bool all; // they write every pair of the mailbox
};

// The CUs that wrote what tiles read.
struct sources {
    struct source {
        int cu;
        bool whole; // its last tile is among it, so that all of its tiles are over
    } * list;
    int count;
};

// What a body writes over after another body's read: elements that follow each other, of one writer
// and the same readers.
struct overwrites {
    struct overwrite {
        int element, cu; // the first one, who writes
        int first, last; // see struct readers
    } * list;
    int count;
};

struct edges {
    struct checking *checking;
    struct readers **readers; // [bodies] [reader_pairs] of each element; NULL: each CU reads all
    int *reader_pairs;        // [bodies] elements up to the last that the body reads
    int *reads_through;       // [bodies] elements up to the first that it does not read
    struct writers *writers;  // [bodies]
    const bool **last_tile;   // [bodies] [pairs] whether it is of its writer's last tile
    // [bodies that read] [bodies that write] [the rest, first tile] [cus]; NULL: not asked
    const struct sources ***sources;
    struct overwrites *overwrites; // [bodies that read] [bodies that write]; list NULL: not asked
};

void edges_open(struct edges *edges, struct checking *checking);

// Of each CU, where its first tile's inputs come from, or those of the rest. CUs that follow each
// other share a list where theirs are the same.
const struct sources **edges_sources(struct edges *edges, int reader, int writer, bool first);

// Requires: tiles of the reader read different elements.
const struct overwrites *edges_overwrites(struct edges *edges, int reader, int writer);

#endif
