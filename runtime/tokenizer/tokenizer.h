// Text to token ids and back, as the tokenizer.json of a Hugging Face checkpoint folder says.
//
//     struct tokenizer *tokenizer;
//     if (!tokenizer_open("specs/checkpoints/austen-3m", &tokenizer, &error)) ...
//     struct token_list prompt = {0};
//     if (!tokenizer_encode(tokenizer, "Emma was", 8, true, &prompt, &error)) ...
//     ...
//     token_list_free(&prompt);
//     tokenizer_close(tokenizer);
//
// What the file asks for is done exactly or refused by name when it is opened. An open tokenizer
// does not change: several threads may use it, each with its own stream.
#ifndef RUNTIME_TOKENIZER_TOKENIZER_H
#define RUNTIME_TOKENIZER_TOKENIZER_H

#include "runtime/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tokenizer;

// Token ids that grow; all zero is the empty list. The owner frees it with token_list_free.
struct token_list {
    uint32_t *ids; // [count]
    size_t count, capacity;
};

void token_list_free(struct token_list *list); // leaves the empty list

// Opens `folder`/tokenizer.json. A folder without that file is no error: true with *tokenizer NULL.
// False after filling *error: a file that cannot be read, is malformed, or asks for something that
// is not supported; *tokenizer is NULL then. The caller ends with tokenizer_close.
bool tokenizer_open(const char *folder, struct tokenizer **tokenizer, struct monogen_error *error);

void tokenizer_close(struct tokenizer *tokenizer); // NULL is fine

// Appends the ids of `text` ([text_bytes], valid UTF-8, NUL bytes allowed) to *ids. Added tokens
// that stand in the text are found in either case; `add_special_tokens` also puts those of the
// post-processor (such as the beginning of text) around it.
// False after filling *error, *ids as it was: text that is not UTF-8, a regular expression that
// takes too long, no memory.
bool tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t text_bytes,
                      bool add_special_tokens, struct token_list *ids, struct monogen_error *error);

// Stores the text of ids [count] in *text ([*text_bytes] valid UTF-8 and a NUL after it, the caller
// frees it). Ids without a token give nothing; with `skip_special` neither do special tokens. Bytes
// that form no character become U+FFFD. False after filling *error: no memory.
bool tokenizer_decode(const struct tokenizer *tokenizer, const uint32_t *ids, size_t count,
                      bool skip_special, char **text, size_t *text_bytes,
                      struct monogen_error *error);

// Decodes ids one at a time. The texts of all pushes and of the finish, put together, are what
// tokenizer_decode gives for the same ids.
struct tokenizer_stream;

// NULL after filling *error (no memory). The tokenizer must outlive the stream.
struct tokenizer_stream *tokenizer_stream_open(const struct tokenizer *tokenizer, bool skip_special,
                                               struct monogen_error *error);

// Takes one id and gives the text that later ids cannot change any more, in *text ([*text_bytes],
// whole UTF-8 characters, possibly none; never NULL). The stream owns it until the next call.
bool tokenizer_stream_push(struct tokenizer_stream *stream, uint32_t id, const char **text,
                           size_t *text_bytes, struct monogen_error *error);

// Gives what was held back, in the same way, and makes the stream ready for another text.
bool tokenizer_stream_finish(struct tokenizer_stream *stream, const char **text, size_t *text_bytes,
                             struct monogen_error *error);

void tokenizer_stream_close(struct tokenizer_stream *stream); // NULL is fine

// One more than the largest id; not every id below need have a token.
uint32_t tokenizer_token_count(const struct tokenizer *tokenizer);

bool tokenizer_has_token(const struct tokenizer *tokenizer, uint32_t id);
bool tokenizer_is_special(const struct tokenizer *tokenizer, uint32_t id); // false past the count

#endif
