"""A real OpenLDAP server with the SupAnn classes, unpacked from Debian's packages: no root, no installation."""
