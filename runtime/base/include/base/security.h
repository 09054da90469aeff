/*
 * security.h - what of a job's traffic is encrypted: said by the cluster block,
 * carried out by the transport.
 */
#ifndef PTL_BASE_SECURITY_H
#define PTL_BASE_SECURITY_H

typedef enum ptl_security {
    PTL_SECURITY_AUTO, /* all of it, off this machine */
    PTL_SECURITY_CURVE,
    PTL_SECURITY_NONE
} ptl_security;

#endif
