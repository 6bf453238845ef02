"""Cold starts, as packaged, beside what they are measured by: `make bench-cold`, explained in docs/performance.md."""
