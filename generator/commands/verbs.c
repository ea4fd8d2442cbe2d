#include "generator/commands/commands.h"

#define SPEC_MEANING                                                                               \
    "SPEC is a Lua file or the name of one under specs/models; HF_DIR is a Hugging Face folder\n"  \
    "with config.json and its weights.\n"

#define TOKENIZER_MEANING                                                                          \
    "DIR is a folder with a tokenizer.json, such as a Hugging Face checkpoint, or the name of a\n" \
    "SPEC that has a checkpoint under specs/checkpoints.\n"

const struct verb verbs[] = {
    {"generate", "SPEC|HF_DIR [OPTION]...", 0, 1,
     "writes a model's kernel for a target, with the artefact of every stage of its making",
     SPEC_MEANING "With --plan FILE the plan takes the place of SPEC, --target and --set.\n",
     print_set_keys, generate_command},
    {"run", "SPEC|HF_DIR [OPTION]... [-]", 1, 2,
     "continues a text, generating the kernel where the cache lacks it",
     SPEC_MEANING
     "The continuation goes to standard output as it is produced, without the prompt and without\n"
     "special tokens; as token ids where the weights come without a tokenizer. Speed goes to\n"
     "standard error. A lone - reads the prompt from standard input.\n",
     NULL, run_command},
    {"verify", "SPEC|HF_DIR [OPTION]...", 1, 1,
     "compares the kernel's logits with reference logits, teacher-forced",
     SPEC_MEANING
     "Reference logits are those of a golden file, which has prompts and their continuations, or\n"
     "are computed here, for any prompt (--compare reference).\n"
     "Compared positions of each prompt: every position of the prompt, then each step of the\n"
     "continuation; --steps N keeps the first N of them, of each prompt, so that every prompt is\n"
     "tried. The kernel's own decode loop must choose the golden continuation, unless the\n"
     "reference's margin is within twice the largest error of that step; where logits are\n"
     "computed, what it chooses is the continuation, and each choice is compared. With a bf16 KV\n"
     "cache the median of all positions must not exceed 1e-2 either, 1e-3 where logits are\n"
     "computed. Exit status 1 on a difference.\n",
     NULL, verify_command},
    {"tokenize", "DIR [--plain] [--json] | DIR --golden FILE", 1, 1,
     "turns a text into token ids, or compares a tokenizer with the reference's golden file",
     TOKENIZER_MEANING
     "The text is standard input to its end, UTF-8, with nothing stripped; its ids go on one line\n"
     "with blanks between. Special tokens that stand in the text are found with --plain too.\n"
     "With --golden the ids with and without special tokens and the texts of both are compared, "
     "and\n"
     "the first row that differs is named: exit status 1.\n\n"
     "  printf 'It is a truth' | monogen tokenize austen-3m --json\n",
     NULL, tokenize_command},
    {"detokenize", "DIR [--skip-special]", 1, 1, "turns token ids into their text",
     TOKENIZER_MEANING
     "The ids are standard input to its end, blanks or a comma between, or a JSON array: what\n"
     "tokenize prints. The text goes to standard output as it is. Bytes that form no character\n"
     "become U+FFFD.\n\n"
     "  printf 'It is a truth' | monogen tokenize austen-3m | monogen detokenize austen-3m\n",
     NULL, detokenize_command},
    {"inspect", "DIR [VIEW [WHICH]] [--json]", 1, 8,
     "answers questions about a folder that generate wrote", NULL, print_inspect_views,
     inspect_command},
    {"doctor", "[--json]", 0, 0, "says what this machine has, and what each absence costs", NULL,
     NULL, doctor_command},
    {"bench", "SPEC|HF_DIR [OPTION]...", 1, 1,
     "measures a kernel's speed, beside the read bandwidth of the machine",
     SPEC_MEANING
     "A repeat is one launch at each context and one sweep. On the host every CU's thread reads\n"
     "its share of the weights with plain vector loads, as fast as it can. On a GPU kernels that\n"
     "do nothing else read several GB, once by plain loads and once by bulk copies into LDS; the\n"
     "faster counts. They take turns, so that what else the machine does falls on all alike.\n"
     "A context is filled with random K and V, not decoded.\n"
     "us/token is the whole launch over its tokens: attention, LM head, choice and delivery of\n"
     "the token included. \"of sweep\" is the GB/s of a token's weights, K and V over those of "
     "the\n"
     "best sweep; \"cpu time\" the same ratio in processor time, which other programs on the\n"
     "machine hardly change (time that CUs wait for each other counts). \"text\" is a digest of "
     "the\n"
     "tokens: equal for equal results. \"J/token\" is the energy of a GPU's whole board, where "
     "the\n"
     "driver tells it.\n",
     NULL, bench_command},
    {"tune", "SPEC|HF_DIR [OPTION]...", 1, 1,
     "measures how many CUs and which tiles are fastest on this machine, and keeps the best",
     SPEC_MEANING
     "Measured are the planner's own choice, and every number of CUs (1 to the processors, and "
     "two\n"
     "more) with every height of a tile that the engine can do, on random weights. Rounds take\n"
     "turns through all points; the median decides. Points far behind are given up after two\n"
     "rounds. The result is signed by all that it depends on (model, target, templates, "
     "generator,\n"
     "compiler, machine): generate, run, verify and bench use it where all of that still fits and\n"
     "--set sets no tuning key, and say so. Ctrl-C keeps what was there before.\n",
     NULL, tune_command},
};

const size_t verb_count = sizeof verbs / sizeof *verbs;
