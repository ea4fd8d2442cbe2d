//@ -- Lookups over the plan and small formatting, shared by all templates. Emits nothing.
//@ local function by_name(list)
//@   local found = {}
//@   for _, item in ipairs(list) do found[item.name] = item end
//@   return found
//@ end
//@ bodies = by_name(plan.bodies)
//@ mailboxes = by_name(plan.mailboxes)
//@ partitions = by_name(plan.partitions)
//@ regions = by_name(plan.regions)
//@ windows = {} -- of each body of attention, whether some layer sees only the last positions
//@ for _, stage in ipairs(plan.stages) do
//@   if stage.window > 0 then windows[stage.body] = true end
//@ end
//@ stage_lines = {} -- of each op, the template line of its stage function
//@
//@ function pad(text, width)
//@   text = tostring(text)
//@   return text .. string.rep(" ", math.max(0, width - #text))
//@ end
//@ function left_pad(text, width)
//@   text = tostring(text)
//@   return string.rep(" ", math.max(0, width - #text)) .. text
//@ end
//@ COLUMNS = 100 -- of an emitted line
//@ -- A declaration or the arguments of a call, in lines that end after a comma, all but the first
//@ -- indented; `more` columns follow the last. Commas in deeper brackets than the first are left.
//@ function wrapped(text, indent, more)
//@   local lines, line, start, depth, listed = "", "", 1, 0, nil
//@   for i = 1, #text do
//@     local c = string.sub(text, i, i)
//@     if c == "(" or c == "{" then depth = depth + 1 end
//@     if c == ")" or c == "}" then depth = depth - 1 end
//@     if c == "," then listed = listed or depth end
//@     if (c == "," and depth == listed) or i == #text then
//@       local piece, room = string.sub(text, start, i), COLUMNS - (i == #text and more or 0)
//@       if line ~= "" and #line + #piece > room then
//@         lines = lines .. line .. "\n"
//@         line, piece = string.rep(" ", indent), string.sub(piece, 2)
//@       end
//@       line, start = line .. piece, i + 1
//@     end
//@   end
//@   return lines .. line
//@ end
//@ -- A function's head, its parameters under each other.
//@ function declared(text) return wrapped(text, string.find(text, "("), 2) end
//@ -- A declaration with a note behind it, or above it where both are too long for a line.
//@ function noted(indent, declaration, width, note)
//@   local line = indent .. pad(declaration, width) .. " // " .. note
//@   if #line <= COLUMNS then return line end
//@   return indent .. "// " .. note .. "\n" .. indent .. declaration
//@ end
//@ function hex(number) return string.format("0x%x", number) end
//@ function float(number) -- as a literal of C++: a whole number needs its point
//@   local digits = string.format("%.9g", number)
//@   local whole = not string.find(digits, ".") and not string.find(digits, "e")
//@   return digits .. (whole and ".0f" or "f")
//@ end
//@ function kib(bytes) return string.format("%.1f", bytes / KiB) end
//@ function rounded(number) return string.format("%.1f", number) end
//@
//@ -- Where the wave begins to do something else, for the trace: nothing where the plan does not ask
//@ -- for one. Of waves of one kind alone where `kind` says so.
//@ function trace(indent, state, kind)
//@   local guard = kind == "HANDS_OFF" and "if constexpr (KIND & HANDS_OFF) "
//@   if kind == "STREAMS" then guard = "if constexpr (!(KIND & HANDS_OFF)) " end
//@   if plan.trace then
$(indent .. (guard or ""))trace<KIND>(worker, KERNEL_TRACE_$(state));
//@   end
//@ end
//@
//@ -- Stages in order, cut into those before, inside (by layer) and after the layers.
//@ function stages_outside(after)
//@   local list = {}
//@   local seen_layer = false
//@   for _, stage in ipairs(plan.stages) do
//@     if stage.layer >= 0 then seen_layer = true
//@     elseif seen_layer == after then list[#list + 1] = stage end
//@   end
//@   return list
//@ end
//@ function stages_of_layer(layer)
//@   local list = {}
//@   for _, stage in ipairs(plan.stages) do
//@     if stage.layer == layer then list[#list + 1] = stage end
//@   end
//@   return list
//@ end
//@ -- The stage after number `index` of `list` that streams weights, or nil.
//@ function next_streaming(list, index)
//@   for i = index + 1, #list do
//@     if bodies[list[i].body].op == "linear" then return list[i] end
//@   end
//@   return nil
//@ end
