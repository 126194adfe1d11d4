/* SPDX-License-Identifier: Apache-2.0 */
#include "station/mes/mes.h"

extern const struct mes_adapter mes_folder, mes_http;

const struct mes_adapter *const mes_table[] = {&mes_folder, &mes_http, NULL};
