//@ local body = current_body
//@ local shape = body.name .. "_shape"
//@ local first, end_ = body.partition .. "_first()", body.partition .. "_end()"
//@ local head, gate = body.epilogue == "logits", body.epilogue == "gate"
//@ local padded = body.units * body.unit_columns
//@ local passes = body.max_tiles > body.pass_tiles
//@ local from_mail, normed = body.input == "mailbox", body.prologue == "rmsnorm"
//@ local publishes = #body.writes > 0
//@ -- What a prologue, an epilogue and the stage, which has both, take beside the worker.
//@ local function names(...)
//@   local parameters, passed = {}, {}
//@   for _, parameter in ipairs({ ... }) do
//@     if parameter[3] then
//@       parameters[#parameters + 1] = parameter[1] .. " " .. parameter[2]
//@       passed[#passed + 1] = ", " .. parameter[2]
//@     end
//@   end
//@   return parameters, table.concat(passed)
//@ end
//@ local mail_in, norm = { "Mail", "in", from_mail }, { "u64", "norm_offset", normed }
//@ local mail_out, bias = { "Mail", "out", publishes }, { "u64", "bias_offset", body.bias }
//@ local mail_of_rows, best = { "Mail", "out", publishes and not head }, { "Candidate &", "best", head }
//@ local of_prologue, to_prologue = names(mail_in, norm)
//@ local of_epilogue, to_epilogue = names(mail_of_rows, bias, best)
//@ -- Expressions: the staged value of x, row `i` of the pass, and what is done to it.
//@ local function staged(x)
//@   return body.input_scale == 1 and x or x .. " * " .. float(body.input_scale)
//@ end
//@ local function product_row(i)
//@   return "product_row<" .. shape .. ">(" .. i .. ")" .. (body.bias and " + bias[first_row + " .. i .. "]" or "")
//@ end
//@ local function finished(x)
//@   if body.scale ~= 1 then x = float(body.scale) .. " * " .. x end
//@   if body.activation ~= "none" then x = body.activation .. "(" .. x .. ")" end
//@   if body.softcap > 0 then x = "softcap(" .. x .. ", " .. float(body.softcap) .. ")" end
//@   return x
//@ end

// $(body.name): $(body.summary)
// $(body.rows) rows x $(body.columns) columns.
DEVICE Slice $(body.name)_slice(const Worker &worker) {
    const int tiles = $(end_) - $(first);
//@ if head then
    return Slice{head_weights(worker), tiles, $(shape)::UNITS};
//@ else
    return Slice{worker.run, tiles, $(shape)::UNITS};
//@ end
}

// $(from_mail and "Awaits the input" or "Takes the residual") and stages it for the product.
//@ local rest = continued("DEVICE void " .. body.name .. "_prologue(Worker &worker", of_prologue)
DEVICE void $(body.name)_prologue(Worker &worker$(rest)) {
    constexpr int COLUMNS = $(shape)::COLUMNS;
//@ if normed then
    float squares = 0;
//@   if from_mail then
    receive<COLUMNS>(worker, in.slot, in.epoch, [&](u32 i, u32 value) {
        const float x = from_bits(value);
        squares += x * x;
        stage_activation(i, x);
    });
//@   else
    for (int i = (int)lane(); i < COLUMNS; i += (int)WAVE_LANES)
        squares += lds.residual[i] * lds.residual[i];
//@   end
    const float mean = sum_over<(int)WAVE_LANES>(squares) / (float)COLUMNS;
    const float scale = reciprocal_sqrt(mean + NORM_EPS);
    const float *norm = (const float *)(worker.vectors + fresh(norm_offset));
//@   local x = from_mail and "lds.activation[i]" or "lds.residual[i]"
    for (int i = (int)lane(); i < COLUMNS; i += (int)WAVE_LANES)
        stage_activation(i, $(staged(x .. " * scale * norm[i]")));
//@ elseif from_mail then
    receive<COLUMNS>(worker, in.slot, in.epoch,
                     [&](u32 i, u32 value) { stage_activation(i, $(staged("from_bits(value)"))); });
//@ else
    (void)worker;
    for (int i = (int)lane(); i < COLUMNS; i += (int)WAVE_LANES)
        stage_activation(i, $(staged("lds.residual[i]")));
//@ end
//@ if padded > body.columns then
    // The last unit is padded: its weights are zero, and its activations must be finite.
    for (int i = COLUMNS + (int)lane(); i < $(padded); i += (int)WAVE_LANES)
        stage_activation(i, 0);
//@ end
}

//@ if head then
// The best token that this lane has seen.
struct Candidate {
    float score;
    u32 token;
};
DEVICE bool better(Candidate a, Candidate b) {
    return a.score > b.score || (a.score == b.score && a.token < b.token);
}
template <int MASK> DEVICE void take_better(Candidate &best) {
    if constexpr (MASK < (int)WAVE_LANES) {
        const Candidate other = {from_bits(lane_xor<MASK>(bits(best.score))),
                                 lane_xor<MASK>(best.token)};
        if (better(other, best))
            best = other;
        take_better<MASK * 2>(best);
    }
}

