"""Login through the university's CAS or OpenID Connect, off unless `SIGN_IN` says otherwise."""
