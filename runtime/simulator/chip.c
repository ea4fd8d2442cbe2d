#include "runtime/simulator/chip.h"

#include "runtime/processors.h"
#include "runtime/simulator/arrivals.h"
#include "runtime/simulator/chip_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    SLICE_INSTRUCTIONS = 256, // of a wave before the next one of its workgroup goes on
    SLICES_PER_TURN = 16,
    // With every wave asleep: a deadlock. Emitted kernels look at the clock and at what other CUs
    // report at each 64th poll only.
    QUIET_TURNS_MOST = 100,
    THREADS_MOST = 64
};

uint64_t chip_random(uint64_t *state) {
    uint64_t x = *state += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

// ---- open, load, start --------------------------------------------------------------------------

struct chip *chip_open(const struct chip_shape *shape, uint64_t seed, struct monogen_error *error) {
    struct chip *chip = calloc(1, sizeof *chip);
    const size_t iod_bytes = shape->memory.xcds * sizeof *chip->iod_of_xcd;
    if (chip)
        chip->iod_of_xcd = malloc(iod_bytes);
    if (!chip || !chip->iod_of_xcd) {
        free(chip);
        monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
        return NULL;
    }
    chip->shape = *shape;
    memcpy(chip->iod_of_xcd, shape->memory.iod_of_xcd, iod_bytes);
    chip->shape.memory.iod_of_xcd = chip->iod_of_xcd;
    chip->seed = seed;
    chip->memory = memory_open(&chip->shape.memory, seed, error);
    if (chip->memory)
        return chip;
    chip_close(chip);
    return NULL;
}

static void unload(struct chip *chip) {
    code_close(&chip->code);
    chip->code = (struct code){0};
    if (chip->image) {
        memory_remove(chip->memory, chip->image);
        munmap(chip->image, chip->image_bytes);
    }
    chip->image = NULL;
    chip->kernel = NULL;
}

void chip_close(struct chip *chip) {
    if (!chip)
        return;
    if (chip->memory) {
        dispatch_clear(chip);
        unload(chip);
    }
    memory_close(chip->memory);
    free(chip->iod_of_xcd);
    free(chip);
}

struct memory *chip_memory(struct chip *chip) {
    return chip->memory;
}

static void fail_register(struct wave *wave, const struct instruction *instruction) {
    wave_fail(wave, instruction, "names a register that the kernel does not have");
}

static bool has_register(const struct operand *operand, uint32_t vector_registers) {
    const uint32_t end = (uint32_t)operand->first + operand->words;
    return operand->kind == OPERAND_VECTOR   ? end <= vector_registers
           : operand->kind == OPERAND_SCALAR ? end <= SCALAR_REGISTERS
                                             : true;
}

// What executes instructions trusts register numbers.
static void check_registers(struct code *code, uint32_t vector_registers) {
    for (size_t i = 0; i < code->count; i++) {
        struct instruction *instruction = &code->instructions[i];
        bool good = true;
        for (int j = 0; j < DESTINATIONS_MAX; j++)
            good = good && has_register(&instruction->destinations[j], vector_registers);
        for (int j = 0; j < SOURCES_MAX; j++)
            good = good && has_register(&instruction->sources[j], vector_registers);
        if (!good)
            instruction->execute = fail_register;
    }
}

static bool map_image(struct chip *chip, const struct object *object, struct monogen_error *error) {
    chip->image_bytes = object->memory_bytes;
    void *image =
        mmap(NULL, chip->image_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (image == MAP_FAILED)
        return monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "no memory for %zu bytes of code: %s",
                            chip->image_bytes, strerror(errno));
    chip->image = image;
    for (size_t i = 0; i < object->segment_count; i++) {
        const struct object_segment *segment = &object->segments[i];
        memcpy(chip->image + segment->address, object->bytes + segment->file_offset,
               segment->file_bytes);
    }
    return memory_add(chip->memory, chip->image, chip->image_bytes, "the code object", error);
}

bool chip_load(struct chip *chip, const struct object *object, const char *name,
               const char *listing_name, const char *listing, size_t bytes,
               struct monogen_error *error) {
    unload(chip);
    const struct object_kernel *kernel = object_find_kernel(object, name);
    if (!kernel)
        return monogen_fail(error, MONOGEN_BAD_INPUT, "the code object holds no kernel named %s",
                            name);
    chip->object = object;
    chip->kernel = kernel;
    if (!code_decode(&chip->code, listing_name, listing, bytes, kernel->accumulation_first,
                     error) ||
        !map_image(chip, object, error))
        return false;
    if (code_find(&chip->code, kernel->entry) == chip->code.count)
        return monogen_fail(error, MONOGEN_BAD_INPUT,
                            "%s: no instruction at 0x%" PRIx64 ", where kernel %s begins",
                            listing_name, kernel->entry, name);
    const uint32_t granule = chip->shape.register_granule;
    check_registers(&chip->code, (kernel->vector_registers + granule - 1) / granule * granule);
    return true;
}

bool chip_start(struct chip *chip, const struct chip_launch *launch, struct monogen_error *error) {
    dispatch_clear(chip);
    chip->launch = *launch;
    chip->launches++;
    chip->turns = chip->time_ns = 0;
    chip->quiet_turns = 0;
    chip->version = memory_version(chip->memory);
    if (dispatch_place(chip, error))
        return true;
    dispatch_clear(chip);
    return false;
}

// ---- what instructions ask of the chip ----------------------------------------------------------

void wave_sleep(struct wave *wave, uint32_t duration) {
    (void)duration;
    wave->workgroup->counts.sleeps++;
    wave->state = WAVE_ASLEEP;
}

static void open_barrier(struct workgroup *workgroup) {
    if (workgroup->at_barrier == 0 ||
        workgroup->at_barrier + workgroup->ended != workgroup->wave_count)
        return;
    for (uint32_t i = 0; i < workgroup->wave_count; i++)
        if (workgroup->waves[i].state == WAVE_AT_BARRIER)
            workgroup->waves[i].state = WAVE_READY;
    workgroup->at_barrier = 0;
    workgroup->counts.barriers++;
}

void wave_barrier(struct wave *wave) {
    wave->state = WAVE_AT_BARRIER;
    wave->workgroup->at_barrier++;
    open_barrier(wave->workgroup);
}

void wave_end(struct wave *wave) {
    wave->state = WAVE_ENDED;
    wave->workgroup->ended++;
    open_barrier(wave->workgroup);
}

void wave_wait(struct wave *wave, unsigned vector_memory, unsigned lds_and_scalar) {
    arrivals_wait(wave, vector_memory, lds_and_scalar);
}

// An instruction takes a wave 4 cycles at least, but a turn is no longer than a turn.
static uint64_t clock_now_ns(const struct wave *wave) {
    const struct chip_shape *shape = wave->workgroup->shape;
    const uint64_t executed_ns = wave->executed * 4000ull / shape->clock_mhz;
    return wave->workgroup->time_ns +
           (executed_ns < shape->turn_ns ? executed_ns : shape->turn_ns - 1);
}

uint64_t wave_clock_cycles(const struct wave *wave) {
    return clock_now_ns(wave) * wave->workgroup->shape->clock_mhz / 1000;
}

uint64_t wave_clock_ticks(const struct wave *wave) {
    return clock_now_ns(wave) * wave->workgroup->shape->realtime_mhz / 1000;
}

// ---- turns --------------------------------------------------------------------------------------

static void run_wave(struct wave *wave) {
    const struct code *code = wave->code;
    uint64_t *executed = wave->workgroup->counts.instructions;
    for (unsigned i = 0; i < SLICE_INSTRUCTIONS && wave->state == WAVE_READY; i++) {
        if (wave->next >= code->count) {
            wave_fail(wave, &code->instructions[code->count - 1], "runs off the end of the code");
            return;
        }
        const struct instruction *instruction = &code->instructions[wave->next++];
        executed[instruction->kind->class]++;
        wave->executed++;
        instruction->execute(wave, instruction);
    }
}

// Whether any of its waves may go on.
static bool run_slice(struct workgroup *workgroup, uint32_t first) {
    bool ready = false;
    for (uint32_t i = 0; i < workgroup->wave_count; i++) {
        struct wave *wave = &workgroup->waves[(first + i) % workgroup->wave_count];
        if (wave->state != WAVE_READY)
            continue;
        run_wave(wave);
        ready = true;
    }
    return ready;
}

static void run_workgroup(struct workgroup *workgroup, uint64_t *random) {
    const uint32_t first = (uint32_t)(chip_random(random) % workgroup->wave_count);
    for (unsigned slice = 0; slice < SLICES_PER_TURN; slice++)
        if (!run_slice(workgroup, first))
            return;
}

static void run_xcd(struct chip *chip, uint32_t xcd) {
    const uint32_t begin = chip->first_workgroup[xcd];
    const uint32_t count = chip->first_workgroup[xcd + 1] - begin;
    uint64_t random = chip->seed ^ (chip->turns << 8 | xcd);
    const uint32_t first = count ? (uint32_t)(chip_random(&random) % count) : 0;
    for (uint32_t i = 0; i < count; i++)
        run_workgroup(&chip->workgroups[begin + (first + i) % count], &random);
}

// What the waves wait for now.
struct standing {
    uint32_t alive, ready;
    uint64_t where; // a digest of where in the code all waves are, and of what they loaded last
    const struct wave *failed;
};

// Wakes those that may go on: of sleeping ones all where `wake`.
static struct standing wake_waves(struct chip *chip, bool wake) {
    struct standing standing = {0};
    for (uint32_t i = 0; i < chip->workgroup_count; i++) {
        struct workgroup *workgroup = &chip->workgroups[i];
        workgroup->time_ns = chip->time_ns;
        for (uint32_t j = 0; j < workgroup->wave_count; j++) {
            struct wave *wave = &workgroup->waves[j];
            wave->executed = 0;
            if (wave->state == WAVE_FAILED && !standing.failed)
                standing.failed = wave;
            if (wave->state == WAVE_WAITING)
                arrivals_resume(wave);
            else if (wave->state == WAVE_ASLEEP && wake)
                wave->state = WAVE_READY;
            standing.alive += wave->state != WAVE_ENDED;
            standing.where =
                (standing.where ^ wave->next ^ wave->loaded_address << 20) * 0x100000001B3u;
            standing.ready += wave->state == WAVE_READY;
        }
    }
    return standing;
}

static bool tell_failure(const struct wave *wave, struct monogen_error *error) {
    const struct workgroup *workgroup = wave->workgroup;
    return monogen_fail(
        error, MONOGEN_NO_ENVIRONMENT,
        "XCD %" PRIu32 " CU %" PRIu32 ", workgroup %" PRIu32 ", wave %" PRIu32 ": %s",
        workgroup->xcd, workgroup->cu, workgroup->index, wave->index, wave->message);
}

enum end { END_NOT_YET, END_DONE, END_FAILED };

// Between two turns.
static enum end settle(struct chip *chip, struct monogen_error *error) {
    memory_end_turn(chip->memory);
    chip->turns++;
    chip->time_ns += chip->shape.turn_ns;
    const uint64_t version = memory_version(chip->memory);
    const bool changed = version != chip->version;
    struct standing standing = wake_waves(chip, changed);
    chip->version = version;
    if (memory_is_short(chip->memory)) {
        monogen_fail(error, MONOGEN_NO_ENVIRONMENT, "out of memory");
        return END_FAILED;
    }
    if (standing.failed) {
        tell_failure(standing.failed, error);
        return END_FAILED;
    }
    if (standing.alive == 0)
        return END_DONE;
    if (standing.ready) {
        chip->quiet_turns = 0;
        return END_NOT_YET;
    }
    // All sleep: perhaps for a time that goes by, or on their way out after a fault.
    if (standing.where != chip->where)
        chip->quiet_turns = 0;
    chip->where = standing.where;
    if (++chip->quiet_turns > QUIET_TURNS_MOST) {
        deadlock_fail(chip, error);
        return END_FAILED;
    }
    standing = wake_waves(chip, true);
    return END_NOT_YET;
}

// ---- threads ------------------------------------------------------------------------------------

struct crew {
    struct chip *chip;
    pthread_mutex_t hiring; // held until it is known how many threads there are
    pthread_barrier_t begin, end;
    atomic_uint next_xcd;
    bool over;
};

static void run_turn(struct crew *crew) {
    const uint32_t xcds = crew->chip->shape.memory.xcds;
    for (uint32_t xcd = atomic_fetch_add(&crew->next_xcd, 1); xcd < xcds;
         xcd = atomic_fetch_add(&crew->next_xcd, 1))
        run_xcd(crew->chip, xcd);
}

static void *help(void *pointer) {
    struct crew *crew = pointer;
    pthread_mutex_lock(&crew->hiring);
    pthread_mutex_unlock(&crew->hiring);
    for (;;) {
        pthread_barrier_wait(&crew->begin);
        if (crew->over)
            return NULL;
        run_turn(crew);
        pthread_barrier_wait(&crew->end);
    }
}

static enum end run_turns(struct crew *crew, const atomic_bool *stop, struct monogen_error *error) {
    enum end end = END_NOT_YET;
    while (end == END_NOT_YET) {
        if (stop && atomic_load(stop)) {
            monogen_fail(error, MONOGEN_STOPPED, "stopped");
            return END_FAILED;
        }
        atomic_store(&crew->next_xcd, 0);
        pthread_barrier_wait(&crew->begin);
        run_turn(crew);
        pthread_barrier_wait(&crew->end);
        end = settle(crew->chip, error);
    }
    return end;
}

// Starts helpers with all signals blocked: those belong to the caller's threads. Fewer than asked
// for will do.
static unsigned hire(struct crew *crew, pthread_t *threads, unsigned count) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    unsigned hired = 0;
    while (hired < count && pthread_create(&threads[hired], NULL, help, crew) == 0)
        hired++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return hired;
}

