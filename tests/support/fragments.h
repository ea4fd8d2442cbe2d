// The unit order "fragments", stated slowly and from its source, for comparison with the packer and
// the engine, which compute it the other way round.
#ifndef TESTS_SUPPORT_FRAGMENTS_H
#define TESTS_SUPPORT_FRAGMENTS_H

struct fragment_place {
    unsigned row, column; // in the tile's unit
};

// Which weight element `index` of a unit of [tile_rows][unit_columns] is. Requires: tile_rows
// divides 16, and unit_columns is a multiple of 32 * 16 / tile_rows.
struct fragment_place fragment_place(unsigned tile_rows, unsigned unit_columns, unsigned index);

// The sizes that tests try: rows of a tile, and bytes of a unit; 0 ends.
extern const unsigned fragment_tile_rows[], fragment_unit_bytes[];

#endif
