"""The steps of the activation, their session and their pages."""
