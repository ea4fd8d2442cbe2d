-- files are out of reach
local f = io.open("/etc/passwd")
model { name = f:read() }
