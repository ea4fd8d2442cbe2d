return { inner = library "loop" }
