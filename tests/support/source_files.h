// The sources of the program as text, for tests of its structure.
#ifndef TESTS_SUPPORT_SOURCE_FILES_H
#define TESTS_SUPPORT_SOURCE_FILES_H

// Gives every file under `folder` whose name ends in one of `endings` (NULL-terminated; NULL: every
// file) to visit(context, path, text), in the order of their names. Hidden files are left out.
// Returns their number; fails the test where one cannot be read.
int source_files(const char *folder, const char *const *endings,
                 void (*visit)(void *context, const char *path, const char *text), void *context);

// Gives every line to visit(path, number, line), numbers from 1 on, lines without their end.
void source_lines(const char *path, const char *text,
                  void (*visit)(const char *path, int number, const char *line));

#endif
