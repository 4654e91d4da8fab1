"""The engine: suites become cells, cells become records, records become numbers with provenance."""
