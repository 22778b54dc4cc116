/* SPDX-License-Identifier: Apache-2.0 */
/* The kit every room stands on. It knows nothing of tasks, tools or HTTP. See each part for its contract. */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include "base/err.h"
#include "base/log.h"
#include "base/buf.h"
#include "base/sys.h"
#include "base/json.h"
#include "base/loop.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

#endif
