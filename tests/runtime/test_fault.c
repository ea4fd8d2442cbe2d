#include "runtime/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct manifest_step steps[] = {{0, "embed", -1}, {29, "attention", 7}};
static const struct manifest_mailbox mailboxes[] = {
    {"hidden", 0, 100}, {"qkv", 100, 600}, {"gate", 600, 500}};
static const struct manifest manifest = {.target = {.name = "mi300x"},
                                         .steps = steps,
                                         .step_count = 2,
                                         .mailboxes = mailboxes,
                                         .mailbox_count = 3};

static void expect_message(struct kernel_control control, const char *message) {
    struct monogen_error error = {0};
    assert_false(fault_fail(&manifest, &control, 2, &error));
    assert_int_equal(error.status, MONOGEN_NO_ENVIRONMENT);
    assert_string_equal(error.message, message);
}

static const struct kernel_control handoff = {.fault = KERNEL_FAULT_HANDOFF,
                                              .fault_cu = 17,
                                              .fault_step = 29,
                                              .fault_slot = 512,
                                              .fault_epoch = 345,
                                              .fault_seen = 340,
                                              .fault_position = 12};

static void a_handoff_is_told_by_name(void **state) {
    (void)state;
    expect_message(handoff, "CU 17 waited at position 12 in step 29 (layer 7 attention) for pair "
                            "412 of mailbox qkv (epoch 345, saw 340) for 2 s: a hand-off never "
                            "came");
}

static void a_slot_that_mailboxes_share_names_all(void **state) {
    (void)state;
    struct kernel_control control = handoff;
    control.fault_slot = 699;
    control.fault_step = 0;
    expect_message(control, "CU 17 waited at position 12 in step 0 (embed) for pair 599 of mailbox "
                            "qkv or pair 99 of mailbox gate (epoch 345, saw 340) for 2 s: a "
                            "hand-off never came");
}

static void numbers_without_a_name_are_told_as_they_are(void **state) {
    (void)state;
    struct kernel_control control = handoff;
    control.fault_slot = UINT32_MAX;
    control.fault_step = UINT32_MAX;
    expect_message(control, "CU 17 waited at position 12 in step 4294967295 for pair 4294967295 of "
                            "the mailboxes (epoch 345, saw 340) for 2 s: a hand-off never came");
}

static void roles_are_told(void **state) {
    (void)state;
    expect_message(
        (struct kernel_control){
            .fault = KERNEL_FAULT_ROLES, .fault_cu = 3, .fault_step = 38, .fault_slot = 40},
        "XCD 3 got 40 workgroups, the kernel has 38 roles for it: the device dealt them "
        "otherwise than mi300x is described");
}

static void an_unknown_fault_is_told(void **state) {
    (void)state;
    expect_message((struct kernel_control){.fault = 77},
                   "the kernel reported fault 77, which this runtime does not know");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handoff_is_told_by_name),
        cmocka_unit_test(a_slot_that_mailboxes_share_names_all),
        cmocka_unit_test(numbers_without_a_name_are_told_as_they_are),
        cmocka_unit_test(roles_are_told),
        cmocka_unit_test(an_unknown_fault_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
