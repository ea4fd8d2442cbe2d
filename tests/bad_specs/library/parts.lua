-- A library as it should be.
return { norm = function(x, tensor) return rmsnorm(x, tensor) end }
