"""`make mutants`: breaks the rules one at a time and checks that a test fails (docs/reliability.md, "Mutation")."""
