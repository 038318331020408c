/* libhb-rt: run modules compiled by hbc from C or anything that can call C.
 *
 * Handles are opaque; every function that can fail returns a status, and hb_last_error() has the words. No exception crosses
 * this boundary. A session is not for several threads at once (different sessions are independent).
 *
 *   hb_session *session;
 *   if (hb_open("clip.hbm", NULL, &session) != HB_OK) puts(hb_last_error());
 *   hb_tensor in = {"input_ids", HB_I64, 2, {1, 77}, ids}, out = {"pooled", HB_F32, 2, {1, 768}, pooled};
 *   hb_run(session, "text_encode", &in, 1, &out, 1, NULL, NULL);
 *   hb_close(session);
 */
#ifndef HB_RT_H
#define HB_RT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HB_API __attribute__((visibility("default")))
#else
#define HB_API
#endif

/* The same numbers as the exit codes of the tools. */
typedef enum hb_status {
  HB_OK = 0,
  HB_FAILED = 1,      /* failed at run time */
  HB_USAGE = 2,       /* wrong arguments */
  HB_BAD_FILE = 3,    /* bad model, adapter, module or input */
  HB_NO_MEMORY = 4,
  HB_INTERNAL = 70,
  HB_CANCELLED = 130  /* the step callback said so */
} hb_status;

typedef enum hb_dtype { HB_F32 = 0, HB_I64 = 1 } hb_dtype;

#define HB_MAX_RANK 8

/* A tensor of the caller: row-major, contiguous. */
typedef struct hb_tensor {
  const char *name;
  hb_dtype dtype;
  int rank;
  int64_t shape[HB_MAX_RANK];
  void *data;
} hb_tensor;

typedef struct hb_options {
  const char *weights; /* where the checkpoint lies now; NULL: where it was at compile time */
  int threads;         /* 0: all processors the process may use */
  const char *device;  /* "cpu", "cuda" (the first), "cuda:1", "cuda:sim"; NULL: "cpu" */
} hb_options;

typedef struct hb_session hb_session;

/* Called before each iteration of a program's outermost loop; a non-zero return cancels the run. */
typedef int (*hb_step_callback)(void *user, int64_t step, int64_t steps);

/* Opens a module and its checkpoint on a device and checks one against the other. `options` may be NULL; set what you do not use to 0. */
HB_API hb_status hb_open(const char *module, const hb_options *options, hb_session **session);
HB_API void hb_close(hb_session *session);

/* Entries, and the name, type and shape of their inputs (output = 0) and outputs (output = 1); `data` is set to NULL.
 * Names live as long as the session. */
HB_API size_t hb_entry_count(const hb_session *session);
HB_API const char *hb_entry_name(const hb_session *session, size_t index);
HB_API size_t hb_tensor_count(const hb_session *session, const char *entry, int output);
HB_API hb_status hb_tensor_info(const hb_session *session, const char *entry, int output, size_t index, hb_tensor *info);

/* Bytes of the entry's working memory, known before anything runs; 0 for an unknown entry. */
HB_API uint64_t hb_arena_bytes(const hb_session *session, const char *entry);

/* Adds LoRA adapters ("PATH[:SCALE]") in place of those set before. */
HB_API hb_status hb_set_adapters(hb_session *session, const char *const *adapters, size_t count);

/* Runs an entry. Every input must be given; outputs not named are not copied. `callback` may be NULL. */
HB_API hb_status hb_run(hb_session *session, const char *entry, const hb_tensor *inputs, size_t input_count, hb_tensor *outputs, size_t output_count, hb_step_callback callback, void *user);

/* The message of the last failure in this thread, e.g. "error HB0503: …". */
HB_API const char *hb_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
