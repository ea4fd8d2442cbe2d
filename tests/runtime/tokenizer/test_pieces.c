// How a text is cut: splits, added tokens, templates, and how pieces are merged. What is expected
// is what the reference library gives.
#include "tests/runtime/tokenizer/tokenizer_fixture.h"

// Splits ".ab..c." at the dots, every piece behind a "d", which shows where pieces begin.
static void expect_split(const char *behavior, const char *invert, const char *pieces) {
    char json[2000];
    snprintf(json, sizeof json,
             "{" LETTER_MODEL ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
             "{\"type\":\"Split\",\"pattern\":{\"String\":\".\"},\"behavior\":\"%s\","
             "\"invert\":%s},{\"type\":\"Metaspace\",\"replacement\":\"d\","
             "\"prepend_scheme\":\"always\",\"split\":false}]}}",
             behavior, invert);
    struct tokenizer *tokenizer = open_text(json);
    struct token_list expected = {0};
    struct monogen_error error;
    struct tokenizer *plain = open_text("{" LETTER_MODEL "}");
    assert_true(tokenizer_encode(plain, pieces, strlen(pieces), true, &expected, &error));
    expect_ids(tokenizer, ".ab..c.", 7, true, expected.ids, expected.count);
    token_list_free(&expected);
    tokenizer_close(plain);
    tokenizer_close(tokenizer);
}

static void splits_send_matches_where_they_belong(void **state) {
    (void)state;
    expect_split("Removed", "false", "dabdc");
    expect_split("Removed", "true", "d.d.d.d.");
    expect_split("Isolated", "false", "d.dabd.d.dcd.");
    expect_split("Isolated", "true", "d.dabd.d.dcd.");
    expect_split("Contiguous", "false", "d.dabd..dcd.");
    expect_split("MergedWithPrevious", "false", "d.dab.d.dc.");
    expect_split("MergedWithPrevious", "true", "d.abd.d.cd.");
    expect_split("MergedWithNext", "false", "d.abd.d.cd.");
    expect_split("MergedWithNext", "true", "d.dab.d.dc.");
}

#define FLAGS(single, left, right)                                                                 \
    "\"single_word\":" single ",\"lstrip\":" left ",\"rstrip\":" right ",\"normalized\":false,"    \
    "\"special\":true"

static void added_tokens_are_found_by_their_flags(void **state) {
    (void)state;
    struct tokenizer *tokenizer =
        open_text("{" LETTER_MODEL ",\"added_tokens\":["
                  "{\"id\":12,\"content\":\"<w>\"," FLAGS(
                      "true", "false",
                      "false") "},"
                               "{\"id\":13,\"content\":\"<d>\"," FLAGS(
                                   "false", "true",
                                   "false") "},"
                                            "{\"id\":14,\"content\":\"<b>\"," FLAGS(
                                                "false", "false",
                                                "true") "},"
                                                        "{\"id\":20,\"content\":\"<bb>\"," FLAGS(
                                                            "false", "false", "false") "}]}");
    EXPECT_IDS(tokenizer, "a<w>b", 0, 9, 11, 10, 1);
    EXPECT_IDS(tokenizer, "a <w> b", 0, 5, 12, 5, 1);
    EXPECT_IDS(tokenizer, "<w>", 12);
    EXPECT_IDS(tokenizer, "a  <d>b", 0, 13, 1);
    EXPECT_IDS(tokenizer, "<b>  b <d>", 14, 1, 13);
    EXPECT_IDS(tokenizer, "<bb><b", 20, 9, 1);
    assert_int_equal(tokenizer_token_count(tokenizer), 21); // 15 to 19 have no token
    EXPECT_TEXT(tokenizer, "<bb> a", false, 20, 17, 0);
    tokenizer_close(tokenizer);
}

// The reference knows special tokens by their content when it skips them, and a token that the
// normalizer changes is decoded to something else.
static void special_tokens_are_skipped_by_their_content(void **state) {
    (void)state;
    struct tokenizer *tokenizer = open_text(
        "{" LETTER_MODEL ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"w\"},"
        "\"content\":\"d\"},\"added_tokens\":["
        "{\"id\":12,\"content\":\"<w>\",\"normalized\":true,\"special\":true},"
        "{\"id\":13,\"content\":\"<a>\",\"normalized\":true,\"special\":true},"
        "{\"id\":14,\"content\":\"<ww>\",\"normalized\":false,\"special\":true}]}");
    EXPECT_IDS(tokenizer, "<w><d><a><ww>", 12, 12, 13, 14);
    EXPECT_TEXT(tokenizer, "a <d> <a> <ww> b", false, 0, 12, 13, 14, 1);
    EXPECT_TEXT(tokenizer, "a <d> b", true, 0, 12, 13, 14, 1);
    assert_true(tokenizer_is_special(tokenizer, 12));
    tokenizer_close(tokenizer);
}

static void template_goes_around_the_text(void **state) {
    (void)state;
    struct tokenizer *tokenizer = open_text(
        "{" LETTER_MODEL ",\"post_processor\":{\"type\":\"Sequence\",\"processors\":["
        "{\"type\":\"ByteLevel\"},{\"type\":\"TemplateProcessing\",\"single\":["
        "{\"SpecialToken\":{\"id\":\"x\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\"}},"
        "{\"SpecialToken\":{\"id\":\"y\",\"type_id\":0}}],"
        "\"special_tokens\":{\"x\":{\"ids\":[9]},\"y\":{\"ids\":[10,11]}}},"
        "{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\"}},"
        "{\"SpecialToken\":{\"id\":\"x\"}}],\"special_tokens\":{\"x\":{\"ids\":[0]}}}]}}");
    EXPECT_IDS(tokenizer, "d", 9, 3, 10, 11, 0);
    EXPECT_IDS(tokenizer, "", 9, 10, 11, 0);
    expect_ids(tokenizer, "d", 1, false, (const uint32_t[]){3}, 1);
    tokenizer_close(tokenizer);
}

