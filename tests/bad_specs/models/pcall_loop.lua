-- it never ends and catches what would stop it
while true do
  pcall(function() while true do end end)
end
