// Parallel: the same work on every processor, for work that hands out its own pieces.
#ifndef RUNTIME_PARALLEL_H
#define RUNTIME_PARALLEL_H

// Calls work(context) in several threads, the caller's among them, as many as the process has
// processors (at most 64), and returns when all have returned. Where the system gives fewer
// threads, fewer run: `work` must take pieces until none is left.
void parallel_run(void (*work)(void *context), void *context);

#endif
