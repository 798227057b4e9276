"""The agents’ area under /admin/: roles, second factor and screens."""
