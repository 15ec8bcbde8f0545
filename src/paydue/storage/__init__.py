"""What is kept and how: domain values to rows, group commit, migrations, the outbox."""
