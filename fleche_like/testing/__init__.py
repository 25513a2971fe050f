"""What ships for tests of what builds on this package: strategies, conformance suites, faults."""
