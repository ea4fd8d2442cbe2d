// Stands in for comgr.c in a worker that is built where there is no comgr.
#include "generator/compile/worker/worker.h"

static enum worker_status probe(const char *isa, struct worker_response *response) {
    return worker_give_up(
        response, WORKER_UNAVAILABLE,
        "monogen was built without comgr, so nothing can be compiled for %s; on "
        "Debian 13 install libamd-comgr-dev, on Debian 12 `make setup` fetches it; "
        "then run make",
        *isa ? isa : "AMD GPUs");
}

static enum worker_status compile(const struct worker_request *request,
                                  struct worker_response *response) {
    return probe(request->isa, response);
}

const struct worker_compiler compiler_comgr = {"comgr", probe, compile};
