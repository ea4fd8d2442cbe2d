//@ local body = current_body
//@ local shape = body.name .. "_shape"
//@ local first, end_ = body.partition .. "_first()", body.partition .. "_end()"
//@ local head = body.epilogue == "logits"
//@ local padded = body.units * body.unit_columns
//@ local passes = body.max_tiles > body.pass_tiles
//@ local from_mail, normed = body.input == "mailbox", body.prologue == "rmsnorm"
//@ local publishes = #body.writes > 0
//@ local input_scale = body.input_scale == 1 and "" or " * " .. float(body.input_scale)
//@ -- Parameters of the prologue, of the epilogue, and of the stage, which has both.
//@ local function list(...)
//@   local parameters, passed = "", ""
//@   for _, parameter in ipairs({ ... }) do
//@     if parameter[3] then
//@       parameters = parameters .. ", " .. parameter[1] .. parameter[2]
//@       passed = passed .. ", " .. parameter[2]
//@     end
//@   end
//@   return parameters, passed
//@ end
//@ local mail_in, norm = { "Mail ", "in", from_mail }, { "u32 ", "norm_offset", normed }
//@ local mail_out, bias = { "Mail ", "out", publishes }, { "u32 ", "bias_offset", body.bias }
//@ local prologue_parameters, prologue_passed = list(mail_in, norm)
//@ local epilogue_parameters, epilogue_passed = list({ "Mail ", "out", publishes and not head }, bias, { "float ", "scale", normed }, { "Candidate &", "best", head })
//@ local parameters = list(mail_in, mail_out, norm, bias)

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
DEVICE void $(body.name)_prologue(Worker &worker$(prologue_parameters)) {
//@ if from_mail then
    constexpr u32 COUNT = $(body.reads[1].span.count), WIDE = pairs_a_load(COUNT);
//@ elseif normed then
    constexpr u32 WIDE = 1;
//@ end
//@ if normed then
    // 1 / rms is known when all has come: it is left to the rows of the product.
    float squares = 0;
    const float *norm = (const float *)(worker.vectors + fresh(norm_offset));
    const auto take = [&](u32 i, Floats<WIDE> x, Floats<WIDE> weight) {
        UNROLL
        for (u32 n = 0; n < WIDE; n++) {
            squares += x.x[n] * x.x[n];
            x.x[n] = x.x[n] * weight.x[n] $(input_scale);
        }
        stage_activations(i, x);
    };
//@   if from_mail then
    receive_prepared<COUNT, HANDOFF_WAVES>(
        worker, in.slot, in.epoch, [&](u32 i) { return *(const Floats<WIDE> *)(norm + i); },
        [&](u32 i, PairGroup<WIDE> group, Floats<WIDE> weight) {
            take(i, floats_of(group), weight);
        });
//@   else
    for (u32 i = handoff_lane(); i < $(body.columns); i += HANDOFF_LANES)
        take(i, Floats<1>{lds.residual[i]}, Floats<1>{norm[i]});
//@   end
    keep_squares(squares);
    expect_vectors(worker, norm_offset + $(body.columns) * 4, $(body.columns) * 4);
//@ elseif from_mail then
    receive_prepared<COUNT, HANDOFF_WAVES>(
        worker, in.slot, in.epoch, [](u32) { return 0; },
        [&](u32 i, PairGroup<WIDE> group, int) {
//@   if input_scale ~= "" then
            Floats<WIDE> x = floats_of(group);
            UNROLL
            for (u32 n = 0; n < WIDE; n++)
                x.x[n] = x.x[n] $(input_scale);
            stage_activations(i, x);
//@   else
            stage_activations(i, floats_of(group));
//@   end
        });
//@ else
    (void)worker;
    for (int i = (int)handoff_lane(); i < $(body.columns); i += HANDOFF_LANES)
        stage_activations(i, Floats<1>{$("lds.residual[i]" .. input_scale)});
//@ end
//@ if padded > body.columns then
    // The last unit is padded: its weights are zero, and its activations must be finite.
    for (int i = $(body.columns) + (int)handoff_lane(); i < $(padded); i += HANDOFF_LANES)
        stage_activations(i, Floats<1>{0});
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
//@ -- Row i of the pass, or the next of its tile, as the product leaves it, with what is done to rows
//@ -- one by one.
//@ local function finished(next)
//@   local x = "tile_row<Shape>(tile, row" .. next .. ")"
//@   if normed then x = "scale * " .. x end
//@   if body.bias then x = x .. " + bias[first_row + i" .. next .. "]" end
//@   return x
//@ end
//@ local function scaled(x)
//@   if body.scale ~= 1 then x = float(body.scale) .. " * (" .. x .. ")" end
//@   if body.activation ~= "none" then x = body.activation .. "(" .. x .. ")" end
//@   return x
//@ end
// Finishes the rows of one pass: first_tile is the pass's first tile of this CU.
//@ local rows = body.epilogue == "gate" and " * 2" or "" -- of a lane
$(declared("DEVICE void " .. body.name .. "_epilogue(Worker &worker, int first_tile, int tiles" .. epilogue_parameters .. ")")) {
    using Shape = $(shape);
    const int first_row = ($(first) + first_tile) * Shape::TILE_ROWS;
//@ if body.bias then
    const float *bias = (const float *)(worker.vectors + fresh(bias_offset));
//@ end
    for (u32 base = 0; base < Shape::PASS_TILES * Shape::TILE_ROWS; base += HANDOFF_LANES$(rows)) {
        const int i = (int)($("base + handoff_lane()" .. rows));
        if (i >= tiles * Shape::TILE_ROWS || first_row + i >= Shape::ROWS)
            return;
        const int tile = i / Shape::TILE_ROWS, row = i % Shape::TILE_ROWS;
//@ if body.epilogue == "gate" then
        const float gate = $(finished(""));
        const float up = $(finished(" + 1"));
        publish(worker, out.slot + (first_row + i) / 2, bits($(body.activation)(gate) * up),
                out.epoch);
//@ elseif body.epilogue == "rows" then
        const float x = $(finished(""));
        publish(worker, out.slot + first_row + i, bits($(scaled("x"))), out.epoch);
//@ elseif body.epilogue == "residual" then
        const float x = $(finished(""));
        float *residual = &lds.residual[first_tile * Shape::TILE_ROWS + i];
        *residual += $(scaled("x"));
//@   if publishes then
        publish(worker, out.slot + first_row + i, bits(*residual), out.epoch);
//@   else
        (void)worker;
//@   end
//@ elseif head then
        const float x = $(finished(""));
        const Candidate candidate = {
            $(body.softcap > 0 and "softcap(x, " .. float(body.softcap) .. ")" or "x"),
            (u32)(first_row + i)};
        if (better(candidate, best))
            best = candidate;
        if (argument_export_logits()) {
            const u64 step = worker.position - argument_first_position();
            argument_logits()[step * Shape::ROWS + candidate.token] = candidate.score;
        }
//@ end
    }
}

//@ stage_lines[body.op] = here()
template <u32 KIND, Slice (*next_slice)(const Worker &)>
$(declared("DEVICE void stage_" .. body.name .. "(Worker &worker, Stream &stream, u32 step" .. parameters .. ")")) {
    worker.step = step;
    Slice slice = $(body.name)_slice(worker);
//@ if not head then
    worker.run += (u64)slice.tiles * $(shape)::UNITS * UNIT_BYTES;
//@ end
    const Slice next = next_slice(worker);
//@ if head then
    Candidate best = {-infinity(), 0xFFFFFFFF};
//@ end
    if constexpr (KIND & HANDS_OFF)
        if (slice.tiles > 0)
            $(body.name)_prologue(worker$(prologue_passed));
//@ trace("    ", "GATHERS", "HANDS_OFF")
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
        stage_barrier(); // the activation is staged, the partial sums are free
//@   trace("        ", "STREAMS")
        tile_product<KIND, $(shape)>(worker, stream, slice, following);
//@   trace("        ", "FINISHES", "STREAMS")
//@   if normed then
        const float scale = (KIND & HANDS_OFF) ? norm_scale($(body.columns)) : 0;
//@   end
        stage_barrier(); // the partial sums are there
//@   trace("        ", "FINISHES", "HANDS_OFF")
        if constexpr (KIND & HANDS_OFF)
            $(body.name)_epilogue(worker, done, slice.tiles$(epilogue_passed));
        slice.start = following.start;
        done += $(shape)::PASS_TILES;
    } while (done < tiles);
//@ else
    stage_barrier(); // the activation is staged
//@   trace("    ", "STREAMS")
    tile_product<KIND, $(shape)>(worker, stream, slice, next);
//@   trace("    ", "FINISHES", "STREAMS")
//@   if normed then
    const float scale = (KIND & HANDS_OFF) ? norm_scale($(body.columns)) : 0;
//@   end
    stage_barrier(); // the partial sums are there
//@   trace("    ", "FINISHES", "HANDS_OFF")
    if constexpr (KIND & HANDS_OFF)
        $(body.name)_epilogue(worker, 0, slice.tiles$(epilogue_passed));
//@ end
//@ if head then
    // Every CU publishes a candidate, also one without rows: the selection waits for all.
    if constexpr (KIND & HANDS_OFF) {
        take_better<1>(best);
        if (HANDOFF_WAVES > 1 && lane() == 0) {
            lds.candidates[handoff_wave() * 2] = bits(best.score);
            lds.candidates[handoff_wave() * 2 + 1] = best.token;
        }
    }
    handoff_barrier<KIND>();
    if constexpr (KIND & HANDS_OFF) {
        for (u32 w = 1; w < HANDOFF_WAVES; w++) {
            const Candidate other = {from_bits(lds.candidates[w * 2]), lds.candidates[w * 2 + 1]};
            if (better(other, best))
                best = other;
        }
        // Where a wave of this CU gave up, no token may come of what the others made of it.
        if (handoff_lane() == 0 && lds.token[2] == 0) {
            const u32 slot = out.slot + worker.cu * $(body.writes[1].per_cu);
            publish(worker, slot, bits(best.score), out.epoch);
            publish(worker, slot + 1, best.token, out.epoch);
        }
    }
//@ end
}
