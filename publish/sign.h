// SPDX-License-Identifier: Apache-2.0
/*
 * What the store needs of signatures beyond the public header. Nothing outside publish/ includes
 * it.
 */
#ifndef ESPALIER_PUBLISH_SIGN_H
#define ESPALIER_PUBLISH_SIGN_H

#include "espalier_publish.h"

#include <stdbool.h>

/* As espalier_signature_verify_fd, with the signature behind a descriptor too; both paths are for
 * messages. digests: as if the policy asked for ESPALIER_SIGNATURE_DIGESTS. */
espalier_status espalier_signature_check(int descriptor, const char *path, int signature,
                                         const char *signature_path,
                                         const espalier_signature_policy *policy, bool digests,
                                         espalier_signed *signed_out, espalier_error *error_out);

#endif
