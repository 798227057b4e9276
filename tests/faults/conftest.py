from tests.stack import running_stack, stack  # noqa: F401
