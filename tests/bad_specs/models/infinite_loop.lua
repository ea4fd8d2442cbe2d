-- it never ends
while true do end
model {}
