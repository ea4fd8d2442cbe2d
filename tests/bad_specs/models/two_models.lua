-- two models in one file
model { name = "a" }
model { name = "b" }
