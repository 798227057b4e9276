"""Login, sessions and single sign-on."""
