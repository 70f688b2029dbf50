"""What scripts/lab, the tests and the benchmarks share: lab files, machines, clients."""
