-- nothing but a name
model {
  name = "mine", family = "llama", dtype = "bf16",
}
