#include "generator/commands/commands.h"

#define SPEC_MEANING                                                                               \
    "SPEC is a Lua file or the name of one under specs/models; HF_DIR is a Hugging Face folder\n"  \
    "with config.json and its weights.\n"

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
    {"inspect", "DIR [VIEW [WHICH]] [--json]", 1, 8,
     "answers questions about a folder that generate wrote", NULL, print_inspect_views,
     inspect_command},
    {"doctor", "[--json]", 0, 0, "says what this machine has, and what each absence costs", NULL,
     NULL, doctor_command},
};

const size_t verb_count = sizeof verbs / sizeof *verbs;
