"""Form fields, widgets and the form renderer."""
