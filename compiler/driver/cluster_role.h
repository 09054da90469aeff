/*
 * cluster_role.h - which process of FILE's cluster this one is, by --job and
 * --task and the environment.
 */
#ifndef PTL_DRIVER_CLUSTER_ROLE_H
#define PTL_DRIVER_CLUSTER_ROLE_H

#include "base/security.h"
#include "driver.h"
#include "lang/cluster.h"
#include "launch/role.h"

/* role_resolve() of launch/role.h, texts in d->arena. */
ptl_status driver_role(driver *d, const typed_cluster *cluster,
                       launch_role *out, ptl_error *err);

ptl_security driver_security(const typed_cluster *cluster);
/* With --record: E_USAGE where what this cluster does follows from no schedule.
 */
ptl_status driver_check_record(const driver *d, const typed_cluster *cluster,
                               ptl_error *err);
/* Where a process writes its part of the --trace or --record at `path`. */
const char *driver_part(ptl_arena *arena, const char *path, role_kind kind,
                        int index);

#endif
