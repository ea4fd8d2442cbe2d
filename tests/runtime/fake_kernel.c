// A kernel that a compiler of C makes: it keeps the protocol of emitted kernels (argument block,
// token ring, stop word, control block) with a model that adds token ids. Workgroup 0 is the model;
// the others wait for its end, so that all must run at once. Some symbols break the protocol.
#include "tests/runtime/fake_kernel.h"

#include "runtime/kernel_control.h"

#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define FIELD_4 uint32_t
#define FIELD_8 uint64_t
struct arguments {
#define KERNEL_ARGUMENT(type, name, bytes) FIELD_##bytes name;
#include "runtime/kernel_arguments.def"
#undef KERNEL_ARGUMENT
};

enum behaviour {
    ECHO,    // as a kernel should
    PATIENT, // after some tokens it waits for the stop word, up to timeout_ns
    SILENT,  // says that it made tokens that it never wrote
    SHORT,   // ends after one token without a reason
    ROGUE,   // chooses a token outside the vocabulary
    FAULTY,  // reports a hand-off that never came
    CROWDED, // reports that the roles do not fit
};

static void *pointer(uint64_t address) { return (void *)(uintptr_t)address; }

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

// Waits until *word is at least `value`; false after timeout_ns.
static int await(const unsigned *word, unsigned value, uint64_t timeout_ns) {
    uint64_t deadline = now_ns() + timeout_ns;
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) < value) {
        if (now_ns() > deadline)
            return 0;
        sched_yield();
    }
    return 1;
}

static void report(struct kernel_control *control, enum kernel_fault fault) {
    control->fault_cu = fault == KERNEL_FAULT_ROLES ? 3 : 17;
    control->fault_step = fault == KERNEL_FAULT_ROLES ? 38 : 2;
    control->fault_slot = fault == KERNEL_FAULT_ROLES ? 40 : 20;
    control->fault_epoch = 345;
    control->fault_seen = 340;
    control->fault_position = 12;
    __atomic_store_n(&control->fault, fault, __ATOMIC_RELEASE);
}

static void export_logits(const struct arguments *a, uint32_t step, const uint32_t *kv,
                          uint32_t count) {
    float *logits = (float *)pointer(a->logits) + (size_t)step * FAKE_VOCAB;
    for (uint32_t v = 0; v < FAKE_VOCAB; v++)
        logits[v] = fake_logit(kv, count, v);
}

static void decode(const struct arguments *a, enum behaviour behaviour) {
    const uint32_t *prompt = pointer(a->prompt), *stop = pointer(a->stop);
    uint64_t *ring = pointer(a->token_ring);
    uint32_t *kv = pointer(a->kv), token = 0;
    struct kernel_control *control = pointer(a->control);
    uint32_t tokens = 0;
    for (uint32_t step = 0; step < a->prompt_tokens + a->max_tokens; step++) {
        uint32_t position = a->first_position + step;
        int in_prompt = step < a->prompt_tokens;
        if (!in_prompt && (tokens == a->max_tokens || token == FAKE_STOP_TOKEN))
            break;
        if (__atomic_load_n(stop, __ATOMIC_ACQUIRE) || position >= FAKE_CONTEXT)
            break;
        kv[position] = in_prompt ? prompt[step] : token;
        if (a->export_logits)
            export_logits(a, step, kv, position + 1);
        if (step + 1 < a->prompt_tokens || a->max_tokens == 0)
            continue;
        token = behaviour == ROGUE ? FAKE_VOCAB : fake_next_token(kv, position + 1);
        uint32_t epoch = a->epoch_base + (step + 1) * FAKE_EPOCHS_PER_STEP;
        __atomic_store_n(&ring[tokens], (uint64_t)epoch << 32 | token, __ATOMIC_RELEASE);
        tokens++;
        if (behaviour == SHORT)
            break;
        if (behaviour == PATIENT && tokens == FAKE_PATIENT_TOKENS &&
            !await(stop, 1, a->timeout_ns)) {
            report(control, KERNEL_FAULT_HANDOFF);
            break;
        }
    }
    control->tokens = tokens;
}

static void run(const void *block, unsigned workgroup, unsigned workgroups,
                enum behaviour behaviour) {
    const struct arguments *a = block;
    struct kernel_control *control = pointer(a->control);
    __atomic_fetch_add(&control->claimed, 1, __ATOMIC_ACQ_REL);
    if (!await(&control->claimed, workgroups, a->timeout_ns)) {
        report(control, KERNEL_FAULT_ROLES);
        return;
    }
    if (workgroup != 0) {
        await(&control->ended, 1, a->timeout_ns);
        return;
    }
    if (behaviour == FAULTY || behaviour == CROWDED)
        report(control, behaviour == FAULTY ? KERNEL_FAULT_HANDOFF : KERNEL_FAULT_ROLES);
    else if (behaviour == SILENT)
        control->tokens = a->max_tokens;
    else
        decode(a, behaviour);
    __atomic_store_n(&control->ended, 1, __ATOMIC_RELEASE);
}

#define KERNEL(name, workgroups, behaviour)                                                        \
    void name(const void *block, unsigned workgroup);                                              \
    void name(const void *block, unsigned workgroup) {                                             \
        run(block, workgroup, workgroups, behaviour);                                              \
    }

KERNEL(fake_echo, FAKE_WORKGROUPS, ECHO)
KERNEL(fake_many, FAKE_MANY_WORKGROUPS, ECHO)
KERNEL(fake_patient, FAKE_WORKGROUPS, PATIENT)
KERNEL(fake_silent, FAKE_WORKGROUPS, SILENT)
KERNEL(fake_short, FAKE_WORKGROUPS, SHORT)
KERNEL(fake_rogue, FAKE_WORKGROUPS, ROGUE)
KERNEL(fake_faulty, FAKE_WORKGROUPS, FAULTY)
KERNEL(fake_crowded, FAKE_WORKGROUPS, CROWDED)

void fake_absent(const void *block, unsigned workgroup);
void fake_absent(const void *block, unsigned workgroup) {
    (void)block;
    (void)workgroup;
}
