"""`make mutants`: break the rules one at a time, and see whether a test notices (docs/reliability.md, "Mutation")."""
