// Views: what inspect shows of a folder of artefacts, one function each.
#ifndef GENERATOR_COMMANDS_VIEWS_H
#define GENERATOR_COMMANDS_VIEWS_H

#include "generator/commands/artefacts.h"

// What a view found out: data, which prints as JSON; and where people are told otherwise than
// report_print would, a text.
struct view_result {
    struct value *value;
    const char *text; // NULL: report_print
};

// `which` is what follows the view's name, words separated by a blank; NULL: nothing. Returns false
// after adding a diagnostic.
typedef bool view_function(const struct artefacts *artefacts, const char *which,
                           struct view_result *result);

view_function view_overview, view_plan, view_source, view_isa, view_resources, view_line, view_step,
    view_cu, view_choice;

struct view {
    const char *name, *argument; // argument NULL: it takes none; "[NAME]": it may be left out
    const char *meaning;
    view_function *show;
};

extern const struct view views[]; // [view_count]; the first one, without a name, is the default
extern const size_t view_count;

// A number from 0 or 1 (`least`) to `most` that `which` says; a usage error else.
bool view_number(const struct artefacts *artefacts, const char *noun, const char *which, int least,
                 int most, int *number);

#endif
