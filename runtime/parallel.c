#include "runtime/parallel.h"

#include "runtime/processors.h"

#include <pthread.h>
#include <stddef.h>

enum { MAX_THREADS = 64 };

struct task {
    void (*work)(void *context);
    void *context;
};

static void *run_task(void *pointer) {
    const struct task *task = pointer;
    task->work(task->context);
    return NULL;
}

static int thread_count(void) {
    const int processors = processors_count();
    return processors < MAX_THREADS ? processors : MAX_THREADS;
}

void parallel_run(void (*work)(void *context), void *context) {
    struct task task = {work, context};
    pthread_t threads[MAX_THREADS];
    int started = 0, wanted = thread_count() - 1;
    while (started < wanted && pthread_create(&threads[started], NULL, run_task, &task) == 0)
        started++;
    work(context);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}