static unsigned useful_threads(const struct chip *chip) {
    const unsigned processors = (unsigned)processors_count(), xcds = chip->shape.memory.xcds;
    const unsigned useful = processors < xcds ? processors : xcds;
    return useful < THREADS_MOST ? useful : THREADS_MOST;
}

bool chip_run(struct chip *chip, const atomic_bool *stop, struct monogen_error *error) {
    struct crew crew = {.chip = chip, .hiring = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[THREADS_MOST];
    pthread_mutex_lock(&crew.hiring);
    const unsigned hired = hire(&crew, threads, useful_threads(chip) - 1);
    pthread_barrier_init(&crew.begin, NULL, hired + 1);
    pthread_barrier_init(&crew.end, NULL, hired + 1);
    pthread_mutex_unlock(&crew.hiring);
    const enum end end = run_turns(&crew, stop, error);
    crew.over = true;
    pthread_barrier_wait(&crew.begin);
    for (unsigned i = 0; i < hired; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&crew.begin);
    pthread_barrier_destroy(&crew.end);
    pthread_mutex_destroy(&crew.hiring);
    memory_end_launch(chip->memory);
    return end == END_DONE;
}

void chip_count(const struct chip *chip, struct chip_counts *counts) {
    *counts = (struct chip_counts){.turns = chip->turns};
    for (uint32_t i = 0; i < chip->workgroup_count; i++) {
        const struct workgroup_counts *from = &chip->workgroups[i].counts;
        struct workgroup_counts *to = &counts->workgroups;
        for (int class = 0; class < INSTRUCTION_CLASSES; class ++)
            to->instructions[class] += from->instructions[class];
        to->lds_bytes += from->lds_bytes;
        to->lds_conflict_cycles += from->lds_conflict_cycles;
        to->sleeps += from->sleeps;
        to->barriers += from->barriers;
    }
    for (uint32_t xcd = 0; xcd < chip->shape.memory.xcds; xcd++) {
        struct memory_counts one;
        memory_count(chip->memory, xcd, &one);
        counts->memory.l1_hits += one.l1_hits;
        counts->memory.l1_misses += one.l1_misses;
        counts->memory.l2_hits += one.l2_hits;
        counts->memory.l2_misses += one.l2_misses;
        counts->memory.passed_lines += one.passed_lines;
        counts->memory.local_bytes += one.local_bytes;
        counts->memory.remote_bytes += one.remote_bytes;
        counts->memory.written_bytes += one.written_bytes;
        counts->memory.atomics += one.atomics;
    }
}
