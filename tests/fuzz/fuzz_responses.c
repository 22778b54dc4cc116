/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target of the decoder of Responses. */
#define FUZZ_API LLM_RESPONSES
#include "fuzz_llm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_one(data, size);
}
