/*
 * onednn.h - what the works of peer_onednn share: the engine, memory, and
 * primitives with their arguments. Threads are OpenMP's (OMP_NUM_THREADS).
 *
 * A call that fails ends the process with its name.
 */
#ifndef PTL_PEER_ONEDNN_H
#define PTL_PEER_ONEDNN_H

#include "worker/worker.h"
#include <dnnl.h>

#define DNN(call) dnn_check((call), #call)
void dnn_check(dnnl_status_t status, const char *call);

dnnl_engine_t dnn_engine(void);
dnnl_stream_t dnn_stream(void);

/* Memory of this description; `data` NULL: memory of its own. */
dnnl_memory_t dnn_memory(const dnnl_memory_desc_t *desc, void *data);
/* What the primitive wants for an argument (dnnl_query_src_md and the like). */
const dnnl_memory_desc_t *dnn_wants(const_dnnl_primitive_desc_t pd,
                                    dnnl_query_t query);

/* One primitive and its arguments, or a reorder. */
typedef struct dnn_call {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[6];
    int arg_count;
} dnn_call;

/* The primitive `pd` describes. Takes `pd`. */
dnnl_primitive_t dnn_primitive(dnnl_primitive_desc_t pd);
dnn_call dnn_reorder(dnnl_memory_t from, dnnl_memory_t to);
void dnn_run(const dnn_call *calls, int count);
/* Lets go of all memory and primitives made so far. */
void dnn_release(void *unused);

ptl_status dnn_product_open(const work_request *r, work *w, ptl_error *err);
ptl_status dnn_conv_open(const work_request *r, work *w, ptl_error *err);

#endif
