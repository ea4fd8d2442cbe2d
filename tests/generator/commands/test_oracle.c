#include "generator/commands/oracle.h"

#include "tests/support/made_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct made_plan made;

static int open_model(void **state) {
    (void)state;
    made_plan_open(&made, "tests/specs/tiny.lua", "host", "");
    return 0;
}

static int close_model(void **state) {
    (void)state;
    made_plan_close(&made);
    return 0;
}

static struct oracle_request request_of(uint64_t seed) {
    return (struct oracle_request){.vocab = (uint32_t)made.model.vocab,
                                   .computes = true,
                                   .reference = {.model = &made.model, .random_seed = seed},
                                   .context = 20,
                                   .most_steps = 5};
}

static void need_oracle(struct oracle *oracle, const struct oracle_request *request) {
    struct monogen_error error = {0};
    if (!oracle_open(request, oracle, &error))
        fail_msg("%s", error.message);
    assert_int_equal(oracle->golden.count, 1);
}

static void a_given_prompt_has_room_to_go_on(void **state) {
    (void)state;
    static const uint32_t tokens[18] = {7, 8, 9};
    static const struct {
        size_t tokens, most_steps, steps;
    } cases[] = {{3, 5, 5}, {18, 5, 3}, {18, 2, 2}, {18, UINT32_MAX, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct oracle oracle;
        struct oracle_request request = request_of(1);
        request.tokens = tokens;
        request.token_count = cases[i].tokens;
        request.most_steps = cases[i].most_steps;
        need_oracle(&oracle, &request);
        const struct golden_prompt *prompt = oracle.golden.prompts;
        assert_int_equal(prompt->prompt_count, cases[i].tokens);
        assert_int_equal(prompt->step_count, cases[i].steps);
        assert_memory_equal(prompt->ids, tokens, cases[i].tokens * sizeof *tokens);
        oracle_close(&oracle);
    }
}

static void a_prompt_beyond_the_context_is_left_to_the_kernel(void **state) {
    (void)state;
    static const uint32_t tokens[30] = {0};
    struct oracle oracle;
    struct oracle_request request = request_of(1);
    request.tokens = tokens;
    request.token_count = 30;
    need_oracle(&oracle, &request);
    assert_int_equal(oracle.golden.prompts->prompt_count, 30);
    assert_int_equal(oracle.golden.prompts->step_count, 0);
    oracle_close(&oracle);
}

static void drawn_prompts_depend_on_the_seed_alone(void **state) {
    (void)state;
    struct oracle oracles[3];
    for (size_t i = 0; i < 3; i++) {
        struct oracle_request request = request_of(i == 2 ? 6 : 5);
        request.context = i == 1 ? 100 : 20;
        need_oracle(&oracles[i], &request);
    }
    const struct golden_prompt *prompt = oracles[0].golden.prompts;
    assert_int_equal(prompt->prompt_count, 10); // half of the context
    assert_true(oracles[1].golden.prompts->prompt_count > 10);
    const size_t bytes = 10 * sizeof *prompt->ids;
    assert_memory_equal(prompt->ids, oracles[1].golden.prompts->ids, bytes);
    assert_memory_not_equal(prompt->ids, oracles[2].golden.prompts->ids, bytes);
    for (size_t i = 0; i < 10; i++)
        assert_true(prompt->ids[i] < (uint32_t)made.model.vocab);
    for (size_t i = 0; i < 3; i++)
        oracle_close(&oracles[i]);
}

static void computed_logits_are_the_references(void **state) {
    (void)state;
    struct oracle oracle;
    const struct oracle_request request = request_of(5);
    need_oracle(&oracle, &request);
    struct golden_prompt *prompt = oracle.golden.prompts;
    prompt->ids[10] = 3;
    prompt->step_count = 2;
    struct reference *reference = reference_open(&request.reference, NULL);
    assert_non_null(reference);
    const size_t bytes = request.vocab * sizeof(float);
    uint32_t position = 0;
    for (size_t k = 0; k < golden_positions(prompt); k++) {
        for (; position <= golden_fed_token(prompt, k); position++)
            reference_step(reference, prompt->ids[position], position);
        assert_memory_equal(oracle_logits(&oracle, prompt, k),
                            reference_value(reference, made.model.node_count - 1), bytes);
    }
    assert_int_equal(position, 11); // the last token is not fed
    reference_close(reference);
    oracle_close(&oracle);
}

static void a_golden_file_has_the_prompts_of_both(void **state) {
    (void)state;
    static const char path[] = "specs/checkpoints/austen-3m/golden.safetensors";
    const struct oracle_request request = {.golden = path, .vocab = 2048};
    struct monogen_error error = {0};
    struct oracle oracle;
    float wanted[2048];
    assert_true(oracle_open(&request, &oracle, &error));
    assert_int_equal(oracle.golden.count, 3);
    assert_null(oracle.reference);
    for (size_t i = 0; i < oracle.golden.count; i++) {
        const struct golden_prompt *prompt = &oracle.golden.prompts[i];
        golden_logits(&oracle.golden, prompt, 4, wanted);
        assert_memory_equal(oracle_logits(&oracle, prompt, 4), wanted, sizeof wanted);
    }
    oracle_close(&oracle);
    // a computing one refuses what is no golden file of its model, too
    struct oracle_request other = request_of(1);
    other.golden = path;
    assert_false(oracle_open(&other, &oracle, &error));
    oracle_close(&oracle);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_given_prompt_has_room_to_go_on),
        cmocka_unit_test(a_prompt_beyond_the_context_is_left_to_the_kernel),
        cmocka_unit_test(drawn_prompts_depend_on_the_seed_alone),
        cmocka_unit_test(computed_logits_are_the_references),
        cmocka_unit_test(a_golden_file_has_the_prompts_of_both),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
