"""The measurements of `make bench` and `make budget`. Requires only Python's standard library, valgrind and wrk."""