//@ end
// Finishes the rows of one pass: first_tile is the pass's first tile of this CU.
//@ local before = "DEVICE void " .. body.name .. "_epilogue(Worker &worker, int first_tile, int tiles"
//@ local rest = continued(before, of_epilogue)
DEVICE void $(body.name)_epilogue(Worker &worker, int first_tile, int tiles$(rest)) {
    constexpr int ROWS = $(shape)::ROWS;
    constexpr int TILE_ROWS = $(shape)::TILE_ROWS;
    const int first_row = ($(first) + first_tile) * TILE_ROWS;
    const int left = ROWS - first_row;
    const int rows = left < tiles * TILE_ROWS ? left : tiles * TILE_ROWS;
//@ if body.bias then
    const float *bias = (const float *)(worker.vectors + fresh(bias_offset));
//@ end
//@ if gate then
    // Rows of gate and up take turns: a lane has a pair of them.
//@ end
//@ local step, row = "WAVE_LANES", "base + lane()"
//@ if gate then step, row = "2 * WAVE_LANES", "base + 2 * lane()" end
    for (u32 base = 0; base < $(shape)::PASS_ROWS; base += $(step)) {
        const int i = (int)($(row));
        if (i >= rows)
            return;
//@ if gate then
        const float gate = $(product_row("i"));
        const float up = $(product_row("i + 1"));
        const float gated = $(finished("gate")) * up;
        publish(worker, out.slot + (first_row + i) / 2, bits(gated), out.epoch);
//@ else
        const float x = $(product_row("i"));
//@   if body.epilogue == "rows" then
        publish(worker, out.slot + first_row + i, bits($(finished("x"))), out.epoch);
//@   elseif body.epilogue == "residual" then
        float *residual = &lds.residual[first_tile * TILE_ROWS + i];
        *residual += $(finished("x"));
//@     if publishes then
        publish(worker, out.slot + first_row + i, bits(*residual), out.epoch);
//@     else
        (void)worker;
//@     end
//@   elseif head then
        const Candidate candidate = {$(finished("x")), (u32)(first_row + i)};
        if (better(candidate, best))
            best = candidate;
        if (argument_export_logits()) {
            const u64 step = worker.position - argument_first_position();
            argument_logits()[step * ROWS + candidate.token] = candidate.score;
        }
//@   end
//@ end
    }
}

//@ local before = "DEVICE void stage_" .. body.name .. "(Worker &worker, Stream &stream, u32 step"
//@ local rest = continued(before, (names(mail_in, mail_out, norm, bias)))
//@ stage_lines[body.op] = here()
template <u32 KIND, Slice (*next_slice)(const Worker &)>
DEVICE void stage_$(body.name)(Worker &worker, Stream &stream, u32 step$(rest)) {
    worker.step = step;
    Slice slice = $(body.name)_slice(worker);
//@ if not head then
    worker.run += (u64)slice.tiles * $(shape)::UNITS * UNIT_BYTES;
//@ end
    const Slice next = next_slice(worker);
//@ if head then
    Candidate best = {-__builtin_inff(), 0xFFFFFFFF};
//@ end
    if constexpr (KIND & HANDS_OFF)
        if (slice.tiles > 0)
            $(body.name)_prologue(worker$(to_prologue));
//@ if passes then
    const int tiles = slice.tiles;
    int done = 0;
    NO_UNROLL
    do {
        const int left = tiles - done;
        slice.tiles = left < $(shape)::PASS_TILES ? left : $(shape)::PASS_TILES;
        Slice following = next;
        if (left > $(shape)::PASS_TILES)
            following = Slice{slice.start + (u64)slice.tiles * $(shape)::UNITS * UNIT_BYTES,
                              left - slice.tiles, $(shape)::UNITS};
        workgroup_barrier(); // the activation is staged, the partial sums are free
        if constexpr (KIND & STREAMS)
            tile_product<$(shape)>(stream, slice, following);
        workgroup_barrier(); // the partial sums are there
        if constexpr (KIND & HANDS_OFF)
            $(body.name)_epilogue(worker, done, slice.tiles$(to_epilogue));
        slice.start = following.start;
        done += $(shape)::PASS_TILES;
    } while (done < tiles);
//@ else
    workgroup_barrier(); // the activation is staged
    if constexpr (KIND & STREAMS)
        tile_product<$(shape)>(stream, slice, next);
    workgroup_barrier(); // the partial sums are there
    if constexpr (KIND & HANDS_OFF)
        $(body.name)_epilogue(worker, 0, slice.tiles$(to_epilogue));
//@ end
//@ if head then
    // Every CU publishes a candidate, also one without rows: the selection waits for all.
    if constexpr (KIND & HANDS_OFF) {
        take_better<1>(best);
        if (lane() == 0) {
            const u32 slot = out.slot + worker.cu * $(body.writes[1].per_cu);
            publish(worker, slot, bits(best.score), out.epoch);
            publish(worker, slot + 1, best.token, out.epoch);
        }
    }
//@ end
}
