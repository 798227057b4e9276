"""Signing in through the university's own CAS or OpenID Connect, so that whoever comes from the ENT is not asked twice.

Off unless `SIGN_IN` says otherwise. The portal's own form stays: providers have bad days.
"""
