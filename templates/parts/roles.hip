//@ -- Partitions that stages look up by CU; those of one tile or one tile a CU need no table.
//@ local machine = plan.machine
//@ dealt = {}
//@ for _, partition in ipairs(plan.partitions) do
//@   if partition.name ~= "select" and partition.name ~= "every_cu" then dealt[#dealt + 1] = partition end
//@ end
//@ streamed = {}
//@ for _, region in ipairs(plan.regions) do
//@   if region.layout == "tiles" then streamed[#streamed + 1] = region end
//@ end
// The XCDs in use and the roles that live on each; a workgroup learns its XCD at run time and takes
// one of them.
struct XcdRoles {
    u32 xcd, iod, first_cu, cus;
};
CONSTANT_TABLE XcdRoles XCD_ROLES[XCDS] = {
//@ for _, xcd in ipairs(machine.xcds) do
    {$(xcd.xcd), $(xcd.iod), $(xcd.first_cu), $(xcd.cus)},
//@ end
};

// The first tile of each partition, and where the run of weights starts in each region. Row c + 1
// ends what row c begins.
struct Role {
//@ for _, partition in ipairs(dealt) do
    int $(partition.name);
//@ end
//@ for _, region in ipairs(streamed) do
    u64 $(region.name)_weights;
//@ end
};
CONSTANT_TABLE Role ROLES[CUS + 1] = {
//@ for cu = 0, machine.cus do
//@   local fields = {}
//@   for _, partition in ipairs(dealt) do fields[#fields + 1] = partition.first_tile[cu + 1] end
//@   for _, region in ipairs(streamed) do
//@     fields[#fields + 1] = hex(region.offset + (region.cu_offset[cu + 1] or region.bytes))
//@   end
    {$(table.concat(fields, ", "))}, // $(cu < machine.cus and "CU " .. cu or "end")
//@ end
};