static void merges_go_by_rank(void **state) {
    (void)state;
    struct tokenizer *tokenizer = open_text("{" LETTER_MODEL "}");
    EXPECT_IDS(tokenizer, "abc", 8);
    EXPECT_IDS(tokenizer, "bcab", 7, 6);
    EXPECT_IDS(tokenizer, "aabcc", 0, 8, 2);
    EXPECT_IDS(tokenizer, "azb", 6); // without unk_token, "z" gives nothing
    tokenizer_close(tokenizer);
}

// Merging as it is defined: of all pairs the one of the lowest rank, the leftmost of these.
static size_t merge_slowly(uint32_t *ids, size_t count, const uint32_t (*merges)[3],
                           size_t merge_count) {
    for (;;) {
        size_t best = merge_count, place = 0;
        for (size_t i = 0; i + 1 < count; i++)
            for (size_t rank = 0; rank < best; rank++)
                if (merges[rank][0] == ids[i] && merges[rank][1] == ids[i + 1]) {
                    best = rank;
                    place = i;
                }
        if (best == merge_count)
            return count;
        ids[place] = merges[best][2];
        memmove(&ids[place + 1], &ids[place + 2], (count - place - 2) * sizeof *ids);
        count--;
    }
}

static void merging_agrees_with_its_definition(void **state) {
    (void)state;
    enum { LETTER_COUNT = 5, MERGES = 24, WORD = 120 };
    unsigned seed = 7;
    for (int round = 0; round < 200; round++) {
        char texts[LETTER_COUNT + MERGES][64] = {"a", "b", "c", "d", "e"};
        uint32_t merges[MERGES][3];
        size_t tokens = LETTER_COUNT, merge_count = 0;
        for (int attempt = 0; attempt < 200 && merge_count < MERGES; attempt++) {
            uint32_t left = (uint32_t)rand_r(&seed) % (uint32_t)tokens;
            uint32_t right = (uint32_t)rand_r(&seed) % (uint32_t)tokens;
            char joined[128];
            snprintf(joined, sizeof joined, "%s%s", texts[left], texts[right]);
            bool known = strlen(joined) > 12;
            for (size_t i = 0; i < tokens; i++)
                known = known || strcmp(texts[i], joined) == 0;
            if (known)
                continue;
            memcpy(texts[tokens], joined, strlen(joined) + 1);
            memcpy(merges[merge_count++], (uint32_t[]){left, right, (uint32_t)tokens++},
                   sizeof *merges);
        }
        char json[8192] = "{\"model\":{\"vocab\":{";
        for (size_t i = 0; i < tokens; i++)
            sprintf(json + strlen(json), "%s\"%s\":%zu", i ? "," : "", texts[i], i);
        strcat(json, "},\"merges\":[");
        for (size_t i = 0; i < merge_count; i++)
            sprintf(json + strlen(json), "%s\"%s %s\"", i ? "," : "", texts[merges[i][0]],
                    texts[merges[i][1]]);
        strcat(json, "]}}");
        struct tokenizer *tokenizer = open_text(json);
        char word[WORD + 1] = "";
        uint32_t ids[WORD];
        size_t letters = 0;
        for (int i = 0; i < WORD; i++) {
            // the last letter has no token: those beside it meet
            uint32_t letter = (uint32_t)rand_r(&seed) % (LETTER_COUNT + 1);
            word[i] = (char)('a' + (int)letter);
            if (letter < LETTER_COUNT)
                ids[letters++] = letter;
        }
        size_t count = merge_slowly(ids, letters, (const uint32_t(*)[3])merges, merge_count);
        expect_ids(tokenizer, word, WORD, true, ids, count);
        tokenizer_close(tokenizer);
    }
}

static void unknown_characters_fuse_or_fall_back(void **state) {
    (void)state;
    struct tokenizer *fused =
        open_text("{\"model\":{\"unk_token\":\"?\",\"fuse_unk\":true,\"vocab\":{\"?\":0,\"a\":1},"
                  "\"merges\":[]}}");
    EXPECT_IDS(fused, "xyazx", 0, 1, 0);
    tokenizer_close(fused);
    struct tokenizer *single =
        open_text("{\"model\":{\"unk_token\":\"?\",\"vocab\":{\"?\":0,\"a\":1},\"merges\":[]}}");
    EXPECT_IDS(single, "xyaz", 0, 0, 1, 0);
    tokenizer_close(single);
    struct tokenizer *bytes =
        open_text("{\"model\":{\"unk_token\":\"?\",\"byte_fallback\":true,"
                  "\"vocab\":{\"?\":0,\"<0xC3>\":1,\"<0xA9>\":2},\"merges\":[]},"
                  "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},"
                  "{\"type\":\"Fuse\"}]}}");
    EXPECT_IDS(bytes, "\xC3\xA9", 1, 2);
    EXPECT_IDS(bytes, "x", 0);
    EXPECT_TEXT(bytes, "\xC3\xA9?", false, 1, 2, 0);
    EXPECT_TEXT(bytes, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD?\xEF\xBF\xBD", false, 1, 2, 1, 0, 2);
    tokenizer_close(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_send_matches_where_they_belong),
        cmocka_unit_test(added_tokens_are_found_by_their_flags),
        cmocka_unit_test(special_tokens_are_skipped_by_their_content),
        cmocka_unit_test(template_goes_around_the_text),
        cmocka_unit_test(merges_go_by_rank),
        cmocka_unit_test(merging_agrees_with_its_definition),
        cmocka_unit_test(unknown_characters_fuse_or_fall_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
