import tests.charter  # noqa: F401 (the charter has to survive the tests that really commit)
