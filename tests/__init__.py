"""The tests: a package of its own name, because pywb installs a top-level package `tests` as well."""
