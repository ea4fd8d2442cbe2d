//@ -- Attention beside the ring: in registers, as rows_vgpr does it.
//@ include("engine/rows_vgpr_attention.hip")
