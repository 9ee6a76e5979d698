"""What `make bench` and `make budget` measure with: Python's standard library, valgrind and wrk."""
