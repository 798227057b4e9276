"""Code without models that every app uses; imports no app."""
