//@ -- What is done to rows one by one: only what some body uses.
//@ local used = {}
//@ for _, body in ipairs(plan.bodies) do
//@   used[body.activation] = true
//@   if body.softcap > 0 then used.softcap = true end
//@ end
//@ if used.silu then
DEVICE float silu(float x) { return x / (1.0f + exponential(-x)); }
//@ end
//@ if used.gelu then
DEVICE float gelu(float x) { return 0.5f * x * (1.0f + error_function(x * 0.70710678118654752f)); }
//@ end
//@ if used.gelu_tanh then
DEVICE float gelu_tanh(float x) {
    const float inner = 0.79788456080286536f * (x + 0.044715f * x * x * x);
    return 0.5f * x * (1.0f + hyperbolic_tangent(inner));
}
//@ end
//@ if used.softcap then
DEVICE float softcap(float x, float cap) { return cap * hyperbolic_tangent(x / cap); }
//@ end
