"""Pages of an account: signing in, what is set, and what can be changed."""
