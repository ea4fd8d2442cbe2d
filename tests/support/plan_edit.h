// Edits of a plan by the names of its fields, for plans with faults.
#ifndef TESTS_SUPPORT_PLAN_EDIT_H
#define TESTS_SUPPORT_PLAN_EDIT_H

#include "generator/plan/plan.h"

// A copy of the plan with `edits` applied, one "PLACE = VALUE" a line:
//   PLACE: fields parted by dots, [i] for an item of a list, a name for the item that has it, and
//   of
//          stages BODY or BODY@LAYER: "stages.qkv@1.read_epoch", "bodies.down.reads[0].span.first".
//   VALUE: JSON, with ' for ". null removes the field or the item; +N (N may be negative), *N and
//          /N change a number; "add JSON" adds an item to a list, "first" makes an item its first.
// The copy is printed and read back on the way, and belongs to the arena. Fails the test where an
// edit means nothing or the plan cannot be read back.
struct plan_plan plan_edited(const struct plan_plan *plan, const char *edits, struct arena *arena);

// A copy of all records and lists, which belong to the arena; texts are those of the plan.
struct plan_plan plan_copied(const struct plan_plan *plan, struct arena *arena);

#endif
